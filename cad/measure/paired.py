"""How a lesion's volume changed between two scans that lie on one grid: both measured the same way, at the same places.

What is counted is how full of lesion every voxel is: none at a tenth of the way from the lung around to the lesion, all at nine
tenths (partial volumes count in part). Level, region and what is left out (vessels, chest wall) are the same for both scans, the
thinner slices are averaged as the thicker ones were, and a shift of the lung's density is taken off. So what is wrong with one
volume is wrong with the other, and their ratio is far surer than either.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.measure.growth import Change
from cad.measure.opening import Mask, opened
from cad.prepare.locally import OUTSIDE, VOXEL_MM, Alongside

SMOOTH_MM = 0.7
LEAST_CONTRAST_HU, LEVEL_WIDTH = 60.0, 0.8
REACH_MM, REACH_AT_WALL_MM, WALL_MM, WALL_TIMES = 4.0, 1.5, 8.0, 6.0  # how far a lesion may go beyond its outlines
BORDER_MM = 2.0  # of voxels around the lesion that are lesion in part
OPENED_SHARE, MOST_OPENED_MM = 0.35, 2.0  # of the radius: what is thinner is a vessel or a spicule
AROUND_MM, LEAST_AROUND = (3.5, 9.0), 60
MOST_HALF = 0.95
FLOOR, SLICE_SHARE, CONTACT_SHARE = 0.051, 0.234, 0.195  # from 124 unchanged pairs, `benchmarks/growth.py --learn`
TOLD_SHORT, TOLD_SHORT_SUBSOLID = 0.5, 1.3  # what lies beside a lesion and does not grow (vessels, haze) is counted in part
SUBSOLID = ("part_solid", "ground_glass")
Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Paired:
    """A change measured on one grid: the logarithm of current over prior volume, and what decides how well that repeats.

    `diameter_mm` is that of a ball as large as both lesions on average, `contact` the share of the region around them that is other
    dense structures, `slice_mm` the distance of the thicker slices.
    """

    log_ratio: float
    diameter_mm: float
    contact: float
    slice_mm: float

    def change(self, texture: str) -> Change:
        """With the standard deviation that unchanged lesions show on simulated pairs, and by how much those that changed are told short:
        more for a `texture` that is part-solid or ground glass (`benchmarks/growth.py`)."""
        slices = SLICE_SHARE * self.slice_mm / self.diameter_mm
        spread = sqrt(FLOOR**2 + slices**2 + (CONTACT_SHARE * self.contact) ** 2)
        return Change(self.log_ratio, spread, TOLD_SHORT_SUBSOLID if texture in SUBSOLID else TOLD_SHORT)


def paired_change(laid: Alongside) -> Paired | None:
    """The change; None for a lesion without an outline, one that hardly stands out, or one that a scan does not hold whole."""
    seen = _Seen.of(laid)
    lesion = None if seen is None else _lesion(seen)
    if seen is None or lesion is None:
        return None
    apart, others = _apart(lesion), _apart(seen.dense & ~lesion)
    near, foreign = apart <= BORDER_MM, (others <= 1.0) & (apart > VOXEL_MM / 2)
    lung = seen.mean < seen.base + 0.35 * seen.contrast
    around = (apart > AROUND_MM[0]) & (apart < AROUND_MM[1]) & seen.valid & (others > 1.5) & lung
    if around.sum() < LEAST_AROUND or (near & ~seen.valid).any():
        return None
    shift = float(seen.current[around].mean() - seen.prior[around].mean())
    full = seen.filled(seen.prior + shift / 2), seen.filled(seen.current - shift / 2)
    region = near & ~foreign
    held = [int((_opened(lesion & (f > 0.5), seen.radius_mm) & region).sum()) for f in full]
    between = float((full[1] - full[0])[region].sum()) / max(sum(held), 1e-6)
    if abs(between) >= MOST_HALF or sum(held) == 0:
        return None
    diameter = float((3 * sum(held) * VOXEL_MM**3 / pi) ** (1 / 3))
    share = float((foreign & near).sum() / near.sum())
    return Paired(log((1 + between) / (1 - between)), diameter, share, max(laid.slices_mm))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Both scans equally sharp, and where lesion begins: `base` the lung around in HU, `contrast` how far the lesion lies above it.

    `outlined` is what either outline holds, `apart` mm from it, `dense` what is above half way on either scan.
    """

    prior: Field
    current: Field
    valid: Mask
    outlined: Mask
    apart: Field
    base: float
    contrast: float
    dense: Mask

    @classmethod
    def of(cls, laid: Alongside) -> _Seen | None:
        """None without outlines, without lung around, or without contrast."""
        outlines = [np.asarray(o.voxels) >= 0.5 for o in (laid.prior_outline, laid.current_outline)]
        outlined = outlines[0] | outlines[1]
        if not outlined.any():
            return None
        apart = _apart(outlined)
        valid = (laid.prior.voxels > OUTSIDE / 1.2) & (laid.current.voxels > OUTSIDE / 1.2)
        prior, current = (
            _as_sharp(v.voxels, valid, mm, max(laid.slices_mm)) for v, mm in zip((laid.prior, laid.current), laid.slices_mm, strict=True)
        )
        far = (apart > 4) & (apart < 12) & valid
        if far.sum() < LEAST_AROUND:
            return None
        base = float(np.percentile(((prior + current) / 2)[far], 30))
        tops = [np.percentile(v[o & valid], 60) for v, o in zip((prior, current), outlines, strict=True) if (o & valid).any()]
        contrast = float(max(tops, default=base)) - base
        if contrast < LEAST_CONTRAST_HU:
            return None
        level = base + contrast / 2
        return cls(prior, current, valid, outlined, apart, base, contrast, ((prior > level) | (current > level)) & valid)

    @property
    def mean(self) -> Field:
        """Both scans averaged."""
        return np.asarray((self.prior + self.current) / 2)

    @property
    def radius_mm(self) -> float:
        """Of a ball as large as the outlines."""
        return float((3 * self.outlined.sum() * VOXEL_MM**3 / (4 * pi)) ** (1 / 3))

    def filled(self, hu: Field) -> Field:
        """How full of lesion each voxel is, 0 to 1."""
        return np.asarray(np.clip((hu - self.base - self.contrast / 2) / (LEVEL_WIDTH * self.contrast) + 0.5, 0, 1))


