"""From cases with a known truth to an index of similar cases: what a reader would have been shown, and what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cad.detect.cascade import suspects_from
from cad.detect.propose import candidates
from cad.explain.similar import KnownCase, SimilarIndex, finding_features
from cad.finding import Measurement
from cad.networks import LoadedModel
from cad.tasks.cascade_task import CascadeSettings, CascadeTask
from cad.train.dataset import TrainingCase, load_cases
from cad.train.mining import lesion_at, whole_map

SIMULATED = "simulated"


def index_cases(task: CascadeTask, model: LoadedModel, paths: Sequence[Path], say: Callable[[str], None]) -> SimilarIndex:
    """Every candidate of the cases that reaches the operating point, with its outcome by the truth. Raises ModelError for too few."""
    known: list[KnownCase] = []
    for number, case in enumerate(load_cases(paths), start=1):
        known += _known(task, model, case)
        say(f"{task.name}: case {number} of {len(paths)}, {len(known)} known findings")
    return SimilarIndex.of(task.name, model.version.sha256, known)


def _known(task: CascadeTask, model: LoadedModel, case: TrainingCase) -> Iterator[KnownCase]:
    settings = CascadeSettings.from_dict(model.settings)
    proposed = candidates(whole_map(case, model.forward("propose")), settings.thresholds.propose)
    for suspect in suspects_from(case.source, proposed, case.seen, settings.sight, model):
        if suspect.logit < settings.thresholds.reduce:
            continue
        _, measurements = task.look_closely(suspect, case.source, case.seen, settings.rule, model)
        features = finding_features(suspect.pixels, model.stage("reduce"), measurements)
        outcome = "lesion" if lesion_at(case, suspect.candidate.centre_mm) else "look_alike"
        yield KnownCase(features, outcome, SIMULATED, _value(measurements, "long_axis"), _label(measurements, "texture"))


def _value(measurements: Sequence[Measurement], name: str) -> float | None:
    return next((m.value for m in measurements if m.name == name), None)


def _label(measurements: Sequence[Measurement], name: str) -> str:
    return next((m.label for m in measurements if m.name == name), "")
