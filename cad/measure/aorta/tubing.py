"""The tube that a mask of the aorta stands for: its signed depth, sub-voxel, continued past the scan's edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import brentq

from cad.measure.centreline import BEYOND_MM, Tube
from cad.measure.surface import is_binary
from cad.space import Grid
from cad.volume import Volume

SMALLEST_MM3 = 2000.0
BLUR = 1.0
LARGEST_SHARE = 0.7


def tube_of(aorta: Volume) -> tuple[Tube | None, str]:
    """The tube's signed depth around its largest piece, or why there is none."""
    voxels = np.asarray(aorta.voxels)
    labels, count = ndimage.label(voxels >= 0.5)
    if count == 0:
        return None, "empty_mask"
    sizes = np.bincount(labels.ravel())[1:]
    if sizes.max() * aorta.grid.voxel_mm3 < SMALLEST_MM3:
        return None, "mask_too_small"
    if sizes.max() < LARGEST_SHARE * sizes.sum():
        return None, "fragmented"
    own = labels == int(sizes.argmax()) + 1
    return _around(voxels, own, aorta.grid), ""


def _around(voxels: NDArray[np.generic], own: NDArray[np.bool_], grid: Grid) -> Tube:
    """Crop to the piece; where it meets the scan's edge, repeat the outermost voxels outwards."""
    box = ndimage.find_objects(own.astype(np.uint8))[0]
    cut = [(s.start == 0, s.stop == n) for s, n in zip(box, own.shape, strict=True)]
    reach = [int(np.ceil(BEYOND_MM / spacing)) for spacing in grid.spacing_mm]
    window = tuple(slice(max(0, s.start - 4), s.stop + 4) for s in box)
    here = own[window]
    pads = [(r if c[0] else 4, r if c[1] else 4) for r, c in zip(reach, cut, strict=True)]
    start = [s.start - p[0] for s, p in zip(window, pads, strict=True)]
    inside = np.pad(here, pads, mode="edge")
    low = (-0.5 - start[0], -0.5 - start[1], -0.5 - start[2])
    high = tuple(n - 0.5 - s for n, s in zip(own.shape, start, strict=True))
    share, amount = _shares(voxels, inside, window, pads, grid.spacing_mm)
    depth = _placed(_depth(inside, grid.spacing_mm), share, grid.spacing_mm)
    depth -= _keeping(depth, amount, grid.spacing_mm)
    return Tube(depth, grid.crop(start, inside.shape), low, (high[0], high[1], high[2]))


def _shares(
    voxels: NDArray[np.generic],
    inside: NDArray[np.bool_],
    window: tuple[slice, ...],
    pads: list[tuple[int, int]],
    spacing: tuple[float, ...],
) -> tuple[NDArray[np.float32], float]:
    """How far each voxel belongs to the tube, and how many voxels it makes: probabilities as they are, a binary mask blurred."""
    if is_binary(voxels):
        return ndimage.gaussian_filter(inside.astype(np.float32), [BLUR * min(spacing) / s for s in spacing]), float(inside.sum())
    share = np.pad(voxels[window].astype(np.float32), pads, mode="edge")
    return share, float(share[ndimage.binary_dilation(inside, np.ones((3, 3, 3)))].sum(dtype=np.float64))


def _depth(inside: NDArray[np.bool_], spacing: tuple[float, ...]) -> NDArray[np.float32]:
    """Signed distance to the mask's wall in mm."""
    within = ndimage.distance_transform_edt(inside, sampling=spacing)
    return np.asarray(within - ndimage.distance_transform_edt(~inside, sampling=spacing), dtype=np.float32)


def _keeping(depth: NDArray[np.float32], amount: float, spacing: tuple[float, ...]) -> float:
    """The depth that encloses `amount` voxels: taken as the wall, it undoes what smoothing took from a curved surface.

    Voxels that the wall passes through count in part, over one voxel's width, so that equal slices do not make steps.
    """
    width, reach = float(np.prod(spacing)) ** (1 / 3), 2 * max(spacing)
    band = depth[np.abs(depth) <= reach].astype(np.float64)
    deep = int((depth > reach).sum())

    def excess(level: float) -> float:
        return deep + float(np.clip(0.5 + (band - level) / width, 0, 1).sum()) - amount

    if excess(-reach / 2) < 0 or excess(reach / 2) > 0:
        return 0.0
    return float(brentq(excess, -reach / 2, reach / 2, xtol=1e-3))


def _placed(depth: NDArray[np.float32], share: NDArray[np.float32], spacing: tuple[float, ...]) -> NDArray[np.float32]:
    """Near the wall the probability itself places the surface: its distance from 0.5 over its own slope."""
    slope = np.sqrt(sum(np.square(g) for g in np.gradient(share, *spacing)))
    placed = (share - 0.5) / np.maximum(slope, 1e-3)
    near = (np.abs(depth) < 1.5 * max(spacing)) & (slope > 0.02 / max(spacing))
    return np.where(near, np.clip(placed, -2 * max(spacing), 2 * max(spacing)), depth).astype(np.float32)
