"""Smooth functions of patient space: computed once on a coarse lattice, read at any resolution slice by slice.

A field is a float32 array (nz, ny, nx) of signed distances in mm (negative inside) or of unitless noise. Reading goes
through uniform cubic B-splines, so shapes come out round at any voxel size for two small matrix products a slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.space import FloatArray, Grid, as_point

Field = NDArray[np.floating[Any]]
Window = tuple[slice, slice]  # rows, columns
WHOLE: Window = (slice(None), slice(None))


@dataclass(frozen=True, slots=True)
class Lattice:
    """A coarse axis-aligned lattice in LPS mm: `origin_mm` (x, y, z) of node (0, 0, 0), one `step_mm`, `shape` (nz, ny, nx)."""

    origin_mm: tuple[float, float, float]
    step_mm: float
    shape: tuple[int, int, int]

    @classmethod
    def spanning(cls, low_mm: Sequence[float], high_mm: Sequence[float], step_mm: float) -> Lattice:
        """The lattice from corner `low_mm` to at least `high_mm`, both (x, y, z)."""
        nx, ny, nz = (int(np.ceil((b - a) / step_mm)) + 1 for a, b in zip(low_mm, high_mm, strict=True))
        return cls(as_point(low_mm), step_mm, (nz, ny, nx))

    def mesh(self) -> tuple[Field, Field, Field]:
        """x (1, 1, nx), y (1, ny, 1), z (nz, 1, 1) in mm, ready to broadcast."""
        x, y, z = (
            np.arange(n, dtype=np.float32) * np.float32(self.step_mm) + np.float32(o)
            for n, o in zip(self.shape[::-1], self.origin_mm, strict=True)
        )
        return x[None, None, :], y[None, :, None], z[:, None, None]

    def points(self, mask: NDArray[np.bool_]) -> FloatArray:
        """Nodes where `mask` holds, as (n, 3) points (x, y, z) in mm."""
        return np.asarray(np.argwhere(mask)[:, ::-1] * self.step_mm + np.asarray(self.origin_mm), dtype=np.float64)

    def weights(self, coordinates_mm: Field, axis: int) -> Field:
        """Dense spline weights (len(coordinates), nodes) along `axis` (0 = z, 1 = y, 2 = x); beyond the border the edge value holds."""
        return spline_weights((coordinates_mm - self.origin_mm[2 - axis]) / self.step_mm, self.shape[axis])

    def at(self, field: Field, points_mm: FloatArray) -> FloatArray:
        """Field values at points (n, 3), linearly interpolated."""
        from scipy.ndimage import map_coordinates

        index = (np.asarray(points_mm, dtype=np.float64).reshape(-1, 3) - np.asarray(self.origin_mm)) / self.step_mm
        return np.asarray(map_coordinates(field, index[:, ::-1].T, order=1, mode="nearest"), dtype=np.float64)


def spline_weights(index: Field, nodes: int) -> Field:
    """Uniform cubic B-spline weights of fractional `index` values over `nodes`, rows summing to one."""
    base = np.floor(index).astype(np.int64)
    t = index - base
    parts = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    weights = np.zeros((len(index), nodes), dtype=np.float32)
    rows = np.arange(len(index))
    for offset, part in enumerate(parts):
        np.add.at(weights, (rows, np.clip(base + offset - 1, 0, nodes - 1)), (part / 6).astype(np.float32))
    return weights


class Sampler:
    """Reads lattice fields on the slices of an axial grid, whole or a window of (rows, columns) at a time."""

    def __init__(self, lattice: Lattice, grid: Grid) -> None:
        x, y, z = axes_mm(grid)
        self._columns = np.ascontiguousarray(lattice.weights(x, 2).T)
        self._rows = lattice.weights(y, 1)
        self._slices = lattice.weights(z, 0)
        self._row_nodes = (y - lattice.origin_mm[1]) / lattice.step_mm
        self._column_nodes = (x - lattice.origin_mm[0]) / lattice.step_mm
        self._kept: tuple[int, dict[int, Field]] = (-1, {})

    def slice(self, field: Field, k: int, window: Window = WHOLE) -> Field:
        """The field on slice `k`, or on a window of it: float32 (rows, columns)."""
        rows, columns = window
        return np.asarray(self._rows[rows] @ self._slab(field, k) @ self._columns[:, columns], dtype=np.float32)

    def window(self, field: Field, k: int, below: float = 2.0) -> Window | None:
        """Where the field can lie under `below` on slice `k` (a spline stays between its nodes); None where it cannot."""
        hit = self._slab(field, k) < below
        rows = _span(np.flatnonzero(hit.any(axis=1)), self._row_nodes)
        columns = _span(np.flatnonzero(hit.any(axis=0)), self._column_nodes)
        return (rows, columns) if rows is not None and columns is not None else None

    def _slab(self, field: Field, k: int) -> Field:
        if self._kept[0] != k:
            self._kept = (k, {})
        kept = self._kept[1]
        if id(field) not in kept:
            used = np.flatnonzero(self._slices[k])
            kept[id(field)] = np.asarray(sum(self._slices[k, n] * field[n] for n in used), dtype=np.float32)
        return kept[id(field)]


def _span(nodes: NDArray[np.int64], positions: Field) -> slice | None:
    """The voxels whose spline reaches one of `nodes`."""
    if not len(nodes):
        return None
    first, last = np.searchsorted(positions, [nodes[0] - 2.0, nodes[-1] + 2.0])
    return slice(int(first), int(last)) if last > first else None


def axes_mm(grid: Grid) -> tuple[Field, Field, Field]:
    """x of each column, y of each row, z of each slice of an axial grid, in mm."""
    dz, dy, dx = grid.spacing_mm
    x, y, z = grid.origin_mm
    return x + dx * np.arange(grid.shape[2]), y + dy * np.arange(grid.shape[1]), z + dz * np.arange(grid.shape[0])


def smooth_noise(rng: np.random.Generator, lattice: Lattice, scale_mm: float) -> Field:
    """Zero-mean noise of about unit standard deviation whose bumps are `scale_mm` wide."""
    counts = [int(np.ceil(n * lattice.step_mm / scale_mm)) + 4 for n in lattice.shape]
    knots = rng.standard_normal(counts, dtype=np.float32)
    for axis, n in enumerate(lattice.shape):
        weights = spline_weights(np.arange(n) * lattice.step_mm / scale_mm + 1.5, counts[axis])
        knots = np.moveaxis(np.tensordot(weights, knots, axes=(1, axis)), 0, axis)
    return np.asarray(knots * 3.0, dtype=np.float32)  # a cubic spline keeps about a third of the spread in each three axes


def smooth_min(a: Field, b: Field, k_mm: float) -> Field:
    """Union of two distances with a fillet of about `k_mm`."""
    h = np.clip(0.5 + 0.5 * (b - a) / k_mm, 0, 1)
    return np.asarray(b + (a - b) * h - k_mm * h * (1 - h), dtype=np.float32)


def smooth_max(a: Field, b: Field, k_mm: float) -> Field:
    """Intersection of two distances with a fillet of about `k_mm`."""
    return -smooth_min(-a, -b, k_mm)


def ellipsoid(
    mesh: tuple[Field, Field, Field],
    centre_mm: Sequence[float] | Field,
    semi_axes_mm: Sequence[float] | Field,
    frame: FloatArray | None = None,
) -> Field:
    """Approximate signed distance to an ellipsoid; rows of `frame` are its axes (default x, y, z)."""
    offset = [m - np.float32(c) for m, c in zip(mesh, centre_mm, strict=True)]
    total: Field = np.zeros(1, dtype=np.float32)
    for axis, semi in zip(np.eye(3) if frame is None else frame, semi_axes_mm, strict=True):
        along = sum((np.float32(a) * o for a, o in zip(axis, offset, strict=True)), np.float32(0)) / np.float32(semi)
        total = total + along * along
    return np.asarray((np.sqrt(total) - 1) * np.float32(min(semi_axes_mm)), dtype=np.float32)


def as_distance(level: Field, step_mm: float) -> Field:
    """An implicit function scaled by its own slope, so that its values near zero are millimetres."""
    slope = np.sqrt(sum(g * g for g in np.gradient(level, step_mm)))
    return np.asarray(level / np.maximum(slope, 1e-3), dtype=np.float32)
