"""From a recipe to a model file with its card: make data, train, calibrate, write, measure on what was held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path

import numpy as np
import torch

from cad.datasets.training_coverage import write_training_coverage
from cad.detect.cascade import Fusion, Thresholds
from cad.explain.confidence import Calibration
from cad.explain.features import Features, scan_features
from cad.explain.novelty import NoveltyReference
from cad.model import OperatingPoint
from cad.networks import LoadedModel, ModelHeader, load, save
from cad.prepare.inputs import InputRule
from cad.tasks.aorta_ct import AortaSettings
from cad.tasks.assuring import assured
from cad.tasks.by_sequences import MOST, sequence_figures
from cad.tasks.calibrating import choose_thresholds, fit_fusion
from cad.tasks.card import model_card
from cad.tasks.cascade_task import CascadeSettings
from cad.tasks.certifying import certify
from cad.tasks.evaluating import detection_figures
from cad.tasks.figures import Figure
from cad.tasks.held_out import cascade_figures
from cad.tasks.looking import score_cases
from cad.tasks.task import Task
from cad.tasks.training_aorta import aorta_figures, calibrated, calibration_scans, held_out, train_networks
from cad.tasks.validating import watches
from cad.train.aligning import learned_landmarks
from cad.train.cascade import Trained, train_cascade
from cad.train.checkpoints import Checkpoints
from cad.train.dataset import fingerprint, load_case, make_cases, mapped
from cad.train.mining import MINING_THRESHOLD
from cad.train.recipe import Recipe
from cad.train.scanners import learned_scanners
from cad.train.transfer import NOTHING, Start

Say = Callable[[str], None]
CURVE_STEPS = 25
NOVELTY_SCANS = 100  # more calibration scans than these do not move the levels, and each costs a second


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The model file (its card beside it), what went in and what came out, for the model index; `curves` are (step, value)."""

    file: Path
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    curves: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The three disjoint sets of cached cases."""

    train: tuple[Path, ...]
    calibration: tuple[Path, ...]
    test: tuple[Path, ...]


def train_detection(recipe: Recipe, task: Task, folder: Path, say: Say, start: Start = NOTHING) -> TrainedModel:
    """Train, calibrate, certify and measure a cascade; writes `<task>-<version>.safetensors` and `.card.md` into `folder`.

    Data, finished stages and steps of an unfinished one stay in `folder`: a training that was killed goes on to the same file.
    """
    recipe = start.seeded(recipe)
    parts = _parts(recipe, folder, say)
    budget = recipe.budget
    learned, watched = _apart(parts.train, len(parts.train) - min(budget.validation, len(parts.train) // 5))
    lacking = write_training_coverage(learned, folder)["lacking"] if recipe.rule.region == "lungs" else None
    stages = Checkpoints(folder / "stages", f"{recipe.identity()} {start.identity} {fingerprint(parts.train)}")
    trained = train_cascade(recipe, learned, stages, say, watches(watched, recipe.sequence_sets), start)
    novelty = _novelty(parts, recipe, trained.networks["reduce"])
    rule = _aligned(recipe, learned)
    raw = CascadeSettings(rule, Thresholds(0.0, MINING_THRESHOLD, -100.0), Fusion(), Calibration(), novelty)
    draft = _loaded(recipe, parts, trained, raw.to_dict(), folder)
    scores = score_cases(parts.calibration, recipe.rule, _pointer(recipe, draft, folder), MINING_THRESHOLD, say, recipe.workers)
    chose = min(budget.tuning, max(1, len(scores) // 2))
    tuning, certifying = scores[:chose], scores[chose:]
    fusion = fit_fusion(tuning)
    thresholds, points = choose_thresholds(tuning, fusion)
    certificate = certify(certifying, fusion, thresholds, fingerprint(parts.calibration[chose:]))
    chosen = replace(raw, thresholds=thresholds, fusion=fusion, certificate=certificate)
    settings = assured(chosen, recipe.task, scores, learned, draft)
    points = (*points, certificate.point) if certificate else points
    model = _loaded(recipe, parts, trained, settings.to_dict(), folder, points)
    held_out = score_cases(parts.test, recipe.rule, _pointer(recipe, model, folder), thresholds.propose, say, recipe.workers)
    alike = partial(score_cases, parts.test[:MOST], rule, _pointer(recipe, model, folder), thresholds.propose, say, recipe.workers)
    figures = (
        *cascade_figures(held_out, fusion, thresholds),
        *sequence_figures(recipe.sequence_sets, alike, fusion, thresholds),
        *detection_figures(task, model, parts.test[: budget.screened], say),
    )
    return _finished(recipe, model, folder, figures, trained, start, lacking)


def _aligned(recipe: Recipe, learned: Sequence[Path]) -> InputRule:
    """The rule with what scans of other scanners are brought to, where the recipe asks for it: CT by its HU, MR by landmarks."""
    if not recipe.aligned:
        return recipe.rule
    if recipe.rule.low is not None:
        return replace(recipe.rule, scanners=learned_scanners(learned))
    return replace(recipe.rule, landmarks=learned_landmarks(learned, recipe.rule))


def _apart(paths: tuple[Path, ...], first: int) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    return paths[:first], paths[first:]


def _pointer(recipe: Recipe, model: LoadedModel, folder: Path) -> tuple[Path, str]:
    return _file(recipe, folder), model.version.sha256


def train_aorta(recipe: Recipe, folder: Path, say: Say, start: Start = NOTHING) -> TrainedModel:
    """Train the aorta's networks, learn what they are off by on the calibration set, measure on what was held out."""
    recipe = start.seeded(recipe)
    parts = _parts(recipe, folder, say)
    trained = train_networks(recipe, parts.train, folder, say, start)
    blank = AortaSettings(recipe.rule, _novelty(parts, recipe), 0.0, 0.0, 0.0)
    draft = _loaded(recipe, parts, trained, blank.to_dict(), folder)
    settings = calibrated(blank, parts.calibration, draft, say)
    model = _loaded(recipe, parts, trained, settings.to_dict(), folder)
    figures = aorta_figures(tuple(held_out(calibration_scans(parts.test, model, say), model)))
    return _finished(recipe, model, folder, figures, trained, start)


