"""A line through the middle of a tube: the cheapest way between its two far ends, as a spline, moved onto section centres.

The cost of a voxel falls with its distance from the wall, so the way keeps to the middle; ends are the two places
farthest from each other along the inside. Where the tube leaves the scan it is continued outwards first, so that
the line runs straight through the cut instead of into its rim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import splev, splprep
from skimage.graph import MCP_Geometric

from cad.space import FloatArray, Grid

WORKING_MM = 2.0
BEYOND_MM = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """A tube's signed depth in mm (positive inside, float32) on `grid`, continued `BEYOND_MM` past the scan's edge.

    `low` and `high` are the outermost indices that belong to the scan itself.
    """

    depth: NDArray[np.float32]
    grid: Grid
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def sample(self, points_mm: FloatArray) -> FloatArray:
        """Depth in mm at LPS points (..., 3), linear."""
        index = np.moveaxis(self.grid.to_index(points_mm), -1, 0)
        return np.asarray(ndimage.map_coordinates(self.depth, index, order=1, mode="nearest"), dtype=np.float64)

    def in_scan(self, points_mm: FloatArray) -> NDArray[np.bool_]:
        """Whether points (..., 3) lie inside the scanned volume."""
        index = self.grid.to_index(points_mm)
        return np.asarray(((index >= self.low) & (index <= self.high)).all(axis=-1))


def rough_path(tube: Tube) -> FloatArray | None:
    """LPS points (n, 3) about 2 mm apart from one end of the tube to the other; None when there is no way."""
    zoom = np.asarray(tube.grid.spacing_mm) / WORKING_MM
    coarse = ndimage.zoom(tube.depth, np.minimum(zoom, 1.0), order=1, grid_mode=True, mode="nearest")
    scale = np.asarray(tube.depth.shape) / np.asarray(coarse.shape)
    spacing = np.asarray(tube.grid.spacing_mm) * scale
    inside = _largest(coarse > 0)
    if inside.sum() < 20:
        return None
    flat = np.where(inside, 1.0, -1.0)
    start = np.unravel_index(int(np.where(inside, coarse, -1).argmax()), coarse.shape)
    first = _farthest(flat, spacing, start)
    last = _farthest(flat, spacing, first)
    cost = np.where(inside, 1.0 / np.maximum(coarse, 0.3) ** 2, -1.0)
    search = MCP_Geometric(cost, sampling=tuple(spacing))
    search.find_costs([first], [last])
    path = np.asarray(search.traceback(last), dtype=np.float64)
    return np.asarray(tube.grid.to_mm((path + 0.5) * scale - 0.5))


def smoothed(points_mm: FloatArray, step_mm: float, slack_mm: float) -> tuple[FloatArray, FloatArray] | None:
    """Points and unit tangents (n, 3) every `step_mm` along a cubic spline that keeps within about `slack_mm` of `points_mm`."""
    gaps = np.linalg.norm(np.diff(points_mm, axis=0), axis=1)
    kept = points_mm[np.concatenate([[True], gaps > 1e-6])]
    if len(kept) < 8:
        return None
    arc = _arc(kept)
    knots, _ = splprep(kept.T, u=arc, s=len(kept) * slack_mm**2, k=3)
    dense = np.linspace(0, arc[-1], 4 * len(kept))
    length = _arc(np.stack(splev(dense, knots), axis=1))
    at = np.interp(np.arange(0, length[-1], step_mm), length, dense)
    tangents = np.stack(splev(at, knots, der=1), axis=1)
    return np.stack(splev(at, knots), axis=1), tangents / np.linalg.norm(tangents, axis=1, keepdims=True)


def _arc(points: FloatArray) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])


def _largest(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(inside, np.ones((3, 3, 3)))
    if count <= 1:
        return inside
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())


def _farthest(cost: FloatArray, spacing: FloatArray, start: tuple[np.intp, ...]) -> tuple[np.intp, ...]:
    """The voxel farthest from `start` along the inside."""
    costs, _ = MCP_Geometric(cost, sampling=tuple(spacing)).find_costs([tuple(int(i) for i in start)])
    return np.unravel_index(int(np.where(np.isfinite(costs), costs, -1).argmax()), costs.shape)
