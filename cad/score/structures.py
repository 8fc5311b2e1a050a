"""Masks of many structures in many cases: each structure's Dice, HD95 and NSD over the cases, misses counted, with an interval.

Where several readers drew the truth, the same masks are held against each of them, against their consensus, and the readers
against one another: a method can hardly agree better with readers than they do among themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cad.errors import ShokenError
from cad.score.bootstrap import Interval, bootstrap, grouped
from cad.score.overlap import TOLERANCES_MM, Overlap, overlap
from cad.volume import Volume

WITH_TRUTH, WITH_READER, WITH_CONSENSUS, AMONG_READERS = "found_truth", "found_reader", "found_consensus", "reader_reader"
_MOST_LABELS = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One structure of one case, one pair of masks: `comparison` is its kind, `between` names the two."""

    case: str
    structure: str
    comparison: str
    between: tuple[str, str]
    overlap: Overlap


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over cases with its 95 % interval, cases drawn; None where fewer than two cases were scored."""

    mean: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class StructureScore:
    """One structure and kind of comparison over the cases.

    `cases` and `pairs` are scored, with `missed` and `invented` pairs as Dice 0, NSD 0 and the volume's diagonal. `absent`
    pairs had the structure in neither mask: they agree, but count nowhere.
    """

    structure: str
    comparison: str
    cases: int
    pairs: int
    missed: int
    invented: int
    absent: int
    dice: Mean | None
    hd95_mm: Mean | None
    nsd: tuple[tuple[float, Mean], ...]


def labels_in(volume: Volume) -> tuple[int, ...]:
    """The structures of a label image, by value; a mask of probabilities holds one. Raises ShokenError for other values."""
    values = np.unique(np.asarray(volume.voxels))
    if not np.isfinite(values).all() or values[0] < 0 or len(values) > _MOST_LABELS:
        if np.isfinite(values).all() and values[0] >= 0 and values[-1] <= 1:
            return (1,)
        raise ShokenError("holds values that are no labels", subject="mask", accepted="whole numbers from 0, or probabilities in [0, 1]")
    if values[-1] <= 1:
        return (1,) if values[-1] >= 0.5 else ()
    if not np.array_equal(values, np.rint(values)):
        raise ShokenError("holds broken numbers above 1", subject="mask", accepted="whole numbers from 0, or probabilities in [0, 1]")
    return tuple(int(v) for v in values if v > 0)


def structure(volume: Volume, number: int) -> Volume:
    """The 0/1 mask of one structure."""
    voxels = np.asarray(volume.voxels)
    single = number == 1 and float(voxels.max(initial=0)) <= 1
    return volume.like((voxels >= 0.5 if single else voxels == number).astype(np.uint8), unit="1")


def score_truth(case: str, name: str, found: Volume, truth: Volume, tolerances_mm: Sequence[float] = TOLERANCES_MM) -> Row:
    """One structure's masks, one truth. Raises GridError when the grids differ."""
    return Row(case, name, WITH_TRUTH, ("found", "truth"), overlap(found, truth, tolerances_mm))


def score_readers(
    case: str,
    name: str,
    found: Volume | None,
    readers: Mapping[str, Volume],
    consensus: Volume,
    tolerances_mm: Sequence[float] = TOLERANCES_MM,
) -> tuple[Row, ...]:
    """One structure against each reader, the consensus, and the readers among themselves; None: only the readers. Raises GridError."""
    ours = []
    if found is not None:
        ours = [Row(case, name, WITH_READER, ("found", r), overlap(found, mask, tolerances_mm)) for r, mask in readers.items()]
        ours.append(Row(case, name, WITH_CONSENSUS, ("found", "consensus"), overlap(found, consensus, tolerances_mm)))
    pairs = combinations(readers.items(), 2)
    return (*ours, *(Row(case, name, AMONG_READERS, (a, b), overlap(one, other, tolerances_mm)) for (a, one), (b, other) in pairs))


def by_structure(rows: Sequence[Row], *, resamples: int = 1000, seed: int = 0) -> tuple[StructureScore, ...]:
    """Means over cases, structure by structure in order of appearance; a case with several pairs counts once, by their mean."""
    kinds = dict.fromkeys((row.structure, row.comparison) for row in rows)
    return tuple(_summed([r for r in rows if (r.structure, r.comparison) == kind], *kind, resamples=resamples, seed=seed) for kind in kinds)


def _summed(rows: Sequence[Row], name: str, comparison: str, *, resamples: int, seed: int) -> StructureScore:
    scored = [row for row in rows if row.overlap.outcome != "both_empty"]
    outcomes = [row.overlap.outcome for row in rows]
    tolerances = rows[0].overlap.tolerances_mm
    cases = grouped(scored, [row.case for row in scored])

    def mean(values: Sequence[float]) -> Mean | None:
        parts = grouped(list(values), [row.case for row in scored])
        return _mean([float(np.mean(part)) for part in parts], resamples=resamples, seed=seed)

    by_tolerance = [(t, mean([row.overlap.nsd[n] for row in scored])) for n, t in enumerate(tolerances)]
    return StructureScore(
        structure=name,
        comparison=comparison,
        cases=len(cases),
        pairs=len(scored),
        missed=outcomes.count("missed"),
        invented=outcomes.count("invented"),
        absent=outcomes.count("both_empty"),
        dice=mean([row.overlap.dice for row in scored]),
        hd95_mm=mean([row.overlap.hd95_mm for row in scored]),
        nsd=tuple((t, value) for t, value in by_tolerance if value is not None),
    )


def _mean(values: Sequence[float], *, resamples: int, seed: int) -> Mean | None:
    if not values:
        return None
    interval = (
        bootstrap(lambda chosen: float(np.mean(chosen)), values, resamples=resamples, seed=seed) if len(values) > 1 and resamples else None
    )
    return Mean(float(np.mean(values)), interval)
