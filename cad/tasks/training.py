"""From a recipe to a model file with its card: make data, train, calibrate, write, measure on what was held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version as installed_version
from pathlib import Path

import numpy as np
import torch

from cad.detect.cascade import Fusion, Thresholds
from cad.explain.confidence import Calibration
from cad.explain.features import Features, scan_features
from cad.explain.novelty import NoveltyReference
from cad.measure.aorta import measure_aorta
from cad.model import OperatingPoint
from cad.networks import LoadedModel, ModelHeader, load, save
from cad.prepare.inputs import InputRule
from cad.tasks.aorta_ct import TASK as AORTA
from cad.tasks.aorta_ct import AortaSettings, lowest_lung_mm, outline_aorta
from cad.tasks.aorta_error import Calibrated, fit_outline_error
from cad.tasks.assuring import assured
from cad.tasks.calibrating import choose_thresholds, fit_fusion
from cad.tasks.card import model_card
from cad.tasks.cascade_task import CascadeSettings
from cad.tasks.evaluating import detection_figures, dice, structure_figures
from cad.tasks.figures import Figure
from cad.tasks.looking import score_cases
from cad.tasks.task import Task
from cad.train.cascade import MINING_THRESHOLD, Trained, train_cascade
from cad.train.checkpoints import Checkpoints
from cad.train.dataset import TrainingCase, fingerprint, load_cases, make_cases
from cad.train.recipe import Recipe
from cad.train.structure import train_structure

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The model file (its card beside it), what went in and what came out, for the model index."""

    file: Path
    params: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Parts:
    """The three disjoint sets of cached cases."""

    train: tuple[Path, ...]
    calibration: tuple[Path, ...]
    test: tuple[Path, ...]


def train_detection(recipe: Recipe, task: Task, folder: Path, say: Say) -> TrainedModel:
    """Train, calibrate and measure a cascade; writes `<task>-<version>.safetensors` and `.card.md` into `folder`."""
    parts = _parts(recipe, folder, say)
    stages = Checkpoints(folder / "stages", f"{recipe.identity()} {fingerprint(parts.train)}")
    trained = train_cascade(recipe, parts.train, stages, say)
    novelty = _novelty(parts, recipe.rule, trained.networks["reduce"])
    raw = CascadeSettings(recipe.rule, Thresholds(0.0, MINING_THRESHOLD, -100.0), Fusion(), Calibration(), novelty)
    draft = _loaded(recipe, parts, trained, raw.to_dict(), folder)
    scores = score_cases(parts.calibration, recipe.rule, draft, MINING_THRESHOLD, say)
    fusion = fit_fusion(scores)
    thresholds, points = choose_thresholds(scores, fusion)
    settings = assured(replace(raw, thresholds=thresholds, fusion=fusion), recipe.task, scores, parts.train, draft)
    model = _loaded(recipe, parts, trained, settings.to_dict(), folder, points)
    figures = detection_figures(task, model, parts.test, say)
    return _finished(recipe, model, folder, figures, trained)


def train_aorta(recipe: Recipe, folder: Path, say: Say) -> TrainedModel:
    """Train the aorta's outline, learn its diameter error on the calibration set, measure on what was held out."""
    parts = _parts(recipe, folder, say)
    trained = train_structure(recipe, parts.train, say)
    blank = AortaSettings(recipe.rule, _novelty(parts, recipe.rule), 0.0, 0.0, 0.0)
    draft = _loaded(recipe, parts, trained, blank.to_dict(), folder)
    settings = replace(blank, error=fit_outline_error(calibration_scans(parts.calibration, draft, say)))
    model = _loaded(recipe, parts, trained, settings.to_dict(), folder)
    held_out = [_held_out(case, model, settings) for case in load_cases(parts.test)]
    return _finished(recipe, model, folder, structure_figures(held_out), trained)


def calibration_scans(paths: Sequence[Path], model: LoadedModel, say: Say) -> tuple[Calibrated, ...]:
    """Cached cases as the network outlines them, each beside its truth."""
    found = []
    for number, case in enumerate(load_cases(paths), start=1):
        soft, low = outline_aorta(case.seen, model), lowest_lung_mm(case.seen)
        found.append(Calibrated(soft, case.source_labels, case.source, float(case.truth["aorta_max_mm"]), low))
        say(f"{AORTA.name}: outlined scan {number} of {len(paths)}")
    return tuple(found)


def _held_out(case: TrainingCase, model: LoadedModel, settings: AortaSettings) -> tuple[float | None, float, float, bool]:
    """(largest diameter measured in mm or None, true, Dice of the outline, its interval holds the truth) of a case."""
    soft, true = outline_aorta(case.seen, model), float(case.truth["aorta_max_mm"])
    measured = measure_aorta(soft, diaphragm_z_mm=lowest_lung_mm(case.seen), error=settings.error, image=case.source)
    widest = next(m for m in measured.measurements if m.name == "aorta_max")
    held = widest.interval is not None and widest.interval[0] <= true <= widest.interval[1]
    return widest.value, true, dice(soft.voxels >= 0.5, case.labels.voxels > 0), held


def _parts(recipe: Recipe, folder: Path, say: Say) -> _Parts:
    cache = folder / "data"
    return _Parts(*(make_cases(recipe, part, cache, say) for part in ("train", "calibration", "test")))


def _novelty(parts: _Parts, rule: InputRule, reducer: torch.nn.Module | None = None) -> NoveltyReference:
    """The training data as the networks see it, and levels from the calibration scans, which no network has seen."""
    network = reducer.eval() if reducer is not None else None

    def features(paths: Sequence[Path]) -> list[Features]:
        return [scan_features(case.source, case.seen, rule, network) for case in load_cases(paths)]

    return NoveltyReference.fit(features(parts.train), features(parts.calibration))


def _loaded(
    recipe: Recipe,
    parts: _Parts,
    trained: Trained,
    settings: dict[str, object],
    folder: Path,
    points: tuple[OperatingPoint, ...] = (),
) -> LoadedModel:
    """The networks as they will be used: written, then loaded again with their digest."""
    header = ModelHeader(
        task=recipe.task,
        version=recipe.version,
        data_fingerprint=fingerprint(parts.train),
        code_version=code_version(),
        stages=dict(recipe.networks),
        settings=settings,
        operating_points=points,
    )
    path = _file(recipe, folder)
    return load(path, save(path, header, trained.networks))


def code_version() -> str:
    """The installed version of Shoken and of PyTorch: what a retrain needs to come out the same."""
    return f"shoken {installed_version('shoken')}, torch {torch.__version__}"


def _finished(recipe: Recipe, model: LoadedModel, folder: Path, figures: Sequence[Figure], trained: Trained) -> TrainedModel:
    path = _file(recipe, folder)
    path.with_suffix(".card.md").write_text(model_card(model.header, model.version.sha256, recipe, figures), encoding="utf-8")
    params = {"seed": str(recipe.seed), "budget": str(asdict(recipe.budget)), "rule": str(asdict(recipe.rule))}
    losses = {f"final_loss.{stage}": float(np.mean(curve[-25:])) for stage, curve in trained.losses.items()}
    return TrainedModel(path, params, losses | {_metric(f.name): f.value for f in figures if f.value is not None})


def _metric(name: str) -> str:
    """A figure's name as MLflow accepts it."""
    return "".join(letter if letter.isalnum() or letter in " _-./" else "" for letter in name).strip()


def _file(recipe: Recipe, folder: Path) -> Path:
    return folder / f"{recipe.task}-{recipe.version}.safetensors"
