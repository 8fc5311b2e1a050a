"""From stage scores on the tuning scans to fusion, thresholds and operating points. What they are worth: cad.tasks.certifying."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from cad.detect.cascade import LEAST_SCORE, Fusion, SecondFusion, Thresholds
from cad.model import OperatingPoint
from cad.score.proportion import clopper_pearson
from cad.space import FloatArray
from cad.tasks.looking import CaseScores

MISSED_BY = {"triage": 0.05, "propose": 0.02, "reduce": 0.04}  # the share of the marked lesions which a stage may lose
LOWEST_PROPOSAL = 0.05
MOST_FALSE = 2.0
SECOND_MISSED = 0.005
LEAST_SECOND = 10  # lesions looked at twice, below which the second look is not weighed


def fit_fusion(scores: Sequence[CaseScores]) -> Fusion:
    """Logistic regression of "lies on a lesion" on the logits of the first look, then of both; no stage counts against a lesion.

    A candidate is looked at again unless the first look rules it out: its logit lies below nearly all lesions'.
    """
    truth = np.array([hit > 0 for case in scores for hit in case.hits])
    if truth.all() or not truth.any():
        return Fusion()
    proposed, reduced, second = (np.concatenate([_evidence(case)[n] for case in scores]) for n in range(3))
    weights = _weights([proposed, reduced], truth)
    first = Fusion(weights[0], weights[1], weights[2])
    fused = first.propose * proposed + first.reduce * reduced + first.intercept
    looks_from = float(np.quantile(fused[truth], SECOND_MISSED, method="lower"))
    chosen = np.isfinite(second) & (fused >= looks_from)
    if (truth & chosen).sum() < LEAST_SECOND or truth[chosen].all():
        return first
    propose, reduce, look, intercept = _weights([part[chosen] for part in (proposed, reduced, second)], truth[chosen])
    return Fusion(first.propose, first.reduce, first.intercept, SecondFusion(looks_from, propose, reduce, look, intercept))


def choose_thresholds(scores: Sequence[CaseScores], fusion: Fusion) -> tuple[Thresholds, tuple[OperatingPoint, ...]]:
    """Every stage may lose a share of the lesions that propose marks when nothing is discarded.

    Triage is thus held to the whole cascade: it need not keep the planes of a lesion that no later stage would find. A reader
    is shown few candidates: where the last stage's share would let more than MOST_FALSE look-alikes a scan through, its
    threshold rises, and the operating point says how many lesions that costs.
    """
    marked = [(case, n) for case in scores for n in _best(case, fusion)]
    best = np.array([fused_logits(case, fusion)[n] for case, n in marked])
    reduce = max(_cut(best, MISSED_BY["reduce"]), _quiet_enough(scores, fusion))
    reached = {
        "triage": np.array([case.nearby[n] for case, n in marked]),
        "propose": np.array([case.proposed[n] for case, n in marked]),
    }
    cut = {stage: _cut(values, MISSED_BY[stage]) for stage, values in reached.items()}
    cut["propose"] = max(cut["propose"], LOWEST_PROPOSAL)
    thresholds = Thresholds(cut["triage"], cut["propose"], reduce)
    lesions = sum(len(case.lesions) for case in scores)
    found = sum(len(shown_lesions(case, fusion, thresholds)) for case in scores)
    stages = tuple(_point(stage, cut[stage], int((values >= cut[stage]).sum()), values.size) for stage, values in reached.items())
    return thresholds, (*stages, _point("reduce", reduce, found, lesions))


def fused_logits(case: CaseScores, fusion: Fusion) -> FloatArray:
    """The fused logit of every candidate of a case."""
    looks = zip(case.proposed, case.reduced, case.second, strict=True)
    return np.array([fusion.logit(p, r, float(s) if np.isfinite(s) else None) for p, r, s in looks])


def shown_candidates(case: CaseScores, fusion: Fusion, thresholds: Thresholds) -> NDArray[np.bool_]:
    """Which candidates the whole cascade would show at these thresholds."""
    passed = (case.nearby >= thresholds.triage) & (case.proposed >= thresholds.propose)
    return np.asarray(passed & (fused_logits(case, fusion) >= thresholds.reduce))


def shown_lesions(case: CaseScores, fusion: Fusion, thresholds: Thresholds) -> frozenset[int]:
    """The labels of the lesions that the whole cascade would show."""
    shown = shown_candidates(case, fusion, thresholds)
    return frozenset(hit for hit, here in zip(case.hits, shown, strict=True) if hit and here)


def _evidence(case: CaseScores) -> tuple[FloatArray, FloatArray, FloatArray]:
    return np.asarray(logit(np.clip(case.proposed, LEAST_SCORE, 1 - LEAST_SCORE))), case.reduced, case.second


def _weights(evidence: Sequence[FloatArray], truth: NDArray[np.bool_]) -> tuple[float, ...]:
    """Weights (none below zero, the last look's at least 0.01) and the intercept that then fits."""
    fitted = LogisticRegression().fit(np.column_stack(evidence), truth)
    return (*(max(0.0, float(w)) for w in fitted.coef_[0][:-1]), max(0.01, float(fitted.coef_[0][-1])), float(fitted.intercept_[0]))


def _quiet_enough(scores: Sequence[CaseScores], fusion: Fusion) -> float:
    """The fused logit that MOST_FALSE look-alikes a scan exceed."""
    false = [x for case in scores for x, hit in zip(fused_logits(case, fusion), case.hits, strict=True) if not hit]
    allowed = int(MOST_FALSE * len(scores))
    if len(false) > allowed:
        return float(np.nextafter(np.sort(false)[::-1][allowed], np.inf))
    return -np.inf


def _best(case: CaseScores, fusion: Fusion) -> list[int]:
    """The number of each lesion's best candidate."""
    logits, hits = fused_logits(case, fusion), np.array(case.hits)
    return [int(max(np.flatnonzero(hits == label), key=lambda n: logits[n])) for label in sorted({hit for hit in case.hits if hit})]


def _cut(values: FloatArray, missed: float) -> float:
    return float(np.quantile(values, missed, method="lower")) if values.size else 0.0


def _point(stage: str, threshold: float, kept: int, n: int) -> OperatingPoint:
    return OperatingPoint(stage, threshold, kept / max(1, n), clopper_pearson(kept, n) if n else (0.0, 1.0), n)
