"""How large: long and short axis in the slice (RECIST), volume, effective and longest 3D diameter.

The axes follow RECIST 1.1 (Eisenhauer et al., Eur J Cancer 2009;45:228-247): the longest diameter in the
plane of acquisition and the longest diameter perpendicular to it in the same slice, both between points of
the sub-voxel outline. Intervals are 95 % and come from the boundary alone: the same measure on outlines a
quarter voxel further in and further out (all round at once, as segmentations err).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.spatial import ConvexHull, QhullError, distance
from skimage.measure import find_contours

from cad.finding import Measurement
from cad.measure.mesh import mesh_of
from cad.measure.surface import Outline, outline
from cad.space import FloatArray, Point, as_point
from cad.volume import Volume

EXTENT_UNITS = {"long_axis": "mm", "short_axis": "mm", "volume": "mm3", "effective_diameter": "mm", "longest_diameter_3d": "mm"}


@dataclass(frozen=True, slots=True)
class Axis:
    """A line between two outline points in LPS mm, for the measurement and for drawing it."""

    start_mm: Point
    end_mm: Point

    @property
    def length_mm(self) -> float:
        """Distance of the two points."""
        return float(np.linalg.norm(np.subtract(self.end_mm, self.start_mm)))

    @property
    def middle_mm(self) -> Point:
        """The point half way."""
        return as_point((np.asarray(self.start_mm) + np.asarray(self.end_mm)) / 2)


@dataclass(frozen=True, slots=True)
class Axes:
    """Long and short axis in slice `slice_index` of the mask's grid."""

    slice_index: int
    long: Axis
    short: Axis


def measure_extent(mask: Volume) -> tuple[Measurement, ...]:
    """Long and short axis, volume, effective diameter and longest 3D diameter of everything in `mask`.

    `mask` is 0/1 or a probability per voxel (level 0.5, sub-voxel). A structure that runs out of the
    grid has no volume ("cut_by_scan_edge"), an empty mask nothing ("empty_mask"): value None, coded.
    """
    shape = outline(mask)
    if shape is None:
        return tuple(_unmeasured(name, "empty_mask") for name in EXTENT_UNITS)
    return (*_axis_measurements(shape), *_volume_measurements(mask, shape))


def recist_axes(mask: Volume) -> Axes | None:
    """The long and short axis as lines in LPS mm; None for an empty mask."""
    shape = outline(mask)
    found = None if shape is None else _longest(shape, shape.level)
    if shape is None or found is None:
        return None
    offset = round(float(mask.grid.to_index(shape.grid.origin_mm)[0]))
    return Axes(found.slice_index + offset, found.long, found.short)


def _axis_measurements(shape: Outline) -> tuple[Measurement, Measurement]:
    middle = _longest(shape, shape.level)
    if middle is None or any(axis > 0 for axis, _ in shape.cut):
        reason = "cut_by_scan_edge" if shape.cut else "outline_not_found"
        return _unmeasured("long_axis", reason), _unmeasured("short_axis", reason)
    outer, inner = (_longest(shape, level) for level in (shape.outer(), shape.inner()))
    method = "RECIST 1.1 in the acquired slice, sub-voxel outline"
    long = _with_interval("long_axis", middle.long, inner.long if inner else None, outer.long if outer else None, method)
    return long, _with_interval("short_axis", middle.short, inner.short if inner else None, outer.short if outer else None, method)


def _with_interval(name: str, axis: Axis, inner: Axis | None, outer: Axis | None, method: str) -> Measurement:
    low = inner.length_mm if inner else 0.0
    high = outer.length_mm if outer else axis.length_mm
    interval = (min(low, axis.length_mm), max(high, axis.length_mm))
    return Measurement(name, axis.length_mm, "mm", method, interval, position_mm=axis.middle_mm)


def _volume_measurements(mask: Volume, shape: Outline) -> tuple[Measurement, ...]:
    names = ("volume", "effective_diameter", "longest_diameter_3d")
    surface = mesh_of(shape)
    if shape.cut or surface is None:
        return tuple(_unmeasured(name, "cut_by_scan_edge" if shape.cut else "outline_not_found") for name in names)
    value = surface.volume_mm3()
    low, high = _volume_range(shape, value)
    amount = _amount_mm3(mask)
    low, high = low * amount / value, high * amount / value
    value, method = amount, "sum of the voxels' shares; interval from the boundary"
    length, first, second = surface.longest_diameter()
    slack = (_ball_diameter(high) - _ball_diameter(low)) / 2
    centre = as_point(surface.vertices_mm.mean(axis=0))
    return (
        Measurement("volume", value, "mm3", method, (low, high), position_mm=centre),
        Measurement("effective_diameter", _ball_diameter(value), "mm", "ball of equal volume", (_ball_diameter(low), _ball_diameter(high))),
        Measurement(
            "longest_diameter_3d",
            length,
            "mm",
            "sub-voxel surface",
            (max(length - slack, 0.0), length + slack),
            position_mm=as_point((first + second) / 2),
        ),
    )


