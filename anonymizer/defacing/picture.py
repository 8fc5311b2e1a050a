"""A small picture of a stack in patient space: LPS-aligned cubes of one step, index (z up, y back, x left).

The stack may be sheared (gantry tilt), oblique, unevenly spaced, and hold several frames at one place (a time or diffusion series).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonymizer.defacing.frames import Frame, Vector

Mask = NDArray[np.bool_]
Values = NDArray[np.float32]
STEP_MM = 2.5
_MOST_CUBES = 6_000_000
_REDUCED_MM = 2.0
_SAME_PLACE_MM = 0.05
_LONE_MM = 12.0


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """`values` float32 (z, y, x) of real values, `seen` where the stack has data; `origin` is the LPS centre of cube (0, 0, 0)."""

    values: Values
    seen: Mask
    origin: Vector
    step_mm: float
    slice_gap_mm: float

    def around(self, mask: Mask, margin: int) -> tuple[slice, slice, slice]:
        """The part of the picture that holds a mask and `margin` cubes on every side."""
        if not mask.any():
            return slice(0, mask.shape[0]), slice(0, mask.shape[1]), slice(0, mask.shape[2])
        ends = [np.flatnonzero(mask.any(axis=tuple(b for b in range(3) if b != a))) for a in range(3)]
        z, y, x = (slice(max(0, int(e[0]) - margin), int(e[-1]) + 1 + margin) for e in ends)
        return z, y, x

    def part(self, window: tuple[slice, slice, slice]) -> Picture:
        """The same picture, less of it."""
        start = np.array([side.start for side in window[::-1]], dtype=np.float64)
        return Picture(self.values[window], self.seen[window], self.origin + start * self.step_mm, self.step_mm, self.slice_gap_mm)

    def points(self, mask: Mask) -> Vector:
        """LPS centres (n, 3) of the cubes in a mask."""
        return np.argwhere(mask)[:, ::-1] * self.step_mm + self.origin

    def along(self, direction: Vector, origin: Vector) -> Values:
        """Distance along an LPS direction from an LPS origin, of every cube."""
        z, y, x = (
            np.arange(n) * self.step_mm * direction[2 - a] + (self.origin[2 - a] - origin[2 - a]) * direction[2 - a]
            for a, n in enumerate(self.values.shape)
        )
        return np.asarray(z[:, None, None] + y[None, :, None] + x[None, None, :], dtype=np.float32)

    def ml(self, mask: Mask) -> float:
        """Volume of a mask in millilitres."""
        return float(np.count_nonzero(mask)) * self.step_mm**3 / 1000

    def at(self, mask: Mask, frame: Frame) -> Mask:
        """A mask of cubes read at every pixel of a frame (the nearest cube; outside is False)."""
        inside = np.ones((frame.rows, frame.columns), dtype=bool)
        flat = np.zeros((frame.rows, frame.columns), dtype=np.int64)
        for axis, count in enumerate(mask.shape):
            direction = np.zeros(3)
            direction[2 - axis] = 1 / self.step_mm
            index = np.rint(frame.along(direction, self.origin)).astype(np.int64)
            inside &= (index >= 0) & (index < count)
            flat = flat * count + index
        return np.asarray(mask.ravel()[np.where(inside, flat, 0)] & inside)


class Gathering:
    """Frames reduced as they come, so that a whole series is never held at full size."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._small: list[Values] = []

    def add(self, frame: Frame, real: Values) -> None:
        """Take one frame of real values (rows, columns)."""
        self._frames.append(frame)
        self._small.append(_block_means(real, _factors(frame)))

    @property
    def frames(self) -> tuple[Frame, ...]:
        """Every frame taken, in order."""
        return tuple(self._frames)

    def picture(self) -> Picture:
        """The picture of all frames, which must be parallel (`frames.same_planes`)."""
        return _sampled(*_layers(self._frames, self._small))


def places_mm(frames: Sequence[Frame]) -> Vector:
    """The distinct places of parallel frames along their normal, ascending, mm."""
    depth = np.sort([float(frames[0].normal @ f.corner) for f in frames])
    return np.asarray(depth[np.insert(np.diff(depth) > _SAME_PLACE_MM, 0, True)])


