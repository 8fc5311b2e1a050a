"""Where every frame of an image lies: its corner, its axes, and the rescale that makes its stored values comparable.

LPS millimetres. Classic images carry this at the top, enhanced ones in functional groups (PS3.3 C.7.6.2, C.7.6.16).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

Vector = NDArray[np.float64]
_SAME_ANGLE, _SAME_SPACING = 2e-3, 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One plane of pixels: `corner` is the LPS centre of its first pixel, `down` and `right` the LPS steps to the next row and column.

    `image` is the place of its data set in the series, `number` its own in the data set, both from 0. A real value is
    stored * `slope` + `intercept`.
    """

    image: int
    number: int
    corner: Vector
    down: Vector
    right: Vector
    rows: int
    columns: int
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def normal(self) -> Vector:
        """The unit normal, right x down."""
        cross = np.cross(self.right, self.down)
        return np.asarray(cross / np.linalg.norm(cross))

    @property
    def steps_mm(self) -> tuple[float, float]:
        """Distance between rows, and between columns."""
        return float(np.linalg.norm(self.down)), float(np.linalg.norm(self.right))

    def along(self, direction: Vector, origin: Vector) -> NDArray[np.float32]:
        """Distance along an LPS direction from an LPS origin, of every pixel: float32 (rows, columns), mm."""
        first = float(direction @ (self.corner - origin))
        rows = first + float(direction @ self.down) * np.arange(self.rows)
        columns = float(direction @ self.right) * np.arange(self.columns)
        return np.asarray(rows[:, None] + columns[None, :], dtype=np.float32)


def frames_of(dataset: Dataset, image: int) -> tuple[Frame, ...] | None:
    """The frames of one data set, in stored order; None where position, orientation or spacing is missing or impossible."""
    try:
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        count = int(dataset.get("NumberOfFrames") or 1)
        groups = _groups(dataset, count)
        frames = tuple(_frame(group, image, number, rows, columns) for number, group in enumerate(groups))
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return None
    return frames if len(frames) == count and all(map(_is_possible, frames)) else None


def same_planes(frames: Sequence[Frame]) -> bool:
    """Whether all frames are parallel, alike in matrix and spacing, so that they make one stack."""
    first = frames[0]
    return all(
        (f.rows, f.columns) == (first.rows, first.columns)
        and np.allclose(f.steps_mm, first.steps_mm, rtol=_SAME_SPACING)
        and np.allclose(f.right / f.steps_mm[1], first.right / first.steps_mm[1], atol=_SAME_ANGLE)
        and np.allclose(f.down / f.steps_mm[0], first.down / first.steps_mm[0], atol=_SAME_ANGLE)
        for f in frames
    )


def _groups(dataset: Dataset, count: int) -> list[list[Dataset]]:
    """For every frame, the data sets to look into, the most particular first."""
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    frames = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if not frames:
        return [[*shared, dataset]] * count if count == 1 else []
    return [[frame, *shared, dataset] for frame in frames]


def _frame(group: list[Dataset], image: int, number: int, rows: int, columns: int) -> Frame:
    position = _found(group, "PlanePositionSequence", "ImagePositionPatient", 3)
    axes = _found(group, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    spacing = _found(group, "PixelMeasuresSequence", "PixelSpacing", 2)
    slope, intercept = _rescale(group)
    return Frame(image, number, position, axes[3:] * spacing[0], axes[:3] * spacing[1], rows, columns, slope, intercept)


def _found(group: list[Dataset], sequence: str, keyword: str, count: int) -> Vector:
    for source in group:
        items = source.get(sequence)
        holder = items[0] if items else source
        value: Any = holder.get(keyword)
        if value is not None and len(value) == count:
            return np.asarray([float(v) for v in value], dtype=np.float64)
    raise KeyError(keyword)


def _rescale(group: list[Dataset]) -> tuple[float, float]:
    for source in group:
        items = source.get("PixelValueTransformationSequence")
        holder = items[0] if items else source
        if holder.get("RescaleSlope") is not None:
            slope, intercept = float(holder.RescaleSlope), float(holder.get("RescaleIntercept") or 0)
            return (slope if np.isfinite(slope) and slope != 0 else 1.0), intercept
    return 1.0, 0.0


def _is_possible(frame: Frame) -> bool:
    numbers = (*frame.corner, *frame.down, *frame.right, frame.slope, frame.intercept)
    if not np.isfinite(numbers).all() or min(frame.rows, frame.columns) < 1 or min(frame.steps_mm) < 1e-3:
        return False
    square = abs(float(frame.down @ frame.right)) / (frame.steps_mm[0] * frame.steps_mm[1])
    return square < 0.01
