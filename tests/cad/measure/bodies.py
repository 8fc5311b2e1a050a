"""Bodies with known answers, drawn on any grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from cad.space import Grid
from cad.volume import Volume

Inside = Callable[[np.ndarray], np.ndarray]


def turned_grid(spacing_mm, size_mm, rng, tilt=True):
    """A grid of the given spacing around the origin, in a random direction, shifted by part of a voxel."""
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0] if tilt else np.eye(3)[:, ::-1]
    shape = np.ceil(np.broadcast_to(size_mm, 3) / np.asarray(spacing_mm)).astype(int) + 4
    affine = np.eye(4)
    affine[:3, :3] = rotation * np.asarray(spacing_mm)
    affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2 + rng.uniform(-0.5, 0.5, 3))
    return Grid(tuple(shape), affine)


def drawn(grid: Grid, inside: Inside, subdivisions: int = 1) -> Volume:
    """0/1 by voxel centres, or with several subdivisions an axis each voxel's share (float32)."""
    index = np.moveaxis(np.indices(grid.shape), 0, -1).reshape(-1, 3)
    steps = (np.arange(subdivisions) + 0.5) / subdivisions - 0.5
    offsets = [np.array([a, b, c]) for a in steps for b in steps for c in steps]
    share = sum(inside(grid.to_mm(index + offset)).astype(np.float32) for offset in offsets) / len(offsets)
    voxels = share.reshape(grid.shape)
    return Volume(voxels.astype(np.uint8) if subdivisions == 1 else voxels.astype(np.float32), grid)


def ball(diameter_mm, centre=(0.0, 0.0, 0.0)) -> Inside:
    return lambda points: ((points - np.asarray(centre)) ** 2).sum(axis=-1) <= diameter_mm**2 / 4


def ellipsoid(diameters_mm, axes=None) -> Inside:
    frame = np.eye(3) if axes is None else np.asarray(axes)
    return lambda points: (((points @ frame) / (np.asarray(diameters_mm) / 2)) ** 2).sum(axis=-1) <= 1


def candy_cane(step_mm=0.5):
    """The course of an aorta in LPS mm: up in front, over, down behind and to the left; the top lies at z = 38."""
    up = np.column_stack([np.full(140, -35.0), np.full(140, -20.0), np.linspace(-70, 0, 140, endpoint=False)])
    angle = np.linspace(0, np.pi, 300)
    arch = np.column_stack([-35 * np.cos(angle), -20 * np.cos(angle), 38 * np.sin(angle)])
    down = np.column_stack([np.full(320, 35.0), np.full(320, 20.0), np.linspace(0, -160, 321)[1:]])
    return np.concatenate([up, arch, down])


def tube(course_mm, radii_mm) -> Inside:
    """Points nearer to the course than its radius there, cut flat at both ends."""
    tree = cKDTree(course_mm)
    ends = ((course_mm[0], course_mm[1] - course_mm[0]), (course_mm[-1], course_mm[-2] - course_mm[-1]))

    def inside(points):
        distance, nearest = tree.query(points, distance_upper_bound=float(np.max(radii_mm)) + 1)
        found = distance <= np.append(radii_mm, 0.0)[nearest]
        for (end, direction), index in zip(ends, (0, len(course_mm) - 1), strict=True):
            beyond = ((points - end) @ direction < 0) & (nearest == index)
            found &= ~beyond
        return found

    return inside


def box_grid(course_mm, radius_mm, spacing_mm, rng, tilt=False):
    """A grid that holds a tube with 8 mm to spare."""
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0] if tilt else np.eye(3)[:, ::-1]
    local = course_mm @ rotation
    low, high = local.min(axis=0) - radius_mm - 8, local.max(axis=0) + radius_mm + 8
    affine = np.eye(4)
    affine[:3, :3] = rotation * np.asarray(spacing_mm)
    affine[:3, 3] = rotation @ (low + rng.uniform(0, 1, 3) * np.asarray(spacing_mm))
    return Grid(tuple(np.ceil((high - low) / np.asarray(spacing_mm)).astype(int)), affine)
