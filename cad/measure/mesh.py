"""The outline as triangles in millimetres: enclosed volume, surface, convex hull, longest diameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError, distance
from skimage.measure import marching_cubes

from cad.measure.surface import Outline
from cad.space import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles of an outline: `vertices_mm` (n, 3) float64 LPS, `faces` (m, 3) int, `normals` (n, 3) outward unit vectors."""

    vertices_mm: FloatArray
    faces: FloatArray
    normals: FloatArray

    def volume_mm3(self) -> float:
        """Enclosed volume (divergence theorem)."""
        a, b, c = (self.vertices_mm[self.faces[:, corner]] - self.vertices_mm.mean(axis=0) for corner in range(3))
        return abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6)

    def area_mm2(self) -> float:
        """Surface area."""
        a, b, c = (self.vertices_mm[self.faces[:, corner]] for corner in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)

    def hull_volume_mm3(self) -> float:
        """Volume of the convex hull; the mesh's own volume when the points are flat."""
        try:
            return float(ConvexHull(self.vertices_mm).volume)
        except QhullError:
            return self.volume_mm3()

    def longest_diameter(self) -> tuple[float, FloatArray, FloatArray]:
        """The longest distance between two surface points, and the points (3,) LPS mm."""
        points = self.vertices_mm
        if len(points) > 8:
            points = points[ConvexHull(points, qhull_options="QJ").vertices]
        apart = distance.squareform(distance.pdist(points))
        first, second = np.unravel_index(int(apart.argmax()), apart.shape)
        return float(apart[first, second]), points[first], points[second]


def mesh_of(shape: Outline, level: float | None = None) -> Mesh | None:
    """Triangles at `level` (the outline's own by default); None when the field nowhere reaches it."""
    at = shape.level if level is None else level
    if not shape.field.min() < at < shape.field.max():
        return None
    index, faces, _, _ = marching_cubes(shape.field, level=at, gradient_direction="ascent", allow_degenerate=False)
    directions = shape.grid.affine[:3, :3] / np.asarray(shape.grid.spacing_mm) ** 2
    turned = -np.asarray(_gradients(shape, index), dtype=np.float64) @ directions.T
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    return Mesh(shape.grid.to_mm(index), faces, turned / np.maximum(length, 1e-9))


def _gradients(shape: Outline, index: FloatArray) -> FloatArray:
    """The field's gradient per index step at fractional indices (central differences over one voxel)."""
    from scipy.ndimage import map_coordinates

    steps = np.eye(3) * 0.5
    sides = [
        map_coordinates(shape.field, (index + step).T, order=1) - map_coordinates(shape.field, (index - step).T, order=1) for step in steps
    ]
    return np.stack(sides, axis=1)
