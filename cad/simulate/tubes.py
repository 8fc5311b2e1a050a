"""Tapered tubes drawn with soft edges: vessels, airways, ribs, spicules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.space import FloatArray, Grid

Canvas = NDArray[np.uint8]
_CHUNK = 2_000_000  # voxels handled at once; keeps temporaries inside the cache


@dataclass(frozen=True, slots=True)
class Tubes:
    """Straight pieces: `start` and `end` (n, 3) as (x, y, z) mm, `start_mm` and `end_mm` (n,) radii."""

    start: FloatArray
    end: FloatArray
    start_mm: FloatArray
    end_mm: FloatArray

    @classmethod
    def along(cls, points_mm: FloatArray, radii_mm: FloatArray) -> Tubes:
        """One polyline with a radius at each point."""
        return cls(points_mm[:-1], points_mm[1:], radii_mm[:-1], radii_mm[1:])

    @classmethod
    def join(cls, parts: Iterable[Tubes]) -> Tubes:
        """All pieces of several sets."""
        listed = list(parts)
        empty = cls(np.empty((0, 3)), np.empty((0, 3)), np.empty(0), np.empty(0))
        return cls(
            *(
                np.concatenate([getattr(empty, name), *(getattr(p, name) for p in listed)])
                for name in ("start", "end", "start_mm", "end_mm")
            )
        )

    def widened(self, factor: float, plus_mm: float) -> Tubes:
        """The same pieces with radius times `factor` plus `plus_mm` (not below 0.05 mm)."""
        return Tubes(
            self.start, self.end, np.maximum(self.start_mm * factor + plus_mm, 0.05), np.maximum(self.end_mm * factor + plus_mm, 0.05)
        )


def spline(points_mm: Sequence[Sequence[float]] | FloatArray, step_mm: float) -> FloatArray:
    """A centripetal-like smooth curve through (n, 3 or more) rows, resampled every `step_mm` of its first three columns."""
    from scipy.interpolate import PchipInterpolator, make_interp_spline

    nodes = np.asarray(points_mm, dtype=np.float64)
    chord = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(nodes[:, :3], axis=0), axis=1))])
    fine = np.linspace(0, chord[-1], 400)
    curve = make_interp_spline(chord, nodes[:, :3], k=min(3, len(nodes) - 1))(fine)
    if nodes.shape[1] > 3:
        curve = np.hstack([curve, PchipInterpolator(chord, nodes[:, 3:])(fine)])  # no overshoot in radii
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve[:, :3], axis=0), axis=1))])
    at = np.linspace(0, length[-1], max(2, int(length[-1] / step_mm) + 1))
    return np.stack([np.interp(at, length, curve[:, c]) for c in range(curve.shape[1])], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnTubes:
    """Tubes on the part of a grid that they reach: `share` uint8 (255 = full) at `first` (slice, row, column)."""

    share: Canvas
    first: tuple[int, int, int]

    def plane(self, k: int) -> tuple[tuple[slice, slice], NDArray[np.float32]] | None:
        """Where on slice `k` of the grid, and how full (0 to 1) each pixel there is; None where there is nothing."""
        inside = k - self.first[0]
        if not 0 <= inside < len(self.share) or not self.share[inside].any():
            return None
        _, j, i = self.first
        rows, columns = self.share.shape[1:]
        return (slice(j, j + rows), slice(i, i + columns)), self.share[inside] * np.float32(1 / 255)

    def whole(self, shape: tuple[int, int, int]) -> Canvas:
        """The same on the whole grid."""
        out = np.zeros(shape, dtype=np.uint8)
        out[tuple(slice(f, f + n) for f, n in zip(self.first, self.share.shape, strict=True))] = self.share
        return out


def draw_near(grid: Grid, tubes: Tubes) -> DrawnTubes:
    """The same as `draw_tubes`, but only the box around the tubes is held."""
    reach = np.maximum(tubes.start_mm, tubes.end_mm)[:, None] + max(grid.spacing_mm)
    low = np.min(np.minimum(tubes.start, tubes.end) - reach, axis=0, initial=1e6)
    high = np.max(np.maximum(tubes.start, tubes.end) + reach, axis=0, initial=-1e6)
    spacing, origin, shape = np.array(grid.spacing_mm), np.asarray(grid.origin_mm)[::-1], np.array(grid.shape)
    first = np.clip(np.floor((low[::-1] - origin) / spacing), 0, shape).astype(int)
    last = np.clip(np.ceil((high[::-1] - origin) / spacing) + 1, first, shape).astype(int)
    size = (int(last[0] - first[0]), int(last[1] - first[1]), int(last[2] - first[2]))
    at = (int(first[0]), int(first[1]), int(first[2]))
    if min(size) == 0:
        return DrawnTubes(np.zeros((0, 0, 0), dtype=np.uint8), at)
    return DrawnTubes(draw_tubes(grid.crop(at, size), tubes), at)


def draw_tubes(grid: Grid, tubes: Tubes) -> Canvas:
    """How much of each voxel the tubes fill, uint8 (255 = all), on an axial grid.

    Thick slices are drawn as several thin ones and averaged, so a vessel that runs obliquely smears as it does on a
    scanner. A tube thinner than a voxel is drawn a voxel wide and fainter by the ratio of areas.
    """
    thin = max(1, int(np.ceil(grid.spacing_mm[0] / (2.0 * grid.spacing_mm[2]) - 0.01)))
    spacing = np.array([grid.spacing_mm[2], grid.spacing_mm[1], grid.spacing_mm[0] / thin])
    origin = np.asarray(grid.origin_mm) - [0, 0, (grid.spacing_mm[0] - spacing[2]) / 2]
    shape = (grid.shape[0] * thin, grid.shape[1], grid.shape[2])
    canvas = np.zeros(shape, dtype=np.uint8)
    flat = canvas.reshape(-1)
    for piece in _buckets(_short(tubes), origin, spacing, shape):
        where, value = _fill(*piece, spacing, shape)
        np.maximum.at(flat, where, value)
    if thin == 1:
        return canvas
    out = np.empty(grid.shape, dtype=np.uint8)
    for k in range(grid.shape[0]):
        out[k] = canvas[k * thin : (k + 1) * thin].mean(axis=0, dtype=np.float32)
    return out


def _short(tubes: Tubes) -> Tubes:
    length = np.linalg.norm(tubes.end - tubes.start, axis=1)
    parts = np.maximum(1, np.ceil(length / np.maximum(3.0, 1.5 * np.maximum(tubes.start_mm, tubes.end_mm)))).astype(int)
    which = np.repeat(np.arange(len(parts)), parts)
    low = (np.arange(len(which)) - np.repeat(np.cumsum(parts) - parts, parts)) / parts[which]
    high = low + 1 / parts[which]
    run, grow = (tubes.end - tubes.start)[which], (tubes.end_mm - tubes.start_mm)[which]
    start, radius = tubes.start[which], tubes.start_mm[which]
    return Tubes(start + low[:, None] * run, start + high[:, None] * run, radius + low * grow, radius + high * grow)


def _buckets(
    tubes: Tubes, origin: FloatArray, spacing: FloatArray, shape: tuple[int, int, int]
) -> Iterator[tuple[Tubes, NDArray[np.int64], tuple[int, int, int]]]:
    """Pieces grouped by the size of the box they touch: (pieces in index-origin mm, first index (n, 3) xyz, box size xyz)."""
    reach = np.maximum(tubes.start_mm, tubes.end_mm)[:, None] + spacing[:2].max()
    low = np.ceil((np.minimum(tubes.start, tubes.end) - reach - origin) / spacing).astype(np.int64)
    high = np.floor((np.maximum(tubes.start, tubes.end) + reach - origin) / spacing).astype(np.int64)
    seen = ((high >= 0) & (low < np.array(shape[::-1])) & (high >= low)).all(axis=1)
    size = high - low + 1
    size += size % 2  # fewer distinct sizes, fewer calls
    tubes, low, size = _pick(tubes, seen), low[seen], size[seen]
    sizes, group = np.unique(size, axis=0, return_inverse=True)
    for g, box in enumerate(sizes):
        members = np.flatnonzero(group.reshape(-1) == g)
        count = max(1, _CHUNK // int(box.prod()))
        for first in range(0, len(members), count):
            chosen = members[first : first + count]
            at_origin = _pick(tubes, chosen)
            shifted = Tubes(at_origin.start - origin, at_origin.end - origin, at_origin.start_mm, at_origin.end_mm)
            yield shifted, low[chosen], (int(box[0]), int(box[1]), int(box[2]))


def _pick(tubes: Tubes, chosen: NDArray[np.generic]) -> Tubes:
    return Tubes(tubes.start[chosen], tubes.end[chosen], tubes.start_mm[chosen], tubes.end_mm[chosen])


def _fill(
    tubes: Tubes, first: NDArray[np.int64], box: tuple[int, int, int], spacing: FloatArray, shape: tuple[int, int, int]
) -> tuple[NDArray[np.int64], Canvas]:
    """Flat indices and occupancies of every voxel the boxed pieces reach."""
    index = [first[:, a, None] + np.arange(box[a]) for a in range(3)]
    views = ((slice(None), None, None, slice(None)), (slice(None), None, slice(None), None), (slice(None), slice(None), None, None))
    run = (tubes.end - tubes.start).astype(np.float32)
    squared = np.maximum((run**2).sum(axis=1), np.float32(1e-9))[:, None, None, None]
    away = [((index[a] * spacing[a]) - tubes.start[:, a, None]).astype(np.float32) for a in range(3)]
    x, y, z = ((away[a] * run[:, a, None] / squared[:, 0, 0])[views[a]] for a in range(3))
    t = z + y + x  # share of the way along the piece
    x, y, z = ((away[a] ** 2)[views[a]] for a in range(3))
    distance = z + y + x
    near = np.clip(t, 0, 1)
    t *= 2
    t -= near
    t *= near
    t *= squared
    distance -= t
    np.sqrt(np.maximum(distance, 0, out=distance), out=distance)
    r0, r1 = (r.astype(np.float32)[:, None, None, None] for r in (tubes.start_mm, tubes.end_mm))
    soft = np.float32(spacing[:2].max())
    near *= r1 - r0
    near += r0  # the radius there
    drawn = np.maximum(near, np.float32(0.5) * soft)
    distance -= drawn
    distance *= -1 / soft
    distance += np.float32(0.5)
    np.clip(distance, 0, 1, out=distance)
    near /= drawn
    near *= near
    near *= 255
    near *= distance
    inside = [((index[a] >= 0) & (index[a] < shape[2 - a]))[views[a]] for a in range(3)]
    kept = np.nonzero((near >= 1) & inside[0] & inside[1] & inside[2])
    n, k, j, i = kept
    where = (first[n, 2] + k) * (shape[1] * shape[2]) + (first[n, 1] + j) * shape[2] + first[n, 0] + i
    return where, near[kept].astype(np.uint8)
