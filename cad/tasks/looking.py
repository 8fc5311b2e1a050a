"""A whole cascade over a set of known cases, stage scores kept: what calibration and held-out figures are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad.detect.cascade import Sight, Suspect, Thresholds, suspects_from
from cad.detect.propose import candidates
from cad.detect.triage import plane_scores
from cad.networks import LoadedModel
from cad.prepare.inputs import InputRule
from cad.simulate.phantom import LesionTruth
from cad.space import FloatArray
from cad.train.cascade import lesion_at, whole_map
from cad.train.dataset import TrainingCase, load_cases

CLOSE_UPS = 6


@dataclass(frozen=True, slots=True, eq=False)
class LesionScores:
    """What each stage made of one lesion: best plane score, peak of the proposal map inside it, its diameter and kind."""

    best_plane: float
    propose_peak: float
    diameter_mm: float
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class CaseScores:
    """Every stage's scores on one case, nothing discarded, one place in each array a candidate.

    `proposed` are proposal scores in [0, 1], `reduced` reduction logits; `hits[n]` is the lesion label it lies on, or 0.
    `close_ups` are what the classifier saw of the CLOSE_UPS that it found most like a lesion, by place.
    """

    planes: NDArray[np.float32]
    lesions: tuple[LesionScores, ...]
    proposed: FloatArray
    reduced: FloatArray
    hits: tuple[int, ...]
    close_ups: Mapping[int, NDArray[np.float16]] = field(default_factory=dict)


def score_cases(
    paths: Sequence[Path], rule: InputRule, model: LoadedModel, threshold: float, progress: Callable[[str], None]
) -> tuple[CaseScores, ...]:
    """Run all stages on all cases, proposals cut at `threshold` only."""
    found = []
    for number, case in enumerate(load_cases(paths), start=1):
        found.append(_score(case, rule, model, threshold))
        progress(f"scored case {number} of {len(paths)}")
    return tuple(found)


def _score(case: TrainingCase, rule: InputRule, model: LoadedModel, threshold: float) -> CaseScores:
    planes = plane_scores(case.seen, model.forward("triage"))
    heat = whole_map(case, model.forward("propose"))
    sight = Sight(rule, Thresholds(0.0, threshold, 0.0))
    suspects = suspects_from(case.source, candidates(heat, case.seen.image.grid, threshold), case.seen, sight, model)
    return CaseScores(
        planes=planes,
        lesions=tuple(_lesion(case, lesion, planes, heat) for lesion in case.lesions),
        proposed=np.array([s.candidate.score("propose") for s in suspects], dtype=np.float64),
        reduced=np.array([s.logit for s in suspects]),
        hits=tuple(lesion_at(case, s.candidate.centre_mm) for s in suspects),
        close_ups={n: np.asarray(suspects[n].patch.voxels, dtype=np.float16) for n in _most_like(suspects)},
    )


def _most_like(suspects: Sequence[Suspect]) -> list[int]:
    return sorted(range(len(suspects)), key=lambda n: -suspects[n].logit)[:CLOSE_UPS]


def _lesion(case: TrainingCase, truth: LesionTruth, planes: NDArray[np.float32], heat: NDArray[np.float32]) -> LesionScores:
    inside = np.asarray(case.labels.voxels) == truth.label
    if not inside.any():
        centre = np.rint(case.seen.image.grid.to_index(truth.centre_mm)).astype(int)
        inside[tuple(np.clip(centre, 0, np.asarray(inside.shape) - 1))] = True
    return LesionScores(float(planes[inside.any(axis=(1, 2))].max()), float(heat[inside].max()), truth.diameter_mm, truth.kind)