def _factors(frame: Frame) -> tuple[int, int]:
    down, right = (max(1, round(_REDUCED_MM / s)) for s in frame.steps_mm)
    return min(down, frame.rows), min(right, frame.columns)


def _block_means(real: Values, factors: tuple[int, int]) -> Values:
    fj, fi = factors
    rows, columns = real.shape[0] // fj, real.shape[1] // fi
    blocks = real[: rows * fj, : columns * fi].reshape(rows, fj, columns, fi)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def _layers(frames: Sequence[Frame], small: Sequence[Values]) -> tuple[Frame, Vector, Vector, Values]:
    """One reduced plane a place (the mean of its frames): the first frame, the places, the corners there, the planes."""
    normal, places = frames[0].normal, places_mm(frames)
    depth = np.array([float(normal @ f.corner) for f in frames])
    which = np.clip(np.searchsorted(places, depth + _SAME_PLACE_MM) - 1, 0, len(places) - 1)
    planes = np.zeros((len(places), *small[0].shape), dtype=np.float32)
    corners, count = np.zeros((len(places), 3)), np.zeros(len(places))
    for layer, frame, plane in zip(which, frames, small, strict=True):
        planes[layer] += plane
        corners[layer] += frame.corner
        count[layer] += 1
    planes /= count[:, None, None].astype(np.float32)
    return frames[0], places, corners / count[:, None], planes


def _sampled(frame: Frame, places: Vector, corners: Vector, planes: Values) -> Picture:
    from scipy.ndimage import map_coordinates

    half = _half_gap(places)
    low, high = _box(frame, corners, half)
    step = max(STEP_MM, float(np.cbrt(np.prod(high - low) / _MOST_CUBES)))
    shape = np.maximum(np.ceil((high - low) / step).astype(int), 1)[::-1]
    origin = (low + high) / 2 - (shape[::-1] - 1) * step / 2
    values, seen = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
    factors = np.array(_factors(frame))
    y, x = (np.arange(shape[a]) * step + origin[2 - a] for a in (1, 2))
    flat = np.stack([np.broadcast_to(x[None, :], shape[1:]), np.broadcast_to(y[:, None], shape[1:])])
    for k in range(shape[0]):
        points = np.stack([*flat, np.full(shape[1:], origin[2] + k * step)], axis=-1)
        index, seen[k] = _index(frame, places, corners, half, points)
        index[1:] = (index[1:] - (factors[:, None, None] - 1) / 2) / factors[:, None, None]
        values[k] = map_coordinates(planes, index, order=1, mode="nearest")
    values[~seen] = values[seen].min() if seen.any() else 0
    return Picture(values, seen, origin, step, 2 * half)


def _index(frame: Frame, places: Vector, corners: Vector, half: float, points: Vector) -> tuple[Vector, Mask]:
    """Fractional (layer, row, column) of LPS points, and which of them the stack holds."""
    depth = points @ frame.normal
    layer = np.interp(depth, places, np.arange(len(places)))
    corner = np.stack([np.interp(depth, places, corners[:, a]) for a in range(3)], axis=-1)
    offset = points - corner
    row = offset @ frame.down / frame.steps_mm[0] ** 2
    column = offset @ frame.right / frame.steps_mm[1] ** 2
    seen = (depth > places[0] - half) & (depth < places[-1] + half)
    seen &= (row > -0.5) & (row < frame.rows - 0.5) & (column > -0.5) & (column < frame.columns - 0.5)
    return np.stack([layer, row, column]), seen


def _half_gap(places: Vector) -> float:
    """Half the usual distance between places; a lone plane counts as thick enough to be judged like a plane of a stack."""
    return float(np.median(np.diff(places))) / 2 if len(places) > 1 else _LONE_MM / 2


def _box(frame: Frame, corners: Vector, half: float) -> tuple[Vector, Vector]:
    ends = [corner + side * half * frame.normal for corner in (corners[0], corners[-1]) for side in (-1, 1)]
    reach = [a * frame.down * (frame.rows - 1) + b * frame.right * (frame.columns - 1) for a in (0, 1) for b in (0, 1)]
    points = np.array([end + r for end in ends for r in reach])
    return points.min(axis=0), points.max(axis=0)
