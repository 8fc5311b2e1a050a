"""How well two masks agree: Dice, 95 % Hausdorff distance, normalised surface Dice; a missed structure lowers every score.

Definitions as in Maier-Hein et al., Nat Methods 2024;21:195-212 and Nikolov et al., J Med Internet Res 2021;23:e26151,
with distances between boundary voxels in millimetres (Nikolov et al. weigh pieces of a surface mesh instead).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.errors import GridError
from cad.space import FloatArray, Grid
from cad.volume import Volume

TOLERANCES_MM = (1.0, 2.0)
SAME_GRID_MM = 0.01


@dataclass(frozen=True, slots=True)
class Overlap:
    """`dice` in [0, 1], `hd95_mm`, `nsd` in [0, 1] at each of `tolerances_mm`; `outcome` "both", "missed", "invented" or "both_empty".

    A missed or invented structure scores Dice 0, NSD 0 and, as its distance, the diagonal of the volume. Two empty masks
    agree: 1, 1, 0.
    """

    dice: float
    hd95_mm: float
    nsd: tuple[float, ...]
    tolerances_mm: tuple[float, ...]
    outcome: str


def overlap(found: Volume, truth: Volume, tolerances_mm: Sequence[float] = TOLERANCES_MM) -> Overlap:
    """Compare two masks (voxels of at least 0.5) on one grid. Raises GridError when the grids differ."""
    check_same_grid(found.grid, truth.grid)
    a, b = np.asarray(found.voxels) >= 0.5, np.asarray(truth.voxels) >= 0.5
    tolerances = tuple(float(t) for t in tolerances_mm)
    if not a.any() or not b.any():
        return _one_sided(bool(a.any()), bool(b.any()), truth.grid, tolerances)
    a, b = _cropped(a, b)
    to_truth, to_found = _surface_distances(a, b, truth.grid.spacing_mm)
    near = [(to_truth <= t).sum() + (to_found <= t).sum() for t in tolerances]
    return Overlap(
        dice=float(2 * (a & b).sum() / (a.sum() + b.sum())),
        hd95_mm=max(float(np.percentile(to_truth, 95)), float(np.percentile(to_found, 95))),
        nsd=tuple(float(n / (len(to_truth) + len(to_found))) for n in near),
        tolerances_mm=tolerances,
        outcome="both",
    )


def check_same_grid(found: Grid, truth: Grid) -> None:
    """Raises GridError unless both grids place every voxel within 0.01 mm (files round their affine)."""
    far = found.shape != truth.shape
    if not far:
        ends = np.array([[0, 0, 0], np.asarray(truth.shape) - 1], dtype=np.float64)
        axes = np.array([[n - 1 if axis == at else 0 for axis in range(3)] for at, n in enumerate(truth.shape)], dtype=np.float64)
        places = np.concatenate([ends, axes])
        far = bool(np.abs(found.to_mm(places) - truth.to_mm(places)).max() > SAME_GRID_MM)
    if far:
        raise GridError("the masks lie on different grids", subject="found.grid", accepted="the truth's grid")


def _one_sided(found: bool, truth: bool, grid: Grid, tolerances: tuple[float, ...]) -> Overlap:
    if not found and not truth:
        return Overlap(1.0, 0.0, (1.0,) * len(tolerances), tolerances, "both_empty")
    diagonal = float(np.linalg.norm(np.asarray(grid.shape) * np.asarray(grid.spacing_mm)))
    return Overlap(0.0, diagonal, (0.0,) * len(tolerances), tolerances, "invented" if found else "missed")


def _cropped(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Both masks in their common box, padded by one voxel so that the scan's edge ends a structure."""
    box = ndimage.find_objects((a | b).astype(np.uint8))[0]
    return np.pad(a[box], 1), np.pad(b[box], 1)


def _surface_distances(a: NDArray[np.bool_], b: NDArray[np.bool_], spacing: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """Distance of every boundary voxel of a to the boundary of b, and of b to a, in mm."""
    edge_a, edge_b = (mask & ~ndimage.binary_erosion(mask) for mask in (a, b))
    to_b = ndimage.distance_transform_edt(~edge_b, sampling=spacing)[edge_a]
    return to_b, ndimage.distance_transform_edt(~edge_a, sampling=spacing)[edge_b]