def _lesion(seen: _Seen) -> Mask | None:
    """What is dense around the outlines on either scan, without vessels that leave it and without the wall it touches."""
    opened = _opened(seen.dense, seen.radius_mm)
    labels, _ = ndimage.label(opened if (opened & seen.outlined).any() else seen.dense)
    meant = np.unique(labels[seen.outlined & (labels > 0)])
    if not len(meant):
        return None
    part = np.isin(labels, meant)
    at_wall = bool((part & (seen.apart > WALL_MM)).any()) or part.sum() > WALL_TIMES * seen.outlined.sum()
    return np.asarray(part & (seen.apart <= (REACH_AT_WALL_MM if at_wall else REACH_MM)))


def _opened(mask: Mask, radius_mm: float) -> Mask:
    """Without what is thinner than a share of the lesion; the mask itself where nothing would stay."""
    thin = min(MOST_OPENED_MM, OPENED_SHARE * radius_mm)
    kept = opened(mask, (VOXEL_MM,) * 3, thin) if thin >= VOXEL_MM else mask
    return kept if kept.any() else mask


def _as_sharp(hu: Field, valid: Mask, slice_mm: float, thickest_mm: float) -> Field:
    """Smoothed a little, and along the slices' direction (that of the grid) averaged as the thicker slices are."""
    smooth = ndimage.gaussian_filter(np.where(valid, hu, -1000.0).astype(np.float32), SMOOTH_MM / VOXEL_MM)
    width = round(sqrt(max(thickest_mm**2 - slice_mm**2, 0.0)) / VOXEL_MM)
    return np.asarray(ndimage.uniform_filter1d(smooth, width, axis=0) if width > 1 else smooth)


def _apart(mask: Mask) -> Field:
    """Mm from a mask; far where there is none."""
    return np.asarray(ndimage.distance_transform_edt(~mask) * VOXEL_MM if mask.any() else np.full(mask.shape, 99.0), dtype=np.float32)
