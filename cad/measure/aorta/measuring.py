"""The public entry: from an outline, and the scan where there is one, to diameters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cad.finding import Measurement
from cad.measure.aorta.border import OutlineError, plausible, with_borders
from cad.measure.aorta.course import course_of
from cad.measure.aorta.direct import Direct, with_direct
from cad.measure.aorta.landmarks import LANDMARKS, descending_from, landmarks, missing
from cad.measure.aorta.lumen import with_lumen
from cad.measure.aorta.sections import Section, oriented, sections_of
from cad.measure.aorta.tubing import tube_of
from cad.space import FloatArray
from cad.volume import Volume

LUMEN_HALF_MM = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class AortaMeasurement:
    """Every landmark in `measurements` (mm or coded as not measurable), all whole `sections` along the way.

    `outcome` is "measured" or why nothing could be: empty_mask, mask_too_small, fragmented, centreline_not_found, cut_off.
    """

    outcome: str
    measurements: tuple[Measurement, ...]
    sections: tuple[Section, ...] = ()
    centreline_mm: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))

    @property
    def measured(self) -> tuple[Section, ...]:
        """The sections whose diameter may be said."""
        return tuple(s for s in self.sections if s.outcome == "measured")


def measure_aorta(
    aorta: Volume,
    *,
    diaphragm_z_mm: float | None = None,
    error: OutlineError | None = None,
    image: Volume | None = None,
    direct: Direct | None = None,
) -> AortaMeasurement:
    """Diameters of the aorta given as a 0/1 mask or as probabilities (level 0.5). Never raises for what an image can hold.

    `diaphragm_z_mm` is the height (LPS z) of the diaphragm where known, e.g. from the lungs' lower border. `error` is what
    outlines of this kind are off by: they are corrected by it, and not measured where the network did not see a border.
    `image` is the scan in HU for other estimates: by its enhanced blood (see lumen), and by a network where `direct` is given.
    """
    seen = outlined(aorta)
    if isinstance(seen, str):
        return _nothing(seen)
    return measured(seen, diaphragm_z_mm=diaphragm_z_mm, error=error, image=image, direct=direct)


@dataclass(frozen=True, slots=True, eq=False)
class Outlined:
    """An outline's sections from the root end on, as it has them, the index of the arch's top among them, and the line through them.

    `open_end` says that the last lies at the scan's edge.
    """

    sections: tuple[Section, ...]
    top: int | None
    centreline_mm: FloatArray
    open_end: bool


def outlined(aorta: Volume) -> Outlined | str:
    """The part of measuring that needs the outline alone, or the outcome that says why there is none."""
    tube, problem = tube_of(aorta)
    if tube is None:
        return problem
    course = course_of(tube)
    if course is None:
        return "centreline_not_found"
    raw = sections_of(tube, *course)
    if len(raw) < 3:
        return "cut_off"
    ordered, top = oriented(raw)
    return Outlined(with_borders(tuple(ordered), aorta), top, course[0], _open(ordered[-1], aorta))


def measured(
    outline: Outlined, *, diaphragm_z_mm: float | None, error: OutlineError | None, image: Volume | None, direct: Direct | None
) -> AortaMeasurement:
    """See measure_aorta."""
    sections, top = outline.sections, outline.top
    if error is not None:
        turn = descending_from(list(sections), top)
        sections = tuple(error.corrected(s, error.front if i <= turn else error.back) for i, s in enumerate(sections))
    if image is not None:
        sections = with_lumen(sections, image, LUMEN_HALF_MM if error is None else error.lumen_half_mm)
        sections = sections if direct is None else with_direct(sections, image, direct)
    if error is not None:
        sections = tuple(plausible(s) for s in sections)
    largest = 0.0 if direct is None else direct.error.largest
    found = landmarks(list(sections), top, diaphragm_z_mm, error, largest, open_end=outline.open_end)
    return AortaMeasurement("measured", found, sections, outline.centreline_mm)


def _nothing(outcome: str) -> AortaMeasurement:
    return AortaMeasurement(outcome, tuple(missing(name, outcome) for name in LANDMARKS))


def _open(last: Section, aorta: Volume) -> bool:
    """Whether the last section lies within a diameter of the scan's edge, so that the aorta may go on."""
    index = aorta.grid.to_index(last.centre_mm)
    reach = last.area_diameter_mm / np.asarray(aorta.grid.spacing_mm)
    return bool(((index < reach) | (index > np.asarray(aorta.grid.shape) - 1 - reach)).any())