def _parts(recipe: Recipe, folder: Path, say: Say) -> _Parts:
    cache = folder / "data"
    return _Parts(*(make_cases(recipe, part, cache, say, recipe.workers) for part in ("train", "calibration", "test")))


def _novelty(parts: _Parts, recipe: Recipe, reducer: torch.nn.Module | None = None) -> NoveltyReference:
    """The training data as the networks see it, and levels from the calibration scans, which no network has seen."""
    see = partial(_features, rule=recipe.rule, network=reducer.eval() if reducer is not None else None)
    paths = (*parts.train, *parts.calibration[:NOVELTY_SCANS])
    found = list(mapped(see, paths, recipe.workers))
    return NoveltyReference.fit(found[: len(parts.train)], found[len(parts.train) :])


def _features(path: Path, rule: InputRule, network: torch.nn.Module | None) -> Features:
    case = load_case(path)
    return scan_features(case.source, case.seen, rule, network)


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


def _finished(
    recipe: Recipe,
    model: LoadedModel,
    folder: Path,
    figures: Sequence[Figure],
    trained: Trained,
    start: Start = NOTHING,
    lacking: Sequence[str] | None = None,
) -> TrainedModel:
    path = _file(recipe, folder)
    halved = [stage for stage, network in trained.networks.items() if next(network.parameters()).dtype == torch.float16]
    card = model_card(model.header, model.version.sha256, recipe, figures, start, lacking, halved)
    path.with_suffix(".card.md").write_text(card, encoding="utf-8")
    params = {"seed": str(recipe.seed), "budget": str(asdict(recipe.budget)), "rule": str(asdict(recipe.rule))}
    params |= {"learning": str(asdict(recipe.learning)), "start": start.said, "source": recipe.source}
    losses = {f"final_loss.{stage}": float(np.mean(curve[-25:])) for stage, curve in trained.losses.items()}
    metrics = losses | {_metric(f.name): f.value for f in figures if f.value is not None}
    return TrainedModel(path, params, metrics, _curves(trained))


def _curves(trained: Trained) -> Mapping[str, tuple[tuple[int, float], ...]]:
    """Loss of each stage averaged over CURVE_STEPS steps, and what was watched, by step."""
    losses = {
        f"loss.{stage}": tuple(
            (n, float(np.mean(curve[max(0, n - CURVE_STEPS) : n]))) for n in range(CURVE_STEPS, len(curve) + 1, CURVE_STEPS)
        )
        for stage, curve in trained.losses.items()
    }
    return losses | {f"validation.{stage}": figures for stage, figures in trained.watched.items() if figures}


def _metric(name: str) -> str:
    """A figure's name as MLflow accepts it."""
    return "".join(letter if letter.isalnum() or letter in " _-./" else "" for letter in name).strip()


def _file(recipe: Recipe, folder: Path) -> Path:
    return folder / f"{recipe.task}-{recipe.version}.safetensors"
