"""Whether confidences mean what they say: Brier score, expected calibration error, reliability bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cad.errors import ShokenError
from cad.score.bootstrap import Interval, bootstrap, grouped
from cad.score.proportion import wilson
from cad.space import FloatArray


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Cases with confidence in [low, high): how many, mean confidence, observed share with Wilson's interval."""

    low: float
    high: float
    n: int
    confidence: float
    observed: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """Brier score (mean squared error) and ECE (Naeini et al., AAAI 2015) with 95 % intervals, and the filled bins."""

    n: int
    brier: float
    brier_interval: Interval
    ece: float
    ece_interval: Interval
    bins: tuple[ReliabilityBin, ...]


def calibration(
    confidences: ArrayLike, truths: ArrayLike, groups: Sequence[str] | None = None, *, bins: int = 10, resamples: int = 1000, seed: int = 0
) -> CalibrationResult:
    """Confidences (n,) in [0, 1] against truths (n,) 0/1, bins of equal width; `groups` are patients for the bootstrap.

    Raises ShokenError for unequal lengths, no cases or confidences outside [0, 1].
    """
    p, y = np.asarray(confidences, dtype=np.float64), np.asarray(truths, dtype=np.float64)
    if p.shape != y.shape or not p.size or p.min() < 0 or p.max() > 1:
        raise ShokenError(f"{p.size} confidences, {y.size} truths", subject="calibration", accepted="equal numbers, confidences in [0, 1]")
    pairs = np.stack([p, y], axis=1)
    keys = [str(i) for i in range(len(p))] if groups is None else list(groups)
    parts = [pairs[list(rows)] for rows in grouped(list(range(len(p))), keys)]
    return CalibrationResult(
        n=len(p),
        brier=_brier(pairs),
        brier_interval=bootstrap(lambda chosen: _brier(np.concatenate(chosen)), parts, resamples=resamples, seed=seed),
        ece=_ece(pairs, bins),
        ece_interval=bootstrap(lambda chosen: _ece(np.concatenate(chosen), bins), parts, resamples=resamples, seed=seed),
        bins=_reliability(pairs, bins),
    )


def _brier(pairs: FloatArray) -> float:
    return float(((pairs[:, 0] - pairs[:, 1]) ** 2).mean())


def _ece(pairs: FloatArray, bins: int) -> float:
    which = _which(pairs, bins)
    gaps = np.bincount(which, weights=pairs[:, 0] - pairs[:, 1], minlength=bins)
    return float(np.abs(gaps).sum() / len(pairs))


def _which(pairs: FloatArray, bins: int) -> FloatArray:
    return np.asarray(np.minimum((pairs[:, 0] * bins).astype(int), bins - 1))


def _reliability(pairs: FloatArray, bins: int) -> tuple[ReliabilityBin, ...]:
    which = _which(pairs, bins)
    filled = []
    for b in np.unique(which):
        own = pairs[which == b]
        hits = int(own[:, 1].sum())
        filled.append(ReliabilityBin(b / bins, (b + 1) / bins, len(own), float(own[:, 0].mean()), hits / len(own), wilson(hits, len(own))))
    return tuple(filled)
