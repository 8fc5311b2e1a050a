"""How sure it is that the whole cascade keeps a patient: a certificate from scans that chose nothing.

A patient with lesions survives when at least one of them is shown; lesions of one patient are not independent, patients
are. With the thresholds fixed beforehand, the misses among n patients are binomial, and the exact one-sided bound
(Clopper-Pearson) holds with 95 % confidence: 299 patients without a miss give 99 %. Looser and stricter last thresholds
are certified by fixed-sequence testing (Angelopoulos et al., Learn then Test, 2021): from the most lenient on, each is
tested at 5 % until one fails, so that the chosen one is wrong at most one time in twenty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cad.detect.cascade import Fusion, Thresholds
from cad.score.proportion import lower_bound
from cad.tasks.calibrating import fused_logits, shown_candidates, shown_lesions
from cad.tasks.certificate import CONFIDENCE, Certificate, Level
from cad.tasks.looking import CaseScores

TARGETS = (0.99, 0.98, 0.95, 0.9, 0.8, 0.7)


def certify(scores: Sequence[CaseScores], fusion: Fusion, thresholds: Thresholds, data_fingerprint: str) -> Certificate | None:
    """The certificate of these thresholds; None without a patient who has a lesion."""
    patients = [case for case in scores if case.lesions]
    if not patients:
        return None
    misses = _misses(patients, fusion, thresholds)
    quiet, normals, false = _cost(scores, fusion, thresholds)
    return Certificate(
        patients=len(patients),
        misses=misses,
        bound=lower_bound(len(patients) - misses, len(patients), CONFIDENCE),
        threshold=thresholds.reduce,
        normals_quiet=quiet,
        normals=normals,
        false_per_scan=false,
        data_fingerprint=data_fingerprint,
        levels=tuple(level_of(target, scores, fusion, thresholds) for target in TARGETS),
    )


def level_of(target: float, scores: Sequence[CaseScores], fusion: Fusion, thresholds: Thresholds) -> Level:
    """Fixed-sequence testing from the most lenient threshold on; misses only grow on the way, so the last that passes is found by count."""
    patients = [case for case in scores if case.lesions]
    survival = np.sort([_survival(case, fusion, thresholds) for case in patients])
    allowed = max((m for m in range(len(patients)) if lower_bound(len(patients) - m, len(patients), CONFIDENCE) >= target), default=-1)
    if allowed < 0 or not np.isfinite(survival[allowed]):
        return Level(target, None, 0, 0, sum(not case.lesions for case in scores), 0.0)
    there = replace(thresholds, reduce=float(survival[allowed]))
    return Level(target, there.reduce, _misses(patients, fusion, there), *_cost(scores, fusion, there))


def _survival(case: CaseScores, fusion: Fusion, thresholds: Thresholds) -> float:
    """The highest last threshold at which the patient survives; minus infinity for one whom an earlier stage loses."""
    reached = shown_candidates(case, fusion, replace(thresholds, reduce=-np.inf)) & (np.array(case.hits) > 0)
    return float(fused_logits(case, fusion)[reached].max()) if reached.any() else -np.inf


def _misses(patients: Sequence[CaseScores], fusion: Fusion, thresholds: Thresholds) -> int:
    return sum(not shown_lesions(case, fusion, thresholds) for case in patients)


def _cost(scores: Sequence[CaseScores], fusion: Fusion, thresholds: Thresholds) -> tuple[int, int, float]:
    """Normal scans that show nothing, normal scans, look-alikes shown a scan."""
    shown = [shown_candidates(case, fusion, thresholds) for case in scores]
    quiet = [not here.any() for case, here in zip(scores, shown, strict=True) if not case.lesions]
    false = sum(int((here & (np.array(case.hits) == 0)).sum()) for case, here in zip(scores, shown, strict=True))
    return sum(quiet), len(quiet), false / len(scores)
