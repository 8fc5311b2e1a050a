"""The sub-voxel outline of a mask: one smooth field and the level at which the structure ends.

A soft mask (probabilities) is its own field with level 0.5. A binary mask is blurred by a little more
than half a voxel, and its level is the one that keeps the voxel count: blurring alone would shrink
whatever is curved (motion by mean curvature), and a small nodule would lose a tenth of its volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.space import Grid
from cad.volume import Volume

MARGIN = 3
BLUR_VOXELS = 0.9
SOFT_STEP = 0.25
BINARY_STEP = 0.11


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A field (float32, padded by `MARGIN` voxels around the structure) on its grid, and its level.

    Values above `level` are inside; `step` is the change of level that moves the boundary by about a quarter
    voxel. `cut` names the grid sides (axis, 0 or 1) the structure runs into: beyond them the field is padded
    with zeros although the structure may go on.
    """

    field: NDArray[np.float32]
    grid: Grid
    level: float
    step: float
    cut: tuple[tuple[int, int], ...]

    def outer(self) -> float:
        """The level a quarter voxel further out."""
        return max(self.level - self.step, 0.02)

    def inner(self) -> float:
        """The level a quarter voxel further in."""
        return min(self.level + self.step, 0.98)


def outline(mask: Volume) -> Outline | None:
    """The outline of all voxels of at least 0.5 in `mask` (bool, uint8 or float in [0, 1]); None when there are none."""
    voxels = np.asarray(mask.voxels)
    inside = voxels >= 0.5
    if not inside.any():
        return None
    boxes = ndimage.find_objects(inside.astype(np.uint8))[0]
    start = tuple(int(s.start) - MARGIN for s in boxes)
    shape = tuple(int(s.stop - s.start) + 2 * MARGIN for s in boxes)
    field = _padded(voxels, start, shape).astype(np.float32)
    level, step = 0.5, SOFT_STEP
    if is_binary(voxels):
        count = int((field > 0).sum())
        field = ndimage.gaussian_filter(field, _blur(mask.grid))
        level, step = _count_keeping_level(field, count), BINARY_STEP
    cut = tuple((axis, side) for axis in range(3) for side in (0, 1) if _touches(boxes[axis], mask.grid.shape[axis], side))
    return Outline(field, mask.grid.crop(start, shape), level, step, cut)


def is_binary(voxels: NDArray[Any]) -> bool:
    """Whether a mask holds no probabilities between 0 and 1."""
    if voxels.dtype.kind in "biu":
        return True
    return not bool(((voxels > 1e-3) & (voxels < 1 - 1e-3)).any())


def _padded(voxels: NDArray[Any], start: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[Any]:
    """The window of `shape` from `start`, zero beyond the array."""
    out = np.zeros(shape, voxels.dtype)
    low = [max(0, s) for s in start]
    high = [min(n, s + w) for n, s, w in zip(voxels.shape, start, shape, strict=True)]
    target = tuple(slice(lo - s, hi - s) for lo, hi, s in zip(low, high, start, strict=True))
    out[target] = voxels[tuple(slice(lo, hi) for lo, hi in zip(low, high, strict=True))]
    return out


def _blur(grid: Grid) -> list[float]:
    """Blur per axis in voxels: the same millimetres along each, so that thick slices are not smeared into one another."""
    finest = min(grid.spacing_mm)
    return [BLUR_VOXELS * finest / spacing for spacing in grid.spacing_mm]


def _count_keeping_level(field: NDArray[np.float32], count: int) -> float:
    """The level above which exactly `count` voxels of the field lie."""
    ordered = np.sort(field, axis=None)[::-1]
    following = ordered[count] if count < ordered.size else 0.0
    return float(np.clip((ordered[count - 1] + following) / 2, 0.05, 0.95))


def _touches(extent: slice, size: int, side: int) -> bool:
    return bool(extent.start == 0) if side == 0 else bool(extent.stop == size)
