"""What the aorta network's outlines are off by: learnt on calibration scans, section by section, against the true mask.

A network that draws its border half a voxel too far out does so all along the vessel; one that has run on into the heart is wrong
there only. So the correction is learnt where the border is sharp and applied where it is, and nothing is measured elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cad.measure.aorta import LANDMARKS, METHODS, AortaMeasurement, Direct, DirectError, Outlined, OutlineError, measured
from cad.measure.aorta.direct import read_sections
from cad.measure.aorta.estimates import DIRECT, DISAGREE, LUMEN, OUTLINE
from cad.space import FloatArray
from cad.volume import Volume

if TYPE_CHECKING:
    from cad.train.diameters import TrueCourse

WIDEST_BORDER_MM = 5.5
WALL_DOUBT_MM = 0.8  # two walls, each 1.6 mm give or take 0.4
EVERY = 6  # of the sections, 9 mm apart, the readings are calibrated on
FRONT = LANDMARKS[: LANDMARKS.index("aorta_mid_arch") + 1]
BACK = LANDMARKS[len(FRONT) : LANDMARKS.index("aorta_max")]
SHIPPED = {
    "728afc8ad1f728446ab4be2ec951cc0df17fbb3871d58ac44992e7d1e566d59c": OutlineError(
        offset_mm=0.109,
        slope=0.361,
        widest_border_mm=WIDEST_BORDER_MM,
        front=(1.094, 4.960),
        back=(0.323, 2.662),
        largest=(1.191, 2.435),
        lumen_half_mm=1.864,
    )
}
"""By the weights' SHA-256, for a model whose header was written before sections were calibrated: aorta_ct 1, from its own 20
calibration scans, with the simulator of that time."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """One simulated scan of `seed`: the network's outline and its Dice, the scan in HU, the true course and largest diameter."""

    outline: Outlined | str
    image: Volume
    course: TrueCourse
    widest_mm: float
    diaphragm_z_mm: float
    seed: int
    dice: float

    def measured(self, error: OutlineError, direct: Direct | None = None) -> AortaMeasurement | None:
        """As screening measures it; None where the outline has no course."""
        if isinstance(self.outline, str):
            return None
        return measured(self.outline, diaphragm_z_mm=self.diaphragm_z_mm, error=error, image=self.image, direct=direct)


@dataclass(frozen=True, slots=True)
class LandmarkError:
    """A landmark as said, beside the truth at its place: mm. `source` is the estimate said, `others` those beside it."""

    name: str
    value: float
    true_mm: float
    interval: tuple[float, float]
    source: str
    label: str
    others: tuple[tuple[str, float], ...] = ()

    @property
    def error_mm(self) -> float:
        """Said minus true."""
        return self.value - self.true_mm

    @property
    def held(self) -> bool:
        """Whether the interval holds the truth."""
        return self.interval[0] <= self.true_mm <= self.interval[1]

    def by(self, source: str) -> float | None:
        """The error of one estimate, said or not; None where it was not made."""
        found = dict(((self.source, self.value), *self.others)).get(source)
        return None if found is None else found - self.true_mm


def fit_outline_error(scans: Sequence[Calibrated]) -> OutlineError:
    """The offset over the border's width on all scans; what remains, part by part, on those where the outline alone decides.

    Half widths are split conformal: of few landmarks, the largest residual.
    """
    border, error = _sections(scans)
    slope, offset = np.polyfit(border, error, 1)
    nothing = (0.0, 0.0)
    draft = OutlineError(float(offset), float(slope), WIDEST_BORDER_MM, nothing, nothing, nothing, 0.0)
    found = _all_errors(scans, draft)
    front = _centred([e for e in found if e.name in FRONT])
    back = _centred([e for e in found if e.name in BACK])
    draft = replace(draft, front=front, back=back)
    largest = _centred([e for e in _all_errors(scans, draft) if e.name == "aorta_max"])
    lumen = _conformal([abs(e.error_mm) for e in found if e.source == LUMEN])
    return replace(draft, largest=largest, lumen_half_mm=lumen + WALL_DOUBT_MM)


def fit_direct_error(scans: Sequence[Calibrated], direct: Direct, outline: OutlineError) -> DirectError:
    """How far the network's readings lie from the truth in units of its own doubt: conformal over sections 9 mm apart.

    Then by how much the largest that it says is too large.
    """
    scores = []
    for scan in scans:
        found = (
            None if isinstance(scan.outline, str) else measured(scan.outline, diaphragm_z_mm=None, error=outline, image=None, direct=None)
        )
        seen = list(found.measured) if found else []
        if not seen:
            continue
        diameters, spreads = read_sections(seen, scan.image, direct)
        known = [(d, sd, scan.course.at(s.centre_mm)) for d, sd, s in zip(diameters, spreads, seen, strict=True)][::EVERY]
        scores += [abs(d - true) / sd for d, sd, true in known if true is not None]
    draft = DirectError(_conformal(scores))
    errors = [e for e in _all_errors(scans, outline, replace(direct, error=draft)) if e.name == "aorta_max"]
    read = [e.error_mm for e in errors if e.source == DIRECT and e.label != DISAGREE]
    return replace(draft, largest=float(np.median(read)) if read else 0.0)


def _all_errors(scans: Sequence[Calibrated], draft: OutlineError, direct: Direct | None = None) -> list[LandmarkError]:
    found: list[LandmarkError] = []
    for scan in scans:
        said = scan.measured(draft, direct)
        found.extend(landmark_errors(said, scan.course, scan.widest_mm) if said else ())
    return found


def _centred(errors: Sequence[LandmarkError]) -> tuple[float, float]:
    """Median error and conformal half width around it, of landmarks that the outline alone decided."""
    alone = np.array([e.error_mm for e in errors if e.source == OUTLINE and e.label != DISAGREE])
    if not alone.size:
        return 0.0, 0.0
    middle = float(np.median(alone))
    return middle, _conformal(np.abs(alone - middle).tolist())


def landmark_errors(said: AortaMeasurement, course: TrueCourse, widest_mm: float) -> tuple[LandmarkError, ...]:
    """Every landmark that has a value beside the true diameter at its place; the largest beside the largest there is."""
    sources = {method: source for source, method in METHODS.items()}
    found = []
    for m in said.measurements:
        if m.value is None or m.interval is None or m.position_mm is None:
            continue
        there = widest_mm if m.name == "aorta_max" else course.at(m.position_mm)
        if there is None or m.name not in LANDMARKS:
            continue
        found.append(LandmarkError(m.name, m.value, there, m.interval, sources[m.method], m.label, m.others))
    return tuple(found)


def _sections(scans: Sequence[Calibrated]) -> tuple[FloatArray, FloatArray]:
    """Border width and diameter error of every section that has a border, mm."""
    pairs = [
        (s.border_mm, s.area_diameter_mm - true)
        for scan in scans
        for s in (() if isinstance(scan.outline, str) else scan.outline.sections)
        if s.border_mm <= WIDEST_BORDER_MM and (true := scan.course.at(s.centre_mm)) is not None
    ]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _conformal(values: Sequence[float]) -> float:
    """The value that 95 % of new ones stay below; the largest for fewer than 19."""
    if not values:
        return 0.0
    rank = int(np.ceil(0.95 * (len(values) + 1)))
    return float(np.sort(values)[min(rank, len(values)) - 1])
