"""A second opinion on the aorta's diameter: where enhanced blood ends on the scan itself.

Along each ray the lumen's border is the place half way between the blood's level and the wall's; five low harmonics,
fitted robustly, close the ring. Two walls of an assumed thickness make it an outer diameter. The network's outline only says where
to look, so the two fail differently: a flap or thrombus narrows the lumen, a leak widens the outline, and blood outside an outline
proves it too narrow (see estimates).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.measure.aorta.border import along_rays, radii_of
from cad.measure.aorta.estimates import LUMEN, Estimate, weighed
from cad.measure.aorta.sections import Section
from cad.space import FloatArray
from cad.volume import Volume

ENHANCED_HU = 110.0
SOFT_TISSUE_HU = 60.0
METAL_HU = 2000.0
METAL_RAYS = 0.1
WALL_MM = 1.6  # assumed; the aortic wall of adults is about 1.5 to 2 mm thick on CT and MR
STEP_MM = 0.5
INWARDS_MM, OUTWARDS_MM = 8.0, 3.0
RING_MM = 4.0
LEAST_RAYS = 36
ROBUST_MM = 1.5
METAL = "metal_at_wall"


@dataclass(frozen=True, slots=True)
class _Seen:
    """Outer diameter (n,) by the lumen's border, NaN where there is none; share of rays with metal (n,); mm."""

    outer_mm: FloatArray
    metal: FloatArray


def with_lumen(sections: tuple[Section, ...], image: Volume, half_mm: float) -> tuple[Section, ...]:
    """Sections that were measured, beside the lumen's estimate; the lumen's value where both agree, for its border is sharper.

    `image` is the scan in HU, `half_mm` the 95 % half width of the lumen's estimate. Without enhanced blood there is
    no such estimate and the sections come back as they are, but for metal at the wall, which is measured by none.
    """
    if not sections:
        return sections
    seen = _seen(sections, image)
    return tuple(_judged(s, seen.outer_mm[i], seen.metal[i], half_mm) for i, s in enumerate(sections))


def _judged(section: Section, outer_mm: float, metal: float, half_mm: float) -> Section:
    if metal >= METAL_RAYS:
        return replace(section, outcome=METAL)
    if section.outcome != "measured" or not np.isfinite(outer_mm):
        return section
    return weighed(section, Estimate(LUMEN, float(outer_mm), half_mm), sharper=True)


def _seen(sections: tuple[Section, ...], image: Volume) -> _Seen:
    radii = radii_of(sections)
    at = np.arange(0, float(radii.max()) + OUTWARDS_MM + 1, STEP_MM)
    raw = along_rays(image, sections, np.broadcast_to(at, (*radii.shape, len(at))))
    ring = np.abs(at - radii[..., None]) <= RING_MM
    metal = np.where(ring, raw, -1000.0).max(axis=2) > METAL_HU
    profile = ndimage.gaussian_filter(raw, (1.5, 1.0, 0.0), mode=("nearest", "wrap", "nearest"))
    middle = at < 0.6 * radii[..., None]
    blood = np.array([float(np.median(profile[i][middle[i]])) if middle[i].any() else -1000.0 for i in range(len(sections))])
    typical = float(np.median(blood))
    if typical < ENHANCED_HU:
        return _Seen(np.full(len(sections), np.nan), metal.mean(axis=1))
    level = (typical + SOFT_TISSUE_HU) / 2
    return _Seen(_rings(_crossings(profile, radii, level)) + 2 * WALL_MM, metal.mean(axis=1))


def _crossings(profile: NDArray[np.float32], radii: FloatArray, level: float) -> FloatArray:
    """Where each ray first falls through `level` near the outline, mm from the centre; NaN where it does not."""
    number = np.arange(profile.shape[2] - 1) * STEP_MM
    falls = (profile[:, :, :-1] >= level) & (profile[:, :, 1:] < level)
    falls &= (number >= radii[..., None] - INWARDS_MM) & (number <= radii[..., None] + OUTWARDS_MM)
    at = falls.argmax(axis=2)
    before = np.take_along_axis(profile, at[..., None], axis=2)[..., 0]
    after = np.take_along_axis(profile, at[..., None] + 1, axis=2)[..., 0]
    part = (before - level) / np.maximum(before - after, 1e-3)
    return np.where(falls.any(axis=2), STEP_MM * (at + part), np.nan)


def _rings(distance: FloatArray) -> FloatArray:
    """Diameter of equal area of a ring through each section's crossings (n, 72); NaN where fewer than half the rays have one."""
    return np.array([_ring(row) if np.isfinite(row).sum() >= LEAST_RAYS else np.nan for row in distance])


def _ring(distance: FloatArray) -> float:
    """Mean and two harmonics, refitted with Cauchy weights so that stray crossings do not pull."""
    angle = 2 * np.pi * np.arange(len(distance)) / len(distance)
    waves = np.column_stack([np.ones(len(angle))] + [f(k * angle) for k in (1, 2) for f in (np.cos, np.sin)])
    known, filled = np.isfinite(distance), np.nan_to_num(distance)
    weight = known.astype(np.float64)
    ridge = np.diag([1e-3, 0.05, 0.05, 0.05, 0.05])
    for _ in range(6):
        scaled = waves * weight[:, None]
        fit = waves @ np.linalg.solve(scaled.T @ waves + ridge, scaled.T @ filled)
        weight = np.where(known, 1 / (1 + ((filled - fit) / ROBUST_MM) ** 2), 0.0)
    return float(2 * np.sqrt((fit**2).mean()))
