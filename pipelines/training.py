"""The long job of making a model: train, keep the file and its card, record the run where MLflow is installed."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from cad.errors import ModelError, ShokenError
from cad.networks import sha256_of
from cad.tasks.task import installed_tasks, task_named
from pipelines import wiring
from pipelines.config import Settings

Say = Callable[[str], None]


class TrainedModel(Protocol):
    """What a task's training leaves: the model file (its card beside it), what went in and what came out."""

    file: Path
    params: Mapping[str, str]
    metrics: Mapping[str, float]


@runtime_checkable
class Trainable(Protocol):
    """A task that knows how its own networks are made."""

    def train(self, folder: Path, progress: Say) -> TrainedModel:
        """Train into a folder: `<task>-<version>.safetensors` and `.card.md`; caches may stay beside them."""
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


def run_training(task: str, out: Path, settings: Settings, say: Say, data: Imported | None = None) -> Training:
    """Train one task on simulated scans, or on a data set, and record the run.

    Raises ShokenError for a task that is unknown or cannot be trained, or for a data set that cannot serve it.
    """
    trainable = task_named(task)
    if data is not None:
        from cad.datasets.consensus import Agreement
        from cad.tasks.imported import over_imported

        trainable, out = over_imported(trainable, data.folder, Agreement(data.at_least, data.outline), out, say, data.inserted)
    if not isinstance(trainable, Trainable):
        able = [name for name, other in installed_tasks().items() if isinstance(other, Trainable)]
        raise ShokenError("has no training of its own", subject=task, accepted=", ".join(able) or "no installed task has one")
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    trained = trainable.train(out, say)
    return Training(trained.file, sha256_of(trained.file), _recorded(task, trained, time.monotonic() - began, settings))


def _recorded(task: str, trained: TrainedModel, seconds: float, settings: Settings) -> str:
    if importlib.util.find_spec("mlflow") is None:
        return "Not recorded in a model index: MLflow is not installed (the extra `mlops`)."
    from pipelines.registry.on_mlflow import TrainingRun

    index = wiring.model_index(settings)
    try:
        version = index.register(trained.file, TrainingRun(task, trained.params, trained.metrics, seconds))
    except ModelError as error:  # hours of training are not thrown away because a version name is taken
        return f"Not recorded in {index.uri}: {error}"
    return f"Recorded in {index.uri} as {version.name} {version.version}."
