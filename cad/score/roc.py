"""Area under the ROC curve with DeLong's interval (DeLong et al., Biometrics 1988;44:837-845), and the curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from cad.errors import ShokenError
from cad.space import FloatArray


@dataclass(frozen=True, slots=True)
class RocResult:
    """`auc` with its 95 % `interval`, and the curve: shares of false and true alarms, strictest threshold first."""

    auc: float
    interval: tuple[float, float]
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    positives: int
    negatives: int


def roc(scores: ArrayLike, truths: ArrayLike, level: float = 0.95) -> RocResult:
    """ROC of independent cases: scores (n,) higher is more suspicious, truths (n,) 0/1. Ties count half.

    The interval is DeLong's on the logit, so it stays within (0, 1); for an AUC of 0 or 1 it
    is the exact bound of the smaller class. Raises ShokenError unless both classes are present.
    """
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(truths, dtype=bool)
    if y.all() or not y.any() or x.shape != y.shape:
        raise ShokenError(f"{int(y.sum())} positives of {y.size}", subject="ROC", accepted="scores and truths of both classes")
    positive, negative = x[y], x[~y]
    above, below = _placements(positive, negative)
    auc = float(above.mean())
    return RocResult(auc, _interval(auc, above, below, level), *_curve(positive, negative), len(positive), len(negative))


def _placements(positive: FloatArray, negative: FloatArray) -> tuple[FloatArray, FloatArray]:
    """For each positive the share of negatives below it, for each negative the share of positives above it."""
    ranks = rankdata(np.concatenate([positive, negative]))
    p, n = len(positive), len(negative)
    return (ranks[:p] - rankdata(positive)) / n, 1 - (ranks[p:] - rankdata(negative)) / p


def _interval(auc: float, above: FloatArray, below: FloatArray, level: float) -> tuple[float, float]:
    smallest = min(len(above), len(below))
    if auc in (0.0, 1.0):
        gap = 1 - (1 - level) ** (1 / smallest)
        return (1 - gap, 1.0) if auc == 1.0 else (0.0, gap)
    variance = sum(float(part.var(ddof=1)) / len(part) for part in (above, below) if len(part) > 1)
    half = float(norm.ppf((1 + level) / 2)) * np.sqrt(variance) / (auc * (1 - auc))
    return float(expit(logit(auc) - half)), float(expit(logit(auc) + half))


def _curve(positive: FloatArray, negative: FloatArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    thresholds = np.unique(np.concatenate([positive, negative]))[::-1]
    rates = [1 - np.searchsorted(np.sort(part), thresholds, side="left") / len(part) for part in (negative, positive)]
    return (0.0, *rates[0].tolist()), (0.0, *rates[1].tolist())
