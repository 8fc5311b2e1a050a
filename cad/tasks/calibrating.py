"""From stage scores on the calibration set to thresholds and operating points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from cad.detect.cascade import LEAST_SCORE, Fusion, Thresholds
from cad.model import OperatingPoint
from cad.score.proportion import clopper_pearson
from cad.space import FloatArray
from cad.tasks.looking import CaseScores

MISSED_BY = {"triage": 0.01, "propose": 0.02, "reduce": 0.04}  # the share of lesions each stage may lose
LOWEST_PROPOSAL = 0.1
MOST_FALSE = 4.0


def fit_fusion(scores: Sequence[CaseScores]) -> Fusion:
    """Logistic regression of "lies on a lesion" on both stages' logits; a stage is never counted against a lesion."""
    propose = [logit(np.clip(case.proposed, LEAST_SCORE, 1 - LEAST_SCORE)) for case in scores]
    evidence = np.column_stack([np.concatenate(propose), np.concatenate([case.reduced for case in scores])])
    truth = np.array([hit > 0 for case in scores for hit in case.hits])
    if truth.all() or not truth.any():
        return Fusion()
    weights = LogisticRegression(class_weight="balanced").fit(evidence, truth).coef_[0]
    return Fusion(propose=max(0.0, float(weights[0])), reduce=max(0.01, float(weights[1])))


def choose_thresholds(scores: Sequence[CaseScores], fusion: Fusion) -> tuple[Thresholds, tuple[OperatingPoint, ...]]:
    """The highest threshold of each stage that loses no more lesions than its share, and what it achieved there.

    A reader is shown few candidates: where that share would let more than MOST_FALSE look-alikes a scan through, the last
    stage's threshold rises, and the operating point says how many lesions that costs.
    """
    lesions = [lesion for case in scores for lesion in case.lesions]
    reached = {
        "triage": np.array([lesion.best_plane for lesion in lesions]),
        "propose": np.array([lesion.propose_peak for lesion in lesions]),
        "reduce": _best_logits(scores, fusion),
    }
    cut = {stage: _cut(values, MISSED_BY[stage]) for stage, values in reached.items()}
    cut["propose"] = max(cut["propose"], LOWEST_PROPOSAL)
    cut["reduce"] = max(cut["reduce"], _quiet_enough(scores, fusion))
    points = tuple(_point(stage, cut[stage], values) for stage, values in reached.items())
    return Thresholds(**cut), points


def fused_logits(case: CaseScores, fusion: Fusion) -> FloatArray:
    """The fused logit of every candidate of a case."""
    return np.array([fusion.logit(p, r) for p, r in zip(case.proposed, case.reduced, strict=True)])


def _quiet_enough(scores: Sequence[CaseScores], fusion: Fusion) -> float:
    """The fused logit that MOST_FALSE look-alikes a scan reach."""
    false = [x for case in scores for x, hit in zip(fused_logits(case, fusion), case.hits, strict=True) if not hit]
    allowed = int(MOST_FALSE * len(scores))
    return float(np.sort(false)[::-1][allowed]) if len(false) > allowed else -np.inf


def _best_logits(scores: Sequence[CaseScores], fusion: Fusion) -> FloatArray:
    """The best logit of each lesion that was proposed at all."""
    best = []
    for case in scores:
        for label in sorted({hit for hit in case.hits if hit}):
            best.append(max(fused for fused, hit in zip(fused_logits(case, fusion), case.hits, strict=True) if hit == label))
    return np.array(best)


def _cut(values: FloatArray, missed: float) -> float:
    return float(np.quantile(values, missed, method="lower")) if values.size else 0.0


def _point(stage: str, threshold: float, values: FloatArray) -> OperatingPoint:
    kept = int((values >= threshold).sum())
    interval = clopper_pearson(kept, values.size) if values.size else (0.0, 1.0)
    return OperatingPoint(stage, threshold, kept / max(1, values.size), interval, values.size)
