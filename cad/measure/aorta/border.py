"""How sharply a network sees the aorta's border, what its outlines are off by there, and where they say nothing.

A network's probability falls from 1 to 0 across the border. Where it is sure the fall is a few millimetres wide and the
outline is off by an offset that is much the same along the vessel; where the fall is wide it is guessing: it has run on
into the heart, or ended too early. One number a section tells the two apart, and needs no truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.measure.aorta.estimates import LUMEN
from cad.measure.aorta.sections import Section
from cad.measure.surface import is_binary
from cad.space import FloatArray
from cad.volume import Volume

REACH_MM = 4.0
SAMPLE_MM = 0.5
UNCLEAR = "unclear_border"
NARROW = "implausibly_narrow"
NARROWEST_MM = 17.0  # an adult's thoracic aorta is some 24 to 30 mm wide even at the diaphragm (2010 ACCF/AHA guideline, normal diameters)


@dataclass(frozen=True, slots=True)
class OutlineError:
    """What a network's outlines of the aorta are off by, learnt on calibration scans (mm of diameter).

    An outline is `offset_mm` + `slope` * border width too wide. What then remains is `front` (root to arch), `back` (descending) and, for
    the largest of all diameters, `largest`: (median error, half width that held 95 % of calibration landmarks). Sections whose border is
    wider than `widest_border_mm` are not measured. `lumen_half_mm` is the 95 % half width of the lumen's border plus two walls.
    """

    offset_mm: float
    slope: float
    widest_border_mm: float
    front: tuple[float, float]
    back: tuple[float, float]
    largest: tuple[float, float]
    lumen_half_mm: float

    def corrected(self, section: Section, part: tuple[float, float]) -> Section:
        """The section without the error expected in its `part` (`front` or `back`), with its interval; or said to be unclear."""
        if section.border_mm > self.widest_border_mm:
            return replace(section, outcome=UNCLEAR)
        less, half = self.offset_mm + self.slope * section.border_mm + part[0], part[1]
        width = max(section.area_diameter_mm - max(less, 0.0), 0.5 * section.area_diameter_mm)
        shrink = width / section.area_diameter_mm
        return replace(
            section,
            area_diameter_mm=width,
            longest_mm=section.longest_mm * shrink,
            shortest_mm=section.shortest_mm * shrink,
            interval=(max(width - half, 0.0), width + half),
            outline_mm=section.centre_mm + shrink * (section.outline_mm - np.asarray(section.centre_mm)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the model header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Back from the model header."""
        plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
        return cls(**plain)


def plausible(section: Section) -> Section:
    """The section, or that what is narrower than an adult's aorta, by no enhanced blood, is taken for a missed part of it."""
    unseen = section.outcome == "measured" and LUMEN not in (section.source, *(source for source, _ in section.others))
    return replace(section, outcome=NARROW) if unseen and section.area_diameter_mm < NARROWEST_MM else section


def with_borders(sections: tuple[Section, ...], aorta: Volume) -> tuple[Section, ...]:
    """Every section with the width of its border on the probability map (mm); 0 on a 0/1 mask, whose border is no opinion."""
    if not sections or is_binary(np.asarray(aorta.voxels)):
        return sections
    widths = _border_mm(sections, aorta)
    return tuple(replace(s, border_mm=float(w)) for s, w in zip(sections, widths, strict=True))


def along_rays(image: Volume, sections: tuple[Section, ...], at_mm: FloatArray) -> NDArray[np.float32]:
    """`image` at the distances `at_mm` (sections, rays, samples) from each section's centre towards its outline, linear."""
    centres = np.array([s.centre_mm for s in sections])
    towards = np.array([s.outline_mm for s in sections]) - centres[:, None]
    towards /= np.maximum(np.linalg.norm(towards, axis=2, keepdims=True), 1e-6)
    index = image.grid.to_index(centres[:, None, None] + at_mm[..., None] * towards[:, :, None])
    voxels = np.asarray(image.voxels, dtype=np.float32)
    return np.asarray(ndimage.map_coordinates(voxels, np.moveaxis(index, -1, 0), order=1, mode="nearest"), dtype=np.float32)


def _border_mm(sections: tuple[Section, ...], aorta: Volume) -> FloatArray:
    """The integral of 4 p (1 - p) across the wall, mean over the rays: the width in which the network is undecided."""
    radii = radii_of(sections)
    at = np.maximum(radii[..., None] + np.arange(-REACH_MM, REACH_MM, SAMPLE_MM), 0.0)
    share = along_rays(aorta, sections, at).astype(np.float64)
    raw = (4 * share * (1 - share)).sum(axis=2).mean(axis=1) * SAMPLE_MM
    return np.asarray(ndimage.gaussian_filter1d(raw, 1.5, mode="nearest"))


def radii_of(sections: tuple[Section, ...]) -> FloatArray:
    """Distance of the outline from the centre (sections, rays), mm."""
    return np.array([np.linalg.norm(s.outline_mm - np.asarray(s.centre_mm), axis=1) for s in sections])
