"""From a network's score to a calibrated confidence: Platt scaling on the logit.

Platt (Advances in Large Margin Classifiers, 1999): a logistic curve over the logit, fitted with targets drawn in from
0 and 1 by the class counts, so that a small calibration set does not end in certainty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import expit, logit

from cad.errors import ShokenError
from cad.space import FloatArray

SMALLEST_SCORE = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """confidence = sigmoid(slope * logit(score) + intercept); the counts say what it was fitted on.

    Plain numbers, so that it lives in a model file's header and is covered by its digest.
    """

    slope: float = 1.0
    intercept: float = 0.0
    positives: int = 0
    negatives: int = 0

    def apply(self, score: float) -> float:
        """The calibrated confidence in [0, 1] of one raw score in [0, 1]."""
        return float(self.apply_all([score])[0])

    def apply_all(self, scores: ArrayLike) -> FloatArray:
        """The calibrated confidences (n,) float64 of raw scores (n,) in [0, 1]."""
        return np.asarray(expit(self.slope * _logits(scores) + self.intercept), dtype=np.float64)

    def to_dict(self) -> dict[str, float]:
        """Plain numbers for the model's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Calibration:
        """What `to_dict` gave. Raises ShokenError naming a missing field."""
        try:
            return cls(
                float(document["slope"]), float(document["intercept"]), int(document.get("positives", 0)), int(document.get("negatives", 0))
            )
        except KeyError as error:
            raise ShokenError(
                f"has no {error.args[0]!r}", subject="calibration", accepted="slope, intercept, positives, negatives"
            ) from None

    @classmethod
    def fit(cls, scores: ArrayLike, truths: ArrayLike) -> Calibration:
        """Fitted on raw scores (n,) in [0, 1] and truths (n,) of 0/1. The order of scores is kept (slope > 0).

        Raises ShokenError unless both classes are present.
        """
        x, y = _logits(scores), np.asarray(truths, dtype=bool)
        positives, negatives = int(y.sum()), int((~y).sum())
        if not positives or not negatives:
            raise ShokenError(
                f"{positives} positives and {negatives} negatives", subject="calibration set", accepted="at least one of each class"
            )
        target = np.where(y, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        slope, intercept = _fitted(x, target)
        return cls(slope, intercept, positives, negatives)


def _fitted(x: FloatArray, target: FloatArray) -> tuple[float, float]:
    """The slope (> 0, so fitted as its logarithm) and intercept of least cross-entropy."""

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        slope = np.exp(parameters[0])
        z = slope * x + parameters[1]
        error = expit(z) - target
        value = np.logaddexp(0, z) - target * z
        return float(value.mean()), np.array([(error * x).mean() * slope, error.mean()])

    best = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-5, 5), (-50, 50)])
    return float(np.exp(best.x[0])), float(best.x[1])


def _logits(scores: ArrayLike) -> FloatArray:
    return np.asarray(logit(np.clip(np.asarray(scores, dtype=np.float64), SMALLEST_SCORE, 1 - SMALLEST_SCORE)))
