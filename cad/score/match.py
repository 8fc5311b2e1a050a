"""Marks to truth: which marks hit, which are doubles, which fall on findings to ignore, which are false.

The rule is LUNA16's (Setio et al., Med Image Anal 2017;42:1-13): a mark hits a lesion when it lies closer to its centre
than its radius; of several marks on one lesion the best counts and the others are doubles, neither right nor wrong; a
mark on a finding to ignore is left out. With masks a mark hits when it lies inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.space import Point
from cad.volume import Volume

UNKNOWN_DIAMETER_MM = 10.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A place the reader or the system points at in scan `scan`, LPS or any one frame, with a score."""

    scan: str
    centre_mm: Point
    score: float


@dataclass(frozen=True, slots=True)
class Truth:
    """A lesion (or a finding to ignore) of scan `scan`. A negative diameter means unknown: 10 mm is taken."""

    scan: str
    centre_mm: Point
    diameter_mm: float

    @property
    def radius_mm(self) -> float:
        """Half the diameter."""
        return (self.diameter_mm if self.diameter_mm >= 0 else UNKNOWN_DIAMETER_MM) / 2

    def holds(self, point_mm: Point) -> bool:
        """Whether a point is closer to the centre than the radius."""
        return _squared(point_mm, self.centre_mm) < self.radius_mm**2


@dataclass(frozen=True, slots=True)
class ScanMatch:
    """One scan's outcome: the best score on each lesion (None: missed), scores of false marks, and counts."""

    scan: str
    lesions: tuple[float | None, ...]
    false_marks: tuple[float, ...]
    ignored: int = 0
    doubles: int = 0


def match_scan(scan: str, marks: Sequence[Mark], truths: Sequence[Truth], ignore: Sequence[Truth] = ()) -> ScanMatch:
    """Match the marks of one scan by radius. A mark that hits two overlapping lesions counts for both."""
    return _matched(scan, marks, _within(truths, marks), _within(ignore, marks))


def match_mask(scan: str, marks: Sequence[Mark], lesions: Sequence[Volume]) -> ScanMatch:
    """Match the marks of one scan by masks (one 0/1 Volume a lesion): a hit lies in a voxel of the mask."""
    hits = [[_inside(lesion, mark.centre_mm) for mark in marks] for lesion in lesions]
    return _matched(scan, marks, np.array(hits, dtype=bool).reshape(len(lesions), len(marks)), np.zeros((0, len(marks)), dtype=bool))


def match_one_to_one(scan: str, marks: Sequence[Mark], truths: Sequence[Truth]) -> ScanMatch:
    """As `match_scan`, but every mark is spent on one lesion: best score first, each on the nearest lesion still free.

    A mark that only falls on lesions already found is a double.
    """
    best: dict[int, float] = {}
    false: list[float] = []
    doubles = 0
    for mark in sorted(marks, key=lambda m: -m.score):
        hits = [i for i, truth in enumerate(truths) if truth.holds(mark.centre_mm)]
        free = [i for i in hits if i not in best]
        if free:
            best[min(free, key=lambda i: _squared(mark.centre_mm, truths[i].centre_mm))] = mark.score
        elif hits:
            doubles += 1
        else:
            false.append(mark.score)
    return ScanMatch(scan, tuple(best.get(i) for i in range(len(truths))), tuple(false), 0, doubles)


def _matched(scan: str, marks: Sequence[Mark], hits: NDArray[np.bool_], ignore: NDArray[np.bool_]) -> ScanMatch:
    """From tables (lesions, marks) and (findings to ignore, marks) of who lies in what."""
    scores = np.array([m.score for m in marks], dtype=np.float64)
    used, ignored = hits.any(axis=0), ignore.any(axis=0) & ~hits.any(axis=0)
    return ScanMatch(
        scan,
        tuple(float(scores[row].max()) if row.any() else None for row in hits),
        tuple(scores[~used & ~ignored].tolist()),
        int(ignored.sum()),
        int(np.maximum(hits.sum(axis=1) - 1, 0).sum()),
    )


def _within(truths: Sequence[Truth], marks: Sequence[Mark]) -> NDArray[np.bool_]:
    """Table (truths, marks): the mark is closer to the centre than the radius."""
    centres = np.array([t.centre_mm for t in truths], dtype=np.float64).reshape(-1, 1, 3)
    radii = np.array([t.radius_mm for t in truths], dtype=np.float64).reshape(-1, 1)
    points = np.array([m.centre_mm for m in marks], dtype=np.float64).reshape(1, -1, 3)
    return np.asarray(((points - centres) ** 2).sum(axis=-1) < radii**2)


def _inside(lesion: Volume, point_mm: Point) -> bool:
    index = np.rint(lesion.grid.to_index(point_mm)).astype(int)
    return bool(((index >= 0) & (index < lesion.grid.shape)).all() and lesion.voxels[tuple(index)] > 0)


def _squared(a: Point, b: Point) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
