"""Flat pictures out of volumes: where a plane lies in the patient, what a volume shows there, which side is which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.space import FloatArray, Grid
from cad.volume import Volume

AXES = {  # plane: (right, down) in LPS, as radiologists hang them
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}
_NORMAL_OF = ("sagittal", "coronal", "axial")  # by the LPS axis the plane is across
_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))
_ALIGNED = 1e-6  # voxels a pixel: less is a plane along the voxels' own axes
_OBLIQUE = 0.26  # cosine past which a second letter is added (15 degrees off)


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A square-pixel picture in the patient.

    `origin_mm` is the LPS centre of pixel (0, 0); `right` and `down` are unit vectors along columns and
    rows; `shape` is (rows, columns).
    """

    origin_mm: FloatArray
    right: FloatArray
    down: FloatArray
    pixel_mm: float
    shape: tuple[int, int]

    @property
    def name(self) -> str:
        """The standard plane nearest to this one."""
        return _NORMAL_OF[int(np.argmax(np.abs(np.cross(self.right, self.down))))]

    @property
    def letters(self) -> tuple[str, str, str, str]:
        """The patient's sides at (left, right, top, bottom) of the picture."""
        return side(-self.right), side(self.right), side(-self.down), side(self.down)

    @property
    def slice_mm(self) -> float:
        """LPS position of the picture's middle along the axis it is across."""
        middle = self.to_mm((self.shape[0] - 1) / 2, (self.shape[1] - 1) / 2)
        return float(middle[_NORMAL_OF.index(self.name)])

    def to_mm(self, row: float, column: float) -> FloatArray:
        """The LPS position of a pixel."""
        return self.origin_mm + (self.down * row + self.right * column) * self.pixel_mm

    def to_pixel(self, point_mm: Sequence[float] | FloatArray) -> tuple[float, float]:
        """(row, column) of the point's foot on the plane."""
        offset = np.asarray(point_mm, dtype=np.float64) - self.origin_mm
        return float(offset @ self.down) / self.pixel_mm, float(offset @ self.right) / self.pixel_mm

    def points_mm(self) -> FloatArray:
        """LPS positions of all pixels, (rows, columns, 3)."""
        rows, columns = (np.arange(n) * self.pixel_mm for n in self.shape)
        return self.origin_mm + rows[:, None, None] * self.down + columns[None, :, None] * self.right


def side(direction: FloatArray) -> str:
    """The patient's side a direction points to: L R P A H F, two letters when oblique."""
    order = np.argsort(-np.abs(direction), kind="stable")[:2]
    return "".join(_LETTERS[axis][int(direction[axis] < 0)] for n, axis in enumerate(order) if n == 0 or abs(direction[axis]) > _OBLIQUE)


def centred(name: str, centre_mm: Sequence[float], field_mm: float, pixels: int) -> Plane:
    """A square axial, coronal or sagittal plane around a point."""
    right, down = AXES[name]
    return spanned(centre_mm, right, down, field_mm, pixels)


def across(direction: Sequence[float] | FloatArray, centre_mm: Sequence[float] | FloatArray, field_mm: float, pixels: int) -> Plane:
    """A square plane at right angles to a direction, hung as near as possible to a standard plane."""
    normal = np.asarray(direction, dtype=np.float64) / np.linalg.norm(direction)
    right, _ = AXES[_NORMAL_OF[int(np.argmax(np.abs(normal)))]]
    along = np.asarray(right) - normal * (normal @ np.asarray(right))
    along /= np.linalg.norm(along)
    down = np.cross(normal, along)
    wanted = AXES[_NORMAL_OF[int(np.argmax(np.abs(normal)))]][1]
    return spanned(centre_mm, along, down if down @ np.asarray(wanted) > 0 else -down, field_mm, pixels)


def spanned(
    centre_mm: Sequence[float] | FloatArray,
    right: Sequence[float] | FloatArray,
    down: Sequence[float] | FloatArray,
    field_mm: float,
    pixels: int,
) -> Plane:
    """A square plane around a point, spanned by two unit vectors."""
    along, below = np.asarray(right, dtype=np.float64), np.asarray(down, dtype=np.float64)
    pixel = field_mm / pixels
    origin = np.asarray(centre_mm, dtype=np.float64) - (along + below) * pixel * (pixels - 1) / 2
    return Plane(origin, along, below, pixel, (pixels, pixels))


