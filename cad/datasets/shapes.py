"""Masks from what data sets give instead: contours, spheres, boxes, label images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.datasets.scan import Patch, patch_of
from cad.space import Grid, Point

Pixels = Sequence[tuple[int, int]]
_ROUNDING_MM = 1e-6
_TOUCHING = np.ones((3, 3, 3), dtype=bool)


def filled(corners: Pixels, shape: tuple[int, int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(inside, border) of a closed polygon of pixel centres (row, column) in an image of `shape`; inside excludes the border.

    A point or a line is all border. Corners must lie in the image.
    """
    from skimage.draw import line, polygon

    rows, columns = np.asarray(corners).T
    area, border = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
        border[line(*start, *end)] = True
    area[polygon(rows, columns, shape=shape)] = True
    return area & ~border, border


def sphere(centre_mm: Point, diameter_mm: float, grid: Grid) -> Patch | None:
    """Voxels whose centre lies in a sphere; the nearest voxel where it is smaller than one; None outside the grid."""
    middle, reach = grid.to_index(centre_mm), diameter_mm / 2 / np.asarray(grid.spacing_mm)
    low = np.clip(np.floor(middle - reach).astype(int), 0, np.asarray(grid.shape) - 1)
    high = np.clip(np.ceil(middle + reach).astype(int), 0, np.asarray(grid.shape) - 1) + 1
    if ((middle < -0.5) | (middle > np.asarray(grid.shape) - 0.5)).any():
        return None
    index = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"), axis=-1)
    away = np.linalg.norm(grid.to_mm(index) - np.asarray(centre_mm), axis=-1)
    inside = away <= max(diameter_mm / 2, float(away.min())) + _ROUNDING_MM
    part = patch_of(inside)
    return part and Patch(_moved(part.start, low), part.voxels)


def ellipse(box: tuple[int, int, int, int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The ellipse that a box (first row, first column, last row, last column) of pixels holds, (rows, columns)."""
    top, left, bottom, right = box
    down = (np.arange(shape[0]) - (top + bottom) / 2) / max((bottom - top + 1) / 2, 0.5)
    across = (np.arange(shape[1]) - (left + right) / 2) / max((right - left + 1) / 2, 0.5)
    return np.asarray(down[:, None] ** 2 + across[None, :] ** 2 <= 1)


def pieces(mask: NDArray[Any]) -> Iterable[Patch]:
    """Connected parts of a 3D mask (voxels that touch by a corner belong together), in index order."""
    whole = patch_of(mask)
    if whole is None:
        return
    labels, _ = ndimage.label(whole.voxels, structure=_TOUCHING)
    for number, window in enumerate(ndimage.find_objects(labels), start=1):
        start = _moved(whole.start, [side.start for side in window])
        yield Patch(start, np.ascontiguousarray(labels[window] == number, dtype=np.uint8))


def _moved(start: Sequence[int], by: Iterable[Any]) -> tuple[int, int, int]:
    k, j, i = (int(a) + int(b) for a, b in zip(start, by, strict=True))
    return k, j, i
