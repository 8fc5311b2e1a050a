"""Several scans of one simulated patient: what became of the nodules meanwhile, and how the patient lay and breathed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from cad.simulate.nodules import Nodule
from cad.space import FloatArray, Grid, Point, as_point

_INVERSE_STEPS = 20
_BREATH_REACH_MM = 130.0


@dataclass(frozen=True, slots=True)
class Pose:
    """How the patient lay, against the first visit: turned by degrees about x, y, z through the scan's middle, shifted by mm, and
    breathed in by `breath_mm` at the diaphragm, less the higher up."""

    turn_deg: Point = (0.0, 0.0, 0.0)
    shift_mm: Point = (0.0, 0.0, 0.0)
    breath_mm: float = 0.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Pose:
        """Some degrees, about a centimetre, and a breath."""
        turn, shift = rng.uniform(-3, 3, 3), rng.uniform(-10, 10, 3)
        return cls(as_point(turn), as_point(shift), float(rng.uniform(-12, 12)))

    def to_first(self, points_mm: FloatArray, middle_mm: FloatArray) -> FloatArray:
        """Points (..., 3) of this visit to where they were at the first; `middle_mm` is the middle of the scan."""
        bent = np.array(points_mm, dtype=np.float64)
        bent[..., 2] += self.breath_mm * np.clip((middle_mm[2] - bent[..., 2]) / _BREATH_REACH_MM, 0, 1) ** 1.5
        turn = Rotation.from_euler("xyz", self.turn_deg, degrees=True).as_matrix()
        return np.asarray((bent - middle_mm) @ turn.T + middle_mm + self.shift_mm)

    def from_first(self, points_mm: FloatArray, middle_mm: FloatArray) -> FloatArray:
        """The inverse, by iteration."""
        found = np.array(points_mm, dtype=np.float64)
        for _ in range(_INVERSE_STEPS):
            found = found + (points_mm - self.to_first(found, middle_mm))
        return found


@dataclass(frozen=True, slots=True)
class Visit:
    """One of several scans of a patient. Visit 0 is the first; another number draws noise and table position anew.

    `growth` are the volumes of the nodules against the first visit's, in the order they were placed: 1 where none is given,
    0 for one that is not there.
    """

    number: int = 0
    growth: tuple[float, ...] = ()
    pose: Pose | None = None

    def nodules(self, placed: tuple[Nodule, ...]) -> tuple[Nodule, ...]:
        """The nodules as they are at this visit."""
        factors = (*self.growth, *(1.0,) * len(placed))
        return tuple(_grown(nodule, factor) for nodule, factor in zip(placed, factors, strict=False) if factor > 0)

    def lay(self, voxels: NDArray[Any], grid: Grid, fill: float, order: int = 1) -> NDArray[Any]:
        """An array on `grid` as it lies at this visit; `order` 0 for labels."""
        if self.pose is None:
            return voxels
        out, middle = np.empty_like(voxels), _middle(grid)
        rows, columns = np.meshgrid(np.arange(grid.shape[1]), np.arange(grid.shape[2]), indexing="ij")
        for k in range(grid.shape[0]):
            points = grid.to_mm(np.stack([np.full_like(rows, k), rows, columns], axis=-1))
            at = np.moveaxis(grid.to_index(self.pose.to_first(points, middle)), -1, 0)
            out[k] = ndimage.map_coordinates(voxels, at, order=order, mode="constant", cval=fill)
        return out

    def where(self, points_mm: FloatArray, grid: Grid) -> FloatArray:
        """Points of the first visit where they are at this one."""
        return points_mm if self.pose is None else self.pose.from_first(points_mm, _middle(grid))


FIRST = Visit()


def _grown(nodule: Nodule, factor: float) -> Nodule:
    wide = factor ** (1 / 3)
    shape = replace(nodule.shape, radius_mm=nodule.shape.radius_mm * wide)
    return replace(nodule, shape=shape, spec=replace(nodule.spec, diameter_mm=nodule.spec.diameter_mm * wide))


def _middle(grid: Grid) -> FloatArray:
    return grid.to_mm((np.asarray(grid.shape) - 1) / 2)
