"""The long job of making a model: train, keep the file and its card, record the run where MLflow is installed."""

from __future__ import annotations

import importlib.util
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cad.errors import ModelError, ShokenError
from cad.model import ModelVersion
from cad.networks import sha256_of
from cad.tasks.task import installed_tasks, task_named
from pipelines import wiring
from pipelines.config import Settings

if TYPE_CHECKING:
    from cad.train.transfer import Start
    from pipelines.registry.on_mlflow import TrainingRun

Say = Callable[[str], None]


class TrainedModel(Protocol):
    """What a task's training leaves: the model file (its card beside it), what went in and what came out."""

    @property
    def file(self) -> Path:
        """The model file."""
        ...

    @property
    def params(self) -> Mapping[str, str]:
        """What decided it."""
        ...

    @property
    def metrics(self) -> Mapping[str, float]:
        """What it reached."""
        ...


Curves = Mapping[str, Sequence[tuple[int, float]]]


@runtime_checkable
class Trainable(Protocol):
    """A task that knows how its own networks are made."""

    def train(self, folder: Path, progress: Say) -> TrainedModel:
        """Train into a folder: `<task>-<version>.safetensors` and `.card.md`; caches may stay beside them."""
        ...


@runtime_checkable
class Continuable(Protocol):
    """A task whose training may begin from the weights of an earlier version, or from another seed."""

    def train_from(self, start: Start, folder: Path, progress: Say) -> TrainedModel:
        """Train into a folder as `Trainable.train` does, from `start`."""
        ...


@dataclass(frozen=True, slots=True)
class Training:
    """How a training ended: the file, its digest, and where the run was recorded."""

    file: Path
    sha256: str
    index: str


@dataclass(frozen=True, slots=True)
class Imported:
    """An imported data set to train on: its folder, how many readers must agree on a lesion, how their outlines become one,
    and up to how many simulated nodules each training scan gains."""

    folder: Path
    at_least: int = 1
    outline: str = "staple"
    inserted: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """A registered model to begin from: `version` is one of its task ("2") or "current"; `frozen` the share of each network held still."""

    version: str
    frozen: float = 0.0


def run_training(
    task: str,
    out: Path,
    settings: Settings,
    say: Say,
    data: Imported | None = None,
    origin: Origin | None = None,
    seed: int | None = None,
) -> Training:
    """Train one task on simulated scans, or on a data set, from random weights or a registered version's, and record the run.

    `seed` takes the place of the recipe's.

    Raises ShokenError for a task that is unknown or cannot be trained, for a data set that cannot serve it, or for a version
    that is unknown or has other networks.
    """
    trainable = task_named(task)
    if data is not None:
        from cad.datasets.consensus import Agreement
        from cad.tasks.imported import over_imported

        trainable, out = over_imported(trainable, data.folder, Agreement(data.at_least, data.outline), out, say, data.inserted)
    if not isinstance(trainable, Trainable):
        raise ShokenError("has no training of its own", subject=task, accepted=_tasks_that_are(Trainable))
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    trained = trainable.train(out, say) if origin is None and seed is None else _begun(task, trainable, origin, seed, settings, out, say)
    return Training(trained.file, sha256_of(trained.file), _recorded(task, trained, time.monotonic() - began, settings))


def _begun(name: str, task: object, origin: Origin | None, seed: int | None, settings: Settings, out: Path, say: Say) -> TrainedModel:
    from cad.train.transfer import NOTHING

    if not isinstance(task, Continuable):
        raise ShokenError(
            f"{name} does not begin from other weights or another seed", subject="--from, --seed", accepted=_tasks_that_are(Continuable)
        )
    start = NOTHING if origin is None else _weights_of(name, origin, settings)
    return task.train_from(replace(start, seed=seed), out, say)


def _weights_of(name: str, origin: Origin, settings: Settings) -> Start:
    from cad.train.transfer import Start

    if not 0 <= origin.frozen < 1:
        raise ShokenError(f"is {origin.frozen:g}", subject="--freeze", accepted="a share of at least 0 and below 1")
    store = wiring.models(settings)
    begun = store.current(name) if origin.version == "current" else _version(store.versions(name), name, origin.version)
    model = store.load(begun)
    networks = {stage: model.stage(stage) for stage in model.header.stages}
    return Start(networks, origin.frozen, f"{begun.name} {begun.version}", begun.sha256)


def _tasks_that_are(able: type) -> str:
    return ", ".join(name for name, task in installed_tasks().items() if isinstance(task, able)) or "no installed task"


def _version(known: Sequence[ModelVersion], task: str, wanted: str) -> ModelVersion:
    found = next((each for each in known if each.version == wanted), None)
    if found is None:
        names = ", ".join(each.version for each in known) or "none is registered"
        raise ShokenError(f"has no version {wanted!r}", subject=task, accepted=f"current, {names}")
    return found


def _recorded(task: str, trained: TrainedModel, seconds: float, settings: Settings) -> str:
    if importlib.util.find_spec("mlflow") is None:
        return "Not recorded in a model index: MLflow is not installed (the extra `mlops`)."
    index = wiring.model_index(settings)
    try:
        made = index.register(trained.file, _run_of(task, trained, seconds))
    except ModelError as error:  # hours of training are not thrown away because a version name is taken
        return f"Not recorded in {index.uri}: {error}"
    return f"Recorded in {index.uri} as {made.name} {made.version}."


def _run_of(task: str, trained: TrainedModel, seconds: float) -> TrainingRun:
    """The run as the index keeps it: numbers in and out, curves by step, card, and the environment it ran in."""
    from pipelines.registry.on_mlflow import TrainingRun

    card = trained.file.with_suffix(".card.md")
    curves: Curves = getattr(trained, "curves", {})
    return TrainingRun(task, trained.params, trained.metrics, seconds, _environment(), curves, (card,) if card.is_file() else ())


def _environment() -> dict[str, str]:
    """Versions that decide numbers; nothing of the machine's name or user."""
    packages = {name: _installed(name) for name in ("shoken", "torch", "monai", "numpy", "scipy", "scikit-learn", "openvino")}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages}


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
