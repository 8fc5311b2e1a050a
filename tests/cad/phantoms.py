"""Shapes with known answers on any grid: sphere, ellipsoid, tube, box; voxels at the border hold the covered share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from cad.space import Grid
from cad.volume import Volume

# A shape maps LPS points (..., 3) in mm to a signed distance in mm, negative inside (near the surface at least).
Shape = Callable[[np.ndarray], np.ndarray]


def sphere(centre_mm: Sequence[float], diameter_mm: float) -> Shape:
    """All points within half the diameter."""
    centre = np.asarray(centre_mm, dtype=float)
    return lambda points: np.linalg.norm(points - centre, axis=-1) - diameter_mm / 2


def ellipsoid(centre_mm: Sequence[float], diameters_mm: Sequence[float], axes: np.ndarray | None = None) -> Shape:
    """Three diameters along x, y, z, or along the columns of `axes` (orthonormal)."""
    centre, radii = np.asarray(centre_mm, dtype=float), np.asarray(diameters_mm, dtype=float) / 2
    turn = np.eye(3) if axes is None else axes

    def distance(points: np.ndarray) -> np.ndarray:
        local = (points - centre) @ turn
        scaled = np.linalg.norm(local / radii, axis=-1)
        slope = np.linalg.norm(local / radii**2, axis=-1)
        return np.where(slope > 0, scaled * (scaled - 1) / np.maximum(slope, 1e-9), -radii.min())

    return distance


def tube(path_mm: Sequence[Sequence[float]], diameter_mm: float) -> Shape:
    """Round tube about a polyline, with round ends."""
    path = np.asarray(path_mm, dtype=float)

    def distance(points: np.ndarray) -> np.ndarray:
        nearest = np.full(points.shape[:-1], np.inf)
        for a, b in pairwise(path):
            along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
            nearest = np.minimum(nearest, np.linalg.norm(points - a - along[..., None] * (b - a), axis=-1))
        return nearest - diameter_mm / 2

    return distance


def arc(centre_mm: Sequence[float], radius_mm: float, degrees: tuple[float, float], n: int = 40) -> np.ndarray:
    """Points (n, 3) on a circle in the plane of x and z, for a bent tube."""
    angle = np.radians(np.linspace(*degrees, n))
    return np.asarray(centre_mm) + radius_mm * np.stack([np.cos(angle), np.zeros(n), np.sin(angle)], axis=1)


def box(low_mm: Sequence[float], high_mm: Sequence[float]) -> Shape:
    """An axis-aligned box."""
    low, high = np.asarray(low_mm, dtype=float), np.asarray(high_mm, dtype=float)
    return lambda points: np.max(np.maximum(low - points, points - high), axis=-1)


def coverage(grid: Grid, shape: Shape, samples: int = 5) -> np.ndarray:
    """Share of each voxel inside the shape, float32 (slices, rows, columns); exact to 1/samples**3 at the border."""
    centres = grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))
    distance = shape(centres)
    share = (distance < 0).astype(np.float32)
    border = np.abs(distance) <= np.linalg.norm(grid.spacing_mm) / 2
    offset = (np.arange(samples) + 0.5) / samples - 0.5
    offsets = np.stack(np.meshgrid(offset, offset, offset, indexing="ij"), axis=-1).reshape(-1, 3) @ grid.affine[:3, :3].T
    for chunk in np.array_split(np.argwhere(border), max(1, int(border.sum()) // 20000)):
        if len(chunk):
            points = grid.to_mm(chunk)[:, None, :] + offsets
            share[tuple(chunk.T)] = (shape(points) < 0).mean(axis=1)
    return share


def paint(grid: Grid, things: Sequence[tuple[Shape, float]], background: float) -> np.ndarray:
    """Values float32 on the grid; later things cover earlier ones, borders are mixed by coverage."""
    voxels = np.full(grid.shape, background, dtype=np.float32)
    for shape, value in things:
        share = coverage(grid, shape)
        voxels += share * (value - voxels)
    return voxels


def ct(grid: Grid, things: Sequence[tuple[Shape, float]], background: float = -1000.0) -> Volume:
    """The same as a CT volume, int16 HU."""
    return Volume(np.rint(paint(grid, things, background)).astype(np.int16), grid)


def mask(grid: Grid, shape: Shape) -> Volume:
    """The shape as a 0/1 mask: voxels at least half inside."""
    return Volume((coverage(grid, shape) >= 0.5).astype(np.uint8), grid, unit="1")


def oblique(shape: Sequence[int], spacing_mm: Sequence[float], middle_mm: Sequence[float] = (0, 0, 0), seed: int = 0) -> Grid:
    """A grid turned about a random axis, its middle at `middle_mm`; spacing is (slice, row, column)."""
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    if np.linalg.det(turn) > 0:  # (slice, row, column) to (x, y, z) of a DICOM stack reverses handedness
        turn[:, 0] *= -1
    affine = np.eye(4)
    affine[:3, :3] = turn * np.asarray(spacing_mm)
    affine[:3, 3] = np.asarray(middle_mm) - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def thorax(grid: Grid, middle_mm: Sequence[float] = (0, 0, 0)) -> Volume:
    """A rough chest: body of 360 by 240 mm, two lungs of 110 by 160 by 220 mm, a spine, a trachea between the apices, a table."""
    x, y, z = middle_mm
    things = [
        (ellipsoid((x, y, z), (360, 240, 2000)), 40.0),
        (ellipsoid((x - 85, y, z), (110, 160, 220)), -850.0),
        (ellipsoid((x + 85, y, z), (110, 160, 220)), -850.0),
        (tube([(x, y + 85, z - 300), (x, y + 85, z + 300)], 30), 400.0),
        (tube([(x, y - 10, z + 20), (x, y - 10, z + 300)], 18), -1000.0),
        (box((x - 200, y + 135, z - 300), (x + 200, y + 145, z + 300)), 200.0),
    ]
    return ct(grid, things)
