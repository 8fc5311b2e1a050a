"""The dark ring of the skull on MR: what parts a head from a knee of the same size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.prepare.coarse import Coarse, Mask

RINGED = 0.38  # share of directions in which a plane must show it; heads reach 0.4 to 1.0, a liver 0.33, a knee 0
_RAYS = 72
_STEP_MM = 1.5
_DEEP_MM = (3.0, 24.0)  # below the scalp's surface
_DARK = 0.55  # of the usual signal of the middle: compact bone gives next to none
_LEAST_MM2 = 5000.0


def ringed_planes(small: Coarse, whole: Mask) -> tuple[float, float]:
    """Share of the planes of a head (mask on the coarse picture) with a dark ring below the surface, and the fullest ring (0 to 1)."""
    pixel_mm2 = small.spacing_mm[1] * small.spacing_mm[2]
    large = [k for k in np.flatnonzero(whole.any(axis=(1, 2))) if whole[k].sum() * pixel_mm2 > _LEAST_MM2]
    rings = [_ring(small.voxels[k], whole[k], small.spacing_mm[1:]) for k in large]
    return (float(np.mean(np.asarray(rings) >= RINGED)), max(rings)) if rings else (0.0, 0.0)


def _ring(plane: NDArray[np.float32], section: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> float:
    """Share of directions from the section's centre in which something dark lies just below the surface."""
    within = ndimage.distance_transform_edt(np.pad(section, 1), sampling=spacing_mm)[1:-1, 1:-1]
    usual = float(np.median(plane[within > 0.5 * within.max()]))
    centre = np.array([place.mean() for place in np.nonzero(section)])
    angle, reach = np.arange(_RAYS) * 2 * np.pi / _RAYS, np.arange(0, 160, _STEP_MM)
    at = [centre[a] + np.outer(turn(angle), reach) / spacing_mm[a] for a, turn in enumerate((np.sin, np.cos))]
    inside = ndimage.map_coordinates(section.astype(np.float32), at, order=1) > 0.5
    signal = ndimage.map_coordinates(plane, at, order=1)
    shallow, deep = (int(mm / _STEP_MM) for mm in _DEEP_MM)
    ends = np.where(inside.any(axis=1), inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1), 0)
    lowest = [signal[ray, max(0, end - deep) : max(1, end - shallow)].min() for ray, end in enumerate(ends)]
    return float(np.mean(np.asarray(lowest) < _DARK * usual))
