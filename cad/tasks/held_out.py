"""Held-out figures of a cascade from its stage scores: FROC, sensitivity by size and kind, what is discarded; intervals by patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cad.detect.cascade import Fusion, Thresholds
from cad.detect.triage import kept_planes
from cad.score.bootstrap import bootstrap
from cad.score.froc import FrocCurve, curve_of, summarise
from cad.score.match import ScanMatch
from cad.space import FloatArray
from cad.tasks.calibrating import fused_logits, shown_candidates, shown_lesions
from cad.tasks.figures import Figure, mean, share
from cad.tasks.looking import CaseScores, LesionScores

SIZES_MM = ((0.0, 6.0), (6.0, 8.0), (8.0, 15.0), (15.0, 30.0), (30.0, 1000.0))
FROC_FP = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
RESAMPLES = 1000


def cascade_figures(scores: Sequence[CaseScores], fusion: Fusion, thresholds: Thresholds) -> tuple[Figure, ...]:
    """At the shipped thresholds, patients, lesions, look-alikes, slices and normal scans; over all thresholds, the FROC."""
    normal = [case for case in scores if not case.lesions]
    sick = [case for case in scores if case.lesions]
    kept = sum(bool(shown_lesions(case, fusion, thresholds)) for case in sick)
    quiet = sum(not shown_candidates(case, fusion, thresholds).any() for case in normal)
    return (
        share("patients with a lesion kept", kept, len(sick), "patients with lesions"),
        _sensitivity("lesions shown (sensitivity)", scores, fusion, thresholds, lambda _: True),
        *_by_size(scores, fusion, thresholds),
        *_by_kind(scores, fusion, thresholds),
        mean("false positives shown a scan", [_false(case, fusion, thresholds) for case in scores], "scans"),
        share("normal scans with nothing shown", quiet, len(normal), "normal scans"),
        mean("share of slices discarded by triage", [_triaged(case, thresholds) for case in scores], "scans"),
        mean("share of slices with nothing shown", [_bare(case, fusion, thresholds) for case in scores], "scans"),
        *froc_figures([scan_match(case, fusion, thresholds) for case in scores]),
        *_without(scores, fusion, thresholds),
    )


def brief_figures(scores: Sequence[CaseScores], fusion: Fusion, thresholds: Thresholds) -> tuple[Figure, ...]:
    """What matters most of the same, for sets that are told side by side."""
    sick = [case for case in scores if case.lesions]
    kept = sum(bool(shown_lesions(case, fusion, thresholds)) for case in sick)
    return (
        share("patients with a lesion kept", kept, len(sick), "patients with lesions"),
        _sensitivity("lesions shown", scores, fusion, thresholds, lambda _: True),
        mean("false positives shown a scan", [_false(case, fusion, thresholds) for case in scores], "scans"),
        _cpm([scan_match(case, fusion, thresholds) for case in scores], "CPM"),
    )


def scan_match(case: CaseScores, fusion: Fusion, thresholds: Thresholds) -> ScanMatch:
    """The marks of triage and propose with their final logits: what a FROC is drawn from."""
    passed = (case.nearby >= thresholds.triage) & (case.proposed >= thresholds.propose)
    return _match(case, fused_logits(case, fusion), passed)


def _match(case: CaseScores, scores: FloatArray, passed: NDArray[np.bool_]) -> ScanMatch:
    values, hits = scores[passed], np.array(case.hits, dtype=int)[passed]
    best = tuple(float(values[hits == lesion.label].max()) if (hits == lesion.label).any() else None for lesion in case.lesions)
    return ScanMatch("", best, tuple(values[hits == 0].tolist()))


def _without(scores: Sequence[CaseScores], fusion: Fusion, thresholds: Thresholds) -> tuple[Figure, ...]:
    """What each stage is worth: the mean sensitivity with the stage left out, on the same scans."""
    first = replace(fusion, again=None)
    ways: tuple[tuple[str, Callable[[CaseScores], ScanMatch]], ...] = (
        ("proposals alone, no other stage", lambda case: _match(case, case.proposed, case.proposed >= thresholds.propose)),
        ("without triage", lambda case: _match(case, fused_logits(case, fusion), case.proposed >= thresholds.propose)),
        ("without the second look", lambda case: scan_match(case, first, thresholds)),
    )
    return tuple(_cpm([match(case) for case in scores], f"CPM, {name}") for name, match in ways)


def froc_figures(matches: Sequence[ScanMatch]) -> tuple[Figure, ...]:
    """CPM and the sensitivities it is the mean of."""
    lesions = sum(len(match.lesions) for match in matches)
    if not lesions:
        return (_cpm(matches, "CPM"),)
    curve = curve_of(matches)
    points = [_froc_point(matches, curve, fp, lesions) for fp in FROC_FP]
    return (_cpm(matches, "CPM (mean sensitivity at 1/8 to 8 false positives a scan)"), *points)


def _cpm(matches: Sequence[ScanMatch], name: str) -> Figure:
    lesions = sum(len(match.lesions) for match in matches)
    if not lesions:
        return Figure(name, None, None, 0, "lesions")
    result = summarise(matches, 0, resamples=RESAMPLES)
    return Figure(name, result.cpm, result.cpm_interval, lesions, "lesions")


def _froc_point(matches: Sequence[ScanMatch], curve: FrocCurve, fp: float, lesions: int) -> Figure:
    def at(drawn: Sequence[ScanMatch]) -> float:
        return curve_of(drawn).at(fp) if any(match.lesions for match in drawn) else float("nan")

    interval = bootstrap(at, matches, resamples=RESAMPLES)
    return Figure(f"sensitivity at {fp:g} false positives a scan", curve.at(fp), interval, lesions, "lesions")


def _sensitivity(
    name: str, scores: Sequence[CaseScores], fusion: Fusion, thresholds: Thresholds, wanted: Callable[[LesionScores], bool]
) -> Figure:
    """Share of the wanted lesions that are shown; the interval draws patients."""
    groups = [
        [lesion.label in shown for lesion in case.lesions if wanted(lesion)]
        for case in scores
        for shown in [shown_lesions(case, fusion, thresholds)]
    ]
    found = [hit for group in groups for hit in group]
    if not found:
        return Figure(name, None, None, 0, "lesions")
    sick = [group for group in groups if group]
    interval = bootstrap(lambda drawn: float(np.mean([hit for group in drawn for hit in group])), sick)
    return Figure(name, float(np.mean(found)), interval, len(found), "lesions")


def _by_size(scores: Sequence[CaseScores], fusion: Fusion, thresholds: Thresholds) -> tuple[Figure, ...]:
    def named(low: float, high: float) -> str:
        return (
            f"lesions of {low:g} to {high:g} mm shown"
            if low and high < 1000
            else f"lesions under {high:g} mm shown"
            if not low
            else f"lesions of {low:g} mm and more shown"
        )

    return tuple(
        _sensitivity(named(low, high), scores, fusion, thresholds, lambda lesion, low=low, high=high: low <= lesion.diameter_mm < high)  # type: ignore[misc]
        for low, high in SIZES_MM
    )


def _by_kind(scores: Sequence[CaseScores], fusion: Fusion, thresholds: Thresholds) -> tuple[Figure, ...]:
    kinds = sorted({lesion.kind for case in scores for lesion in case.lesions})
    return tuple(
        _sensitivity(f"{kind.replace('_', ' ')} lesions shown", scores, fusion, thresholds, lambda lesion, kind=kind: lesion.kind == kind)  # type: ignore[misc]
        for kind in kinds
    )


def _false(case: CaseScores, fusion: Fusion, thresholds: Thresholds) -> float:
    return float((shown_candidates(case, fusion, thresholds) & (np.array(case.hits) == 0)).sum())


def _triaged(case: CaseScores, thresholds: Thresholds) -> float:
    """Share of source slices that triage alone discards."""
    return 1 - float(case.crossed[:, kept_planes(case.planes, thresholds.triage)].any(axis=1).mean())


def _bare(case: CaseScores, fusion: Fusion, thresholds: Thresholds) -> float:
    """Share of source slices on which the whole cascade shows nothing."""
    planes = np.zeros(case.crossed.shape[1], dtype=bool)
    for first, last in case.spans[shown_candidates(case, fusion, thresholds)]:
        planes[first : last + 1] = True
    return 1 - float(case.crossed[:, planes].any(axis=1).mean())
