"""What a model file says of how far it can be believed: confidences, verdicts, stability, heat maps, each with its figures.

All of it is learnt on the calibration set, from candidates that would be shown, since nothing else ever gets a confidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from cad.detect.cascade import Fusion
from cad.explain.calibrators import FOLDS, Chosen, choose
from cad.explain.confidence import Calibration
from cad.explain.conformal import fit_verdicts
from cad.explain.features import named, pooled_features
from cad.explain.sanity import check_maps
from cad.explain.stability import Probe, StabilityReference, probe
from cad.networks import LoadedModel
from cad.report import Reliability
from cad.score.calibration import calibration
from cad.space import FloatArray
from cad.tasks.calibrating import fused_logits
from cad.tasks.cascade_task import CascadeSettings
from cad.tasks.looking import CaseScores
from cad.train.dataset import load_cases

MAPS = 24


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """Candidates one after another: fused logit, whether on a lesion, number of the scan."""

    logits: FloatArray
    truths: NDArray[np.bool_]
    groups: NDArray[np.int_]

    def above(self, cut: float) -> _Pool:
        """Those at or above a fused logit."""
        kept = self.logits >= cut
        return _Pool(self.logits[kept], self.truths[kept], self.groups[kept])

    @property
    def scans(self) -> int:
        """The scans of the class that fewer hold."""
        return min(len(set(self.groups[self.truths])), len(set(self.groups[~self.truths])))


def assured(
    settings: CascadeSettings, task: str, scores: Sequence[CaseScores], training: Sequence[Path], model: LoadedModel
) -> CascadeSettings:
    """The settings with everything that the calibration set (`scores`) and the training scans teach about trust."""
    known, reliability = confidence(task, scores, settings.fusion, settings.thresholds.reduce)
    shown = _pool(scores, settings.fusion).above(settings.thresholds.reduce)
    return replace(
        settings,
        calibration=known,
        reliability=reliability,
        verdicts=fit_verdicts(shown.logits, shown.truths, shown.groups.tolist()),
        stability=_stability(settings, scores, training, model),
        maps=check_maps(model.stage("reduce"), list(_lesions(scores))[:MAPS]),
    )


def confidence(task: str, scores: Sequence[CaseScores], fusion: Fusion, cut: float) -> tuple[Calibration, Reliability | None]:
    """The calibration and how well it holds, from candidates that reach `cut`; None where they are all of one class.

    Where they are too few to compare methods, the curve is learnt on all candidates; a set of one class gives its share.
    """
    everything = _pool(scores, fusion)
    shown = everything.above(cut)
    pool = shown if shown.scans >= FOLDS else everything
    if not pool.scans:
        return _counted(_share(everything), scores), None
    chosen = choose(expit(pool.logits), pool.truths, pool.groups.tolist())
    known = _counted(chosen.calibration, scores)
    return known, _reliability(task, pool, known, chosen)


def _pool(scores: Sequence[CaseScores], fusion: Fusion) -> _Pool:
    return _Pool(
        np.concatenate([np.zeros(0), *(fused_logits(case, fusion) for case in scores)]),
        np.array([hit > 0 for case in scores for hit in case.hits], dtype=bool),
        np.repeat(np.arange(len(scores)), [len(case.hits) for case in scores]),
    )


def _share(pool: _Pool) -> Calibration:
    """One class only: the rule of succession, whatever the score."""
    hits, n = int(pool.truths.sum()), len(pool.truths)
    return Calibration(0.0, float(logit((hits + 1) / (n + 2))), hits, n - hits, "constant")


def _counted(found: Calibration, scores: Sequence[CaseScores]) -> Calibration:
    return replace(found, scans=len(scores), scans_with_lesion=sum(bool(case.lesions) for case in scores))


def _reliability(task: str, pool: _Pool, known: Calibration, chosen: Chosen) -> Reliability:
    groups = [str(g) for g in pool.groups]
    after = calibration(chosen.left_out, pool.truths, groups)
    before = calibration(expit(pool.logits), pool.truths, groups, resamples=1)
    return Reliability(
        task=task,
        method=known.method,
        candidates=len(pool.truths),
        lesions=int(pool.truths.sum()),
        scans=known.scans,
        scans_with_lesion=known.scans_with_lesion,
        brier=after.brier,
        brier_interval=after.brier_interval,
        ece=after.ece,
        ece_interval=after.ece_interval,
        raw_brier=before.brier,
        raw_ece=before.ece,
        curve=tuple((b.confidence, b.observed, *b.interval, b.n) for b in after.bins),
        losses=chosen.losses,
    )


def _stability(settings: CascadeSettings, scores: Sequence[CaseScores], training: Sequence[Path], model: LoadedModel) -> StabilityReference:
    """Findings of the calibration set under test, beside every lesion that the network was trained on."""
    reducer, probes, groups = model.stage("reduce"), list[Probe](), list[int]()
    for number, case in enumerate(scores):
        logits = fused_logits(case, settings.fusion)
        for n, patch in case.close_ups.items():
            if logits[n] >= settings.thresholds.reduce:
                probes.append(probe(np.asarray(patch, dtype=np.float32), reducer))
                groups.append(number)
    taught = [named(features) for patches in _taught(settings, training) for features in pooled_features(patches, reducer)[0]]
    return StabilityReference.fit(taught, probes, groups)


def _taught(settings: CascadeSettings, training: Sequence[Path]) -> Iterator[NDArray[np.float32]]:
    """Close-ups (n, channels, d, h, w) of each training scan's lesions."""
    rule = settings.rule
    for case in load_cases(training):
        cuts = [case.seen.closely(case.source, lesion.centre_mm, rule.patch_voxels, rule)[1] for lesion in case.lesions]
        if cuts:
            yield np.stack(cuts)


def _lesions(scores: Sequence[CaseScores]) -> Iterator[NDArray[np.float32]]:
    return (np.asarray(patch, dtype=np.float32) for case in scores for n, patch in case.close_ups.items() if case.hits[n])
