"""From a network's score to a calibrated confidence, as plain numbers that live in a model file's header.

How they are fitted and which of the forms is taken: `cad.explain.calibrators`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import log
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from cad.errors import ShokenError
from cad.space import FloatArray

SMALLEST_SCORE = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """confidence = sigmoid(slope * log(score) - slope_false * log(1 - score) + intercept), or a rising curve through `knots`.

    Both slopes equal (`slope_false` None) is Platt scaling, with intercept 0 temperature scaling, unequal beta calibration;
    `knots` are (logit of the score, confidence), isotonic. `positives` and `negatives` are the candidates it was fitted on,
    `scans` and `scans_with_lesion` where they came from: the share of lesions that every confidence takes for granted.
    """

    slope: float = 1.0
    intercept: float = 0.0
    positives: int = 0
    negatives: int = 0
    method: str = "platt"
    slope_false: float | None = None
    knots: tuple[tuple[float, float], ...] = ()
    scans: int = 0
    scans_with_lesion: int = 0

    def apply(self, score: float) -> float:
        """The calibrated confidence in [0, 1] of one raw score in [0, 1]."""
        return float(self.apply_all([score])[0])

    def apply_all(self, scores: ArrayLike) -> FloatArray:
        """The calibrated confidences (n,) float64 of raw scores (n,) in [0, 1]."""
        if self.knots:
            at, confidence = zip(*self.knots, strict=True)
            return np.asarray(np.interp(logits(scores), at, confidence), dtype=np.float64)
        if self.slope_false is None:
            return np.asarray(expit(self.slope * logits(scores) + self.intercept), dtype=np.float64)
        s = clipped(scores)
        return np.asarray(expit(self.slope * np.log(s) - self.slope_false * np.log1p(-s) + self.intercept), dtype=np.float64)

    @property
    def prevalence(self) -> float | None:
        """The share of scans with a lesion among those it was fitted on; None where that is not known."""
        return self.scans_with_lesion / self.scans if self.scans and self.scans_with_lesion else None

    def at_prevalence(self, share: float) -> Calibration:
        """The same for a place where `share` of all scans hold a lesion (Saerens et al., Neural Comput 2002;14:21-41).

        The odds of a candidate change by the ratio of both shares. That takes for granted that scans with a lesion hold as many, that
        look-alikes are as frequent, and that both look as they did. Raises ShokenError for a share outside (0, 1) or without a prevalence.
        """
        if not 0 < share < 1:
            raise ShokenError(f"is {share:g}", subject="prevalence", accepted="a share of scans above 0 and below 1")
        if self.prevalence is None:
            raise ShokenError(
                "the model does not say at which prevalence it was calibrated", subject="prevalence", accepted="a newer model"
            )
        shift = log(share / self.prevalence)
        knots = tuple((x, float(expit(logit(y) + shift))) for x, y in self.knots)
        return replace(self, intercept=self.intercept + shift, knots=knots)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the model's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Calibration:
        """What `to_dict` gave, or the slope and intercept of an older model. Raises ShokenError naming a missing field."""
        missing = next((name for name in ("slope", "intercept") if name not in document), None)
        if missing:
            raise ShokenError(f"has no {missing!r}", subject="calibration", accepted="slope, intercept, positives, negatives")
        known = {name: document[name] for name in cls.__slots__ if name in document}
        return cls(**{**known, "knots": tuple((float(x), float(y)) for x, y in document.get("knots", ()))})


def logits(scores: ArrayLike) -> FloatArray:
    """The logits of scores in [0, 1], finite for 0 and 1."""
    return np.asarray(logit(clipped(scores)))


def clipped(scores: ArrayLike) -> FloatArray:
    """Scores drawn in from 0 and 1."""
    return np.clip(np.asarray(scores, dtype=np.float64), SMALLEST_SCORE, 1 - SMALLEST_SCORE)
