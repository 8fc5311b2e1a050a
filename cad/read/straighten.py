"""From a stack as acquired to a right-angled, evenly spaced grid: tilt sheared back, uneven steps resampled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.read.series import Stack
from cad.space import FloatArray, Grid


def straightened(stack: Stack, voxels: NDArray[Any], fill: float) -> tuple[NDArray[Any], Grid, tuple[int, ...]]:
    """Voxels (slices, rows, columns) on the stack's grid, the grid, and which acquired slice each slice rests on.

    A straight, even stack comes back as it is. In-plane displacement is undone by linear interpolation on a grid
    widened to hold every slice (`fill` outside); uneven steps by linear interpolation along the normal, dtype kept.
    """
    if not stack.shift_mm.any() and stack.even:
        return voxels, _grid(stack, (voxels.shape[0], voxels.shape[1], voxels.shape[2]), np.zeros(2)), tuple(range(len(voxels)))
    spacing = np.asarray(stack.slices[0].spacing_mm)
    shift = stack.shift_mm / spacing
    low = np.floor(shift.min(axis=0) + 1e-3)
    high = np.ceil(shift.max(axis=0) - 1e-3)
    along = stack.along_mm if stack.even else np.arange(round(stack.along_mm[-1] / stack.step_mm) + 1) * stack.step_mm
    shape = (len(along), *(int(n) for n in np.asarray(voxels.shape[1:]) + high - low))
    out = np.empty(shape, dtype=voxels.dtype)
    owners = []
    for k, place in enumerate(along):
        below, weight = _neighbours(stack.along_mm, k if stack.even else None, float(place))
        plane = _moved(voxels[below], shift[below] - low, shape[1:], fill)
        if weight:
            plane = (1 - weight) * plane + weight * _moved(voxels[below + 1], shift[below + 1] - low, shape[1:], fill)
        out[k] = np.rint(plane) if out.dtype.kind == "i" else plane
        owners.append(below + (weight >= 0.5))
    return out, _grid(stack, (shape[0], shape[1], shape[2]), low * spacing), tuple(owners)


def _neighbours(along_mm: FloatArray, k: int | None, place: float) -> tuple[int, float]:
    """The acquired slice at or below a place and the weight of the one above."""
    if k is not None:
        return k, 0.0
    below = int(np.clip(np.searchsorted(along_mm, place + 1e-6, side="right") - 1, 0, len(along_mm) - 2))
    weight = (place - along_mm[below]) / (along_mm[below + 1] - along_mm[below])
    return below, 0.0 if weight < 1e-6 else min(1.0, float(weight))


def _moved(plane: NDArray[Any], by: FloatArray, shape: tuple[int, ...], fill: float) -> NDArray[np.float32]:
    """The plane in a larger one, displaced by a fraction of pixels (down, across), both at least zero."""
    by = np.clip(by, 0, np.asarray(shape) - plane.shape)
    row, column = (int(n) for n in np.floor(by + 1e-6))
    wide = np.full(shape, fill, dtype=np.float32)
    wide[row : row + plane.shape[0], column : column + plane.shape[1]] = plane
    for axis, part in enumerate(by - (row, column)):
        if part > 1e-6:
            before = np.roll(wide, 1, axis=axis)
            before[(slice(None),) * axis + (0,)] = fill
            wide += np.float32(part) * (before - wide)
    return wide


def _grid(stack: Stack, shape: tuple[int, int, int], corner_mm: FloatArray) -> Grid:
    """Slices along the normal, rows down, columns across; `corner_mm` moves the first voxel within its plane."""
    first = stack.slices[0]
    across, down = np.asarray(first.orientation, dtype=np.float64).reshape(2, 3)
    rows_mm, columns_mm = first.spacing_mm or (1.0, 1.0)
    affine = np.eye(4)
    affine[:3, 0] = stack.normal * stack.step_mm
    affine[:3, 1] = down * rows_mm
    affine[:3, 2] = across * columns_mm
    affine[:3, 3] = np.asarray(first.position_mm) + down * corner_mm[0] + across * corner_mm[1]
    return Grid(shape, affine)
