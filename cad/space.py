"""Where voxels are: one affine per grid, LPS, millimetres, index order (slice, row, column)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cad.errors import GridError

FloatArray = NDArray[np.float64]
Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A right-angled lattice of voxel centres.

    `shape` is (slices, rows, columns). `affine` is 4x4 float64 and maps a homogeneous index
    (slice, row, column, 1) to LPS millimetres (x, y, z, 1). Axes are orthogonal; a tilted stack
    is resampled before it becomes a Grid. Raises GridError otherwise.
    """

    shape: tuple[int, int, int]
    affine: FloatArray

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GridError("shape is not three positive numbers", subject="Grid.shape", accepted="(slices, rows, columns)")
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or not np.allclose(affine[3], (0, 0, 0, 1)):
            raise GridError("not a finite 4x4 affine", subject="Grid.affine", accepted="4x4 float64 with last row 0 0 0 1")
        axes = affine[:3, :3]
        spacing = np.linalg.norm(axes, axis=0)
        if (spacing <= 0).any() or not np.allclose((axes / spacing).T @ (axes / spacing), np.eye(3), atol=1e-3):
            raise GridError("axes are not orthogonal", subject="Grid.affine", accepted="a stack without tilt or shear")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    @classmethod
    def axial(cls, shape: Sequence[int], spacing_mm: Sequence[float], origin_mm: Sequence[float] = (0, 0, 0)) -> Self:
        """An axial grid: slices run +z (to the head), rows +y (to the back), columns +x (to the left).

        `spacing_mm` is (slice, row, column); `origin_mm` the centre of voxel (0, 0, 0) as (x, y, z).
        """
        dk, dj, di = (float(s) for s in spacing_mm)
        x, y, z = (float(o) for o in origin_mm)
        affine = np.array([[0, 0, di, x], [0, dj, 0, y], [dk, 0, 0, z], [0, 0, 0, 1]])
        return cls(shape=(int(shape[0]), int(shape[1]), int(shape[2])), affine=affine)

    @property
    def spacing_mm(self) -> Point:
        """Distance of neighbouring centres along (slice, row, column)."""
        return as_point(np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel in cubic millimetres."""
        return float(np.prod(self.spacing_mm))

    @property
    def origin_mm(self) -> Point:
        """LPS position of the centre of voxel (0, 0, 0)."""
        return as_point(self.affine[:3, 3])

    def to_mm(self, index: ArrayLike) -> FloatArray:
        """Indices (..., 3) in (slice, row, column) order to LPS millimetres (..., 3)."""
        return np.asarray(index, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_index(self, point_mm: ArrayLike) -> FloatArray:
        """LPS millimetres (..., 3) to fractional indices (..., 3)."""
        return (np.asarray(point_mm, dtype=np.float64) - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T

    def crop(self, start: Sequence[int], shape: Sequence[int]) -> Grid:
        """The sub-grid of `shape` whose first voxel is `start` (may lie outside this grid)."""
        affine = self.affine.copy()
        affine[:3, 3] = self.to_mm(start)
        return Grid(shape=(int(shape[0]), int(shape[1]), int(shape[2])), affine=affine)

    def with_spacing(self, spacing_mm: Sequence[float]) -> Grid:
        """The grid that fills the same physical extent at another spacing (slice, row, column)."""
        new, old = np.asarray(spacing_mm, dtype=np.float64), np.asarray(self.spacing_mm)
        shape = np.maximum(1, np.ceil(np.asarray(self.shape) * old / new - 1e-6)).astype(int)
        affine = self.affine.copy()
        affine[:3, :3] = self.affine[:3, :3] * (new / old)
        affine[:3, 3] = self.to_mm((np.asarray(new) / old - 1) / 2)
        return Grid(shape=(int(shape[0]), int(shape[1]), int(shape[2])), affine=affine)

    def around(self, centre_mm: Sequence[float], shape: Sequence[int], spacing_mm: float) -> Grid:
        """An isotropic grid along this grid's axes with its middle at `centre_mm`."""
        directions = self.affine[:3, :3] / np.asarray(self.spacing_mm)
        affine = np.eye(4)
        affine[:3, :3] = directions * spacing_mm
        affine[:3, 3] = np.asarray(centre_mm) - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
        return Grid(shape=(int(shape[0]), int(shape[1]), int(shape[2])), affine=affine)

    def box(self) -> Box:
        """The axis-aligned LPS box that holds every voxel, half a voxel beyond the outer centres."""
        top = np.asarray(self.shape) - 0.5
        corners = np.array([[(-0.5, top[a])[bit >> a & 1] for a in range(3)] for bit in range(8)])
        mm = self.to_mm(corners)
        return Box(as_point(mm.min(axis=0)), as_point(mm.max(axis=0)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grid) and self.shape == other.shape and np.array_equal(self.affine, other.affine)

    def __hash__(self) -> int:
        return hash((self.shape, self.affine.tobytes()))


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box in LPS millimetres; `low` and `high` are opposite corners (x, y, z)."""

    low_mm: Point
    high_mm: Point

    @property
    def centre_mm(self) -> Point:
        """The middle of the box."""
        return as_point((np.asarray(self.low_mm) + np.asarray(self.high_mm)) / 2)

    @property
    def size_mm(self) -> Point:
        """Edge lengths along x, y, z."""
        return as_point(np.asarray(self.high_mm) - np.asarray(self.low_mm))

    def contains(self, point_mm: Sequence[float]) -> bool:
        """Whether a point lies inside or on the border."""
        return all(lo <= p <= hi for lo, p, hi in zip(self.low_mm, point_mm, self.high_mm, strict=True))

    @classmethod
    def cube(cls, centre_mm: Sequence[float], edge_mm: float) -> Self:
        """A cube of the given edge around a point."""
        centre = np.asarray(centre_mm, dtype=np.float64)
        return cls(as_point(centre - edge_mm / 2), as_point(centre + edge_mm / 2))


def as_point(values: ArrayLike) -> Point:
    """Three numbers of an array as a point: plain floats, x y z."""
    x, y, z = (float(v) for v in np.asarray(values, dtype=np.float64))
    return x, y, z