def whole_slice(grid: Grid, index: int, pixels: int) -> Plane:
    """The acquired slice `index` as radiologists hang it, its longer side `pixels` long; flips are undone by geometry."""
    axes = grid.affine[:3, :3] / np.asarray(grid.spacing_mm)
    wanted = AXES[_NORMAL_OF[int(np.argmax(np.abs(axes[:, 0])))]]
    lies_right = int(abs(axes[:, 2] @ np.asarray(wanted[0])) >= abs(axes[:, 1] @ np.asarray(wanted[0])))
    order = (2, 1) if lies_right else (1, 2)
    right, down = (axes[:, axis] * (1 if axes[:, axis] @ np.asarray(want) >= 0 else -1) for axis, want in zip(order, wanted, strict=True))
    extent = [grid.shape[axis] * grid.spacing_mm[axis] for axis in order]
    pixel = max(extent) / pixels
    shape = (max(1, round(extent[1] / pixel)), max(1, round(extent[0] / pixel)))
    middle = grid.to_mm((index, (grid.shape[1] - 1) / 2, (grid.shape[2] - 1) / 2))
    origin = middle - (down * (shape[0] - 1) + right * (shape[1] - 1)) * pixel / 2
    return Plane(origin, right, down, pixel, shape)


def sample(volume: Volume, plane: Plane, outside: float) -> NDArray[np.float32]:
    """The volume on the plane, linear between voxels, (rows, columns) in its unit; `outside` beyond its outer faces."""
    start, below, beside = (volume.grid.to_index(plane.to_mm(*pixel)) for pixel in ((0, 0), (1, 0), (0, 1)))
    down, right = below - start, beside - start
    if not ((np.abs(down) > _ALIGNED) & (np.abs(right) > _ALIGNED)).any():
        return _sampled_along(volume, plane.shape, start, down, right, outside)
    rows, columns = (np.arange(n, dtype=np.float64) for n in plane.shape)
    index = [start[axis] + down[axis] * rows[:, None] + right[axis] * columns for axis in range(3)]
    return _looked_up(volume, np.stack(index), outside)


def sample_at(volume: Volume, points_mm: FloatArray, outside: float) -> NDArray[np.float32]:
    """The volume at LPS points (..., 3), linear between voxels; `outside` beyond its outer faces."""
    return _looked_up(volume, np.moveaxis(volume.grid.to_index(points_mm), -1, 0), outside)


def _looked_up(volume: Volume, index: FloatArray, outside: float) -> NDArray[np.float32]:
    """The volume at fractional indices (3, ...)."""
    inside = np.logical_and.reduce([_within(index[axis], volume.grid.shape[axis]) for axis in range(3)])
    values = np.full(inside.shape, outside, dtype=np.float32)
    voxels: NDArray[Any] = volume.voxels.view(np.uint8) if volume.voxels.dtype == bool else volume.voxels
    if inside.any():  # a mask fills a corner of a picture: only there is anything to look up
        values[inside] = ndimage.map_coordinates(voxels, index[:, inside], output=np.float32, order=1, mode="nearest")
    return values


def _sampled_along(
    volume: Volume, shape: tuple[int, int], start: FloatArray, down: FloatArray, right: FloatArray, outside: float
) -> NDArray[np.float32]:
    """The same for a plane along the volume's own axes, axis by axis: a tenth of the time of a look-up pixel by pixel."""
    over, across = int(np.argmax(np.abs(down))), int(np.argmax(np.abs(right)))
    at = [start[axis : axis + 1] for axis in range(3)]
    at[over], at[across] = (start[a] + step[a] * np.arange(n) for a, step, n in zip((over, across), (down, right), shape, strict=True))
    values: NDArray[Any] = volume.voxels
    for axis in sorted(range(3), key=lambda axis: axis in (over, across)):  # first the slice, so that the rest is flat
        values = _between(values, at[axis], axis)
    flat = values.squeeze(axis=3 - over - across)
    seen = [_within(at[axis], volume.grid.shape[axis]) for axis in range(3)]
    shown = seen[over][:, None] & seen[across] & seen[3 - over - across]
    return np.where(shown, flat if over < across else flat.T, np.float32(outside))


def _between(values: NDArray[Any], at: FloatArray, axis: int) -> NDArray[np.float32]:
    """Linear between neighbours along one axis, the outer ones held beyond the ends."""
    last = values.shape[axis] - 1
    held = np.clip(at, 0, last)
    low = np.floor(held).astype(int)
    share = np.asarray(held - low, dtype=np.float32).reshape([-1 if n == axis else 1 for n in range(values.ndim)])
    below, above = (values.take(places, axis).astype(np.float32) for places in (low, np.minimum(low + 1, last)))
    return np.asarray(below + (above - below) * share, dtype=np.float32)


def _within(index: FloatArray, length: int) -> NDArray[np.bool_]:
    return (index >= -0.5) & (index <= length - 0.5)
