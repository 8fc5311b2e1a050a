"""Marks of several readers gathered into lesions: one mark a reader, closest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from cad.datasets.scan import Lesion, Mark

LEAST_RADIUS_MM = 1.5


def gather(marks: Sequence[Mark], kind: Callable[[Sequence[Mark]], str]) -> tuple[Lesion, ...]:
    """Lesions from marks; two marks meet where their masks share voxels or one's centre lies within the other's radius.

    The pair that overlaps most (by Jaccard index), then the nearest, is joined first, and never two marks of one reader: a
    reader who marked one place twice makes two lesions. `kind` names a lesion from its marks. Lesions are numbered by their place.
    """
    groups = {n: [n] for n in range(len(marks))}
    home = {n: n for n in range(len(marks))}
    pairs = sorted((_order(marks[a], marks[b]), a, b) for a, b in combinations(range(len(marks)), 2) if _meet(marks[a], marks[b]))
    for _, a, b in pairs:
        one, other = home[a], home[b]
        if one == other or {marks[n].reader for n in groups[one]} & {marks[n].reader for n in groups[other]}:
            continue
        for n in groups[other]:
            home[n] = one
        groups[one] += groups.pop(other)
    found = [tuple(marks[n] for n in sorted(group)) for group in groups.values()]
    ordered = sorted(found, key=lambda group: tuple(round(v, 3) for v in reversed(Lesion(0, group).centre_mm)))
    return tuple(Lesion(number, group, kind(group)) for number, group in enumerate(ordered, start=1))


def _distance_mm(a: Mark, b: Mark) -> float:
    return float(np.linalg.norm(np.subtract(a.centre_mm, b.centre_mm)))


def _jaccard(a: Mark, b: Mark) -> float:
    if a.patch is None or b.patch is None:
        return 0.0
    both = a.patch.shared(b.patch)
    return both / (int(a.patch.voxels.sum()) + int(b.patch.voxels.sum()) - both)


def _meet(a: Mark, b: Mark) -> bool:
    reach = max(a.diameter_mm / 2, b.diameter_mm / 2, LEAST_RADIUS_MM)
    return a.reader != b.reader and (_distance_mm(a, b) <= reach or _jaccard(a, b) > 0)


def _order(a: Mark, b: Mark) -> tuple[float, float]:
    return -_jaccard(a, b), _distance_mm(a, b)
