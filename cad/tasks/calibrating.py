"""From stage scores on the calibration set to thresholds, operating points and calibrated confidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cad.detect.cascade import Thresholds
from cad.explain.confidence import Calibration
from cad.model import OperatingPoint
from cad.score.proportion import clopper_pearson
from cad.space import FloatArray
from cad.tasks.looking import CaseScores

MISSED_BY = {"triage": 0.01, "propose": 0.02, "reduce": 0.04}  # the share of lesions each stage may lose
LOWEST_PROPOSAL = 0.1


def choose_thresholds(scores: Sequence[CaseScores]) -> tuple[Thresholds, tuple[OperatingPoint, ...]]:
    """The highest threshold of each stage that loses no more lesions than its share, and what it achieved there."""
    lesions = [lesion for case in scores for lesion in case.lesions]
    reached = {
        "triage": np.array([lesion.best_plane for lesion in lesions]),
        "propose": np.array([lesion.propose_peak for lesion in lesions]),
        "reduce": _best_logits(scores),
    }
    cut = {stage: _cut(values, MISSED_BY[stage]) for stage, values in reached.items()}
    cut["propose"] = max(cut["propose"], LOWEST_PROPOSAL)
    points = tuple(_point(stage, cut[stage], values) for stage, values in reached.items())
    return Thresholds(**cut), points


def fit_calibration(scores: Sequence[CaseScores]) -> Calibration:
    """Platt scaling of the reduction score over every candidate of the calibration set."""
    raw = 1 / (1 + np.exp(-np.concatenate([case.logits for case in scores])))
    return Calibration.fit(raw, [hit > 0 for case in scores for hit in case.hits])


def _best_logits(scores: Sequence[CaseScores]) -> FloatArray:
    """The best logit of each lesion that was proposed at all."""
    best = []
    for case in scores:
        for label in sorted({hit for hit in case.hits if hit}):
            best.append(max(logit for logit, hit in zip(case.logits, case.hits, strict=True) if hit == label))
    return np.array(best)


def _cut(values: FloatArray, missed: float) -> float:
    return float(np.quantile(values, missed, method="lower")) if values.size else 0.0


def _point(stage: str, threshold: float, values: FloatArray) -> OperatingPoint:
    kept = int((values >= threshold).sum())
    return OperatingPoint(stage, threshold, kept / max(1, values.size), clopper_pearson(kept, values.size), values.size)