def _amount_mm3(mask: Volume) -> float:
    """Voxel shares summed over the structure and one voxel around it: blur keeps this sum, the 0.5 surface shrinks under it."""
    shares = np.clip(np.asarray(mask.voxels, dtype=np.float32), 0, 1)
    near = binary_dilation(shares >= 0.5, np.ones((3, 3, 3)))
    return float(shares[near].sum(dtype=np.float64)) * mask.grid.voxel_mm3


def _volume_range(shape: Outline, value: float) -> tuple[float, float]:
    inner, outer = (mesh_of(shape, level) for level in (shape.inner(), shape.outer()))
    low = inner.volume_mm3() if inner else 0.0
    high = outer.volume_mm3() if outer else value
    return min(low, value), max(high, value)


def _ball_diameter(volume_mm3: float) -> float:
    return float((6 * max(volume_mm3, 0.0) / pi) ** (1 / 3))


def _longest(shape: Outline, level: float) -> Axes | None:
    """The slice whose outline has the longest diameter, with both axes; None when no slice reaches the level."""
    best: tuple[float, int, FloatArray, FloatArray] | None = None
    for index in range(shape.field.shape[0]):
        for contour in _contours(shape, index, level):
            length, direction = _feret(contour)
            if best is None or length > best[0]:
                best = (length, index, contour, direction)
    if best is None:
        return None
    _, index, contour, ends = best
    return Axes(index, _axis(shape, index, ends), _axis(shape, index, _perpendicular(contour, ends[1] - ends[0])))


def _contours(shape: Outline, index: int, level: float) -> list[FloatArray]:
    """Closed outlines of one slice as (n, 2) points in millimetres along (row, column), outer ones only."""
    plane = shape.field[index]
    if plane.max() <= level:
        return []
    spacing = np.asarray(shape.grid.spacing_mm[1:])
    return [contour * spacing for contour in find_contours(plane, level) if len(contour) > 3]


def _feret(contour: FloatArray) -> tuple[float, FloatArray]:
    """The longest distance of two points of a contour, and the two points (2, 2)."""
    points = _hull(contour)
    apart = distance.squareform(distance.pdist(points))
    first, second = np.unravel_index(int(apart.argmax()), apart.shape)
    return float(apart[first, second]), np.stack([points[first], points[second]])


def _hull(points: FloatArray) -> FloatArray:
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except QhullError:
        return points


def _perpendicular(contour: FloatArray, direction: FloatArray) -> FloatArray:
    """The longest chord of the contour at a right angle to `direction`: its two ends (2, 2)."""
    along = direction / max(float(np.linalg.norm(direction)), 1e-9)
    across = np.array([-along[1], along[0]])
    u, v = contour @ along, contour @ across
    cuts = np.linspace(u.min(), u.max(), 130)[1:-1]
    low, high = np.array([_longest_chord(u, v, cut) for cut in cuts]).T
    widest = int((high - low).argmax())
    return np.stack([cuts[widest] * along + low[widest] * across, cuts[widest] * along + high[widest] * across])


def _longest_chord(u: FloatArray, v: FloatArray, cut: float) -> tuple[float, float]:
    """The longest stretch inside a closed polyline (u, v) on the line u = cut."""
    first, following = u - cut, np.roll(u, -1) - cut
    crosses = (first > 0) != (following > 0)
    part = first[crosses] / (first - following)[crosses]
    at = np.sort(v[crosses] + part * (np.roll(v, -1) - v)[crosses])
    if len(at) < 2:
        return 0.0, 0.0
    low, high = at[0::2], at[1::2]
    longest = int((high - low[: len(high)]).argmax())
    return float(low[longest]), float(high[longest])


def _axis(shape: Outline, index: int, ends: FloatArray) -> Axis:
    spacing = np.asarray(shape.grid.spacing_mm[1:])
    points = shape.grid.to_mm(np.column_stack([np.full(2, index), ends / spacing]))
    return Axis(as_point(points[0]), as_point(points[1]))


def _unmeasured(name: str, reason: str) -> Measurement:
    return Measurement(name, None, EXTENT_UNITS[name], "sub-voxel outline", outcome=reason)
