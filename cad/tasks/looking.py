"""A whole cascade over a set of known cases, stage scores kept: what calibration, certificate and held-out figures are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from cad.detect.cascade import Fusion, SecondFusion, Sight, Suspect, Thresholds, suspects_from, triage_channels
from cad.detect.propose import candidates
from cad.detect.triage import KEEP_AROUND, plane_scores, planes_of_slices
from cad.networks import LoadedModel, load
from cad.prepare.inputs import InputRule
from cad.simulate.phantom import LesionTruth
from cad.space import FloatArray
from cad.train.dataset import TrainingCase, load_case, mapped
from cad.train.mining import lesion_at, whole_map
from cad.volume import Volume

EVERYTHING = Fusion(again=SecondFusion(-np.inf, 0.0, 1.0, 0.0, 0.0))  # every candidate that may be looked at twice is
TINY = 1e-12

CLOSE_UPS = 6


@dataclass(frozen=True, slots=True, eq=False)
class LesionScores:
    """What each stage made of one lesion: best plane score, peak of the proposal map inside it, its diameter, kind and label."""

    best_plane: float
    propose_peak: float
    diameter_mm: float
    kind: str
    label: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class CaseScores:
    """Every stage's scores on one case, nothing discarded, one place in each array a candidate.

    `proposed` are proposal scores in [0, 1], `reduced` and `second` logits (NaN where nobody looked twice), `nearby` the
    best triage score around; `spans[n]` are the first and last plane of its box, `hits[n]` is the lesion label it lies
    on, or 0. `crossed` (source slices, planes) says which planes each slice passes through. `close_ups`
    are what the classifier saw of the CLOSE_UPS that it found most like a lesion, by place.
    """

    planes: NDArray[np.float32]
    lesions: tuple[LesionScores, ...]
    proposed: FloatArray
    reduced: FloatArray
    hits: tuple[int, ...]
    second: FloatArray
    nearby: FloatArray
    spans: NDArray[np.int_]
    crossed: NDArray[np.bool_]
    close_ups: Mapping[int, NDArray[np.float16]] = field(default_factory=dict)


def score_cases(
    paths: Sequence[Path],
    rule: InputRule,
    model: tuple[Path, str],
    threshold: float,
    progress: Callable[[str], None],
    workers: int = 1,
    sequences: tuple[str, ...] = (),
) -> tuple[CaseScores, ...]:
    """Run all stages of a model file (with its sha256) on all cases, proposals cut at `threshold` only.

    `sequences`: with these MR sequences alone, in place of those that each study was drawn with.
    """
    found = []
    for case in mapped(partial(_score_file, rule=rule, threshold=threshold, model=model, sequences=sequences), paths, workers):
        found.append(case)
        progress(f"scored case {len(found)} of {len(paths)}")
    return tuple(found)


@lru_cache(maxsize=1)
def _opened(path: Path, sha256: str) -> LoadedModel:
    """The model, read once a process."""
    return load(path, sha256)


def _score_file(path: Path, rule: InputRule, threshold: float, model: tuple[Path, str], sequences: tuple[str, ...]) -> CaseScores:
    case = load_case(path)
    return score_case(case.shown_with(sequences, rule) if sequences else case, rule, _opened(*model), threshold)


def score_case(case: TrainingCase, rule: InputRule, model: LoadedModel, threshold: float) -> CaseScores:
    """One case through all stages, nothing discarded."""
    planes = plane_scores(case.seen, model.forward("triage"), triage_channels(model))
    heat = whole_map(case, model.forward("propose"))
    sight = Sight(rule, Thresholds(0.0, threshold, 0.0), EVERYTHING if "second" in model.header.stages else Fusion())
    suspects = suspects_from(case.source, candidates(heat, threshold), case.seen, sight, model)
    spans = np.array([_span(case, suspect) for suspect in suspects], dtype=int).reshape(-1, 2)
    return CaseScores(
        planes=planes,
        lesions=tuple(_lesion(case, lesion, planes, heat) for lesion in case.lesions),
        proposed=np.array([s.candidate.score("propose") for s in suspects], dtype=np.float64),
        reduced=_logits([s.candidate.score("reduce") for s in suspects]),
        hits=tuple(lesion_at(case, s.candidate.centre_mm) for s in suspects),
        second=_logits([s.candidate.score("second") for s in suspects]),
        nearby=np.array([_around(case, planes, s) for s in suspects]),
        spans=spans,
        crossed=planes_of_slices(case.source, case.seen),
        close_ups={n: np.asarray(suspects[n].pixels, dtype=np.float16) for n in _most_like(suspects)},
    )


def _most_like(suspects: Sequence[Suspect]) -> list[int]:
    return sorted(range(len(suspects)), key=lambda n: -suspects[n].logit)[:CLOSE_UPS]


def _logits(scores: Sequence[float | None]) -> FloatArray:
    values = np.array([np.nan if score is None else score for score in scores], dtype=np.float64)
    return np.asarray(logit(np.clip(values, TINY, 1 - TINY)))


def _span(case: TrainingCase, suspect: Suspect) -> tuple[int, int]:
    """First and last plane of the crop that the candidate's box touches."""
    box, grid = suspect.candidate.box_mm, case.seen.image.grid
    low, high = (float(grid.to_index(corner)[0]) for corner in (box.low_mm, box.high_mm))
    return max(0, int(np.ceil(low))), min(grid.shape[0] - 1, int(np.floor(high)))


def _around(case: TrainingCase, planes: NDArray[np.float32], suspect: Suspect) -> float:
    """The best triage score near enough to keep the candidate's plane."""
    k = int(np.clip(np.rint(case.seen.image.grid.to_index(suspect.candidate.centre_mm)[0]), 0, len(planes) - 1))
    return float(planes[max(0, k - KEEP_AROUND) : k + KEEP_AROUND + 1].max())


def _lesion(case: TrainingCase, truth: LesionTruth, planes: NDArray[np.float32], heat: Volume) -> LesionScores:
    """The lesion's best plane within its labels, and the map's peak within its radius."""
    grid = case.seen.image.grid
    k, reach = grid.to_index(truth.centre_mm)[0], truth.diameter_mm / 2 / grid.spacing_mm[0]
    first, last = (int(np.clip(np.rint(k + side * reach), 0, len(planes) - 1)) for side in (-1, 1))
    away = [np.arange(size) for size in heat.grid.shape]
    middle, cell = heat.grid.to_index(truth.centre_mm), np.asarray(heat.grid.spacing_mm)
    z, y, x = np.ix_(*(((a - m) * mm) ** 2 for a, m, mm in zip(away, middle, cell, strict=True)))
    near = np.asarray(heat.voxels)[z + y + x <= max(truth.diameter_mm / 2, float(cell.max())) ** 2]
    peak = float(near.max()) if near.size else 0.0
    return LesionScores(float(planes[first : last + 1].max()), peak, truth.diameter_mm, truth.kind, truth.label)
