"""The only place where adapters are chosen: settings in, tasks, models, key, runner and clock out."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from cad.errors import ModelError, Refusal, ShokenError
from cad.networks import sha256_of
from cad.read.limits import USUAL, Limits
from cad.write.dicom_receiver import USUAL as ANY_RECEIVER
from cad.write.dicom_receiver import Receiver
from pipelines.config import Settings, SettingsError, state_folder
from pipelines.ports import ModelStore, Runner
from pipelines.registry.known_cases import KnownCases
from pipelines.registry.ledger import ModelLedger
from pipelines.registry.shipped import SHIPPED, FolderModels
from pipelines.runners.on_ray import RayRunner
from pipelines.runners.processes import ProcessRunner
from pipelines.runners.serial import SerialRunner
from pipelines.similar import Library, no_index

if TYPE_CHECKING:
    from cad.explain.similar import SimilarIndex
    from cad.model import ModelVersion
    from cad.networks import LoadedModel
    from cad.tasks.task import Task
    from pipelines.desk import Desk
    from pipelines.registry.on_mlflow import MlflowModels


BATCH_JOBS_PER_WORKER = 2000


@dataclass(frozen=True, slots=True)
class Bench:
    """What a case is screened with: tasks whose model is usable, their digests, why others are left out, reading's thresholds, who
    receives the DICOM objects, the share of scans with a lesion by task where the settings state it, and where a model's index of
    similar cases is found (or why there is none)."""

    tasks: Mapping[str, Task]
    models: ModelStore
    digests: Mapping[str, str]
    refused: tuple[Refusal, ...] = ()
    limits: Limits = USUAL
    receiver: Receiver = ANY_RECEIVER
    prevalence: tuple[tuple[str, float], ...] = ()
    similar: Callable[[ModelVersion, str], SimilarIndex | str] = no_index

    @property
    def names(self) -> tuple[str, ...]:
        """Every task asked for, usable or not: part of what decides a result."""
        return tuple(sorted({*self.tasks, *(refusal.path for refusal in self.refused)}))

    def model(self, task: str) -> LoadedModel:
        """A task's current model, for the stated share of scans with a lesion where there is one. Raises ModelError when it was edited."""
        model = self.models.load(self.models.current(task))
        stated = dict(self.prevalence).get(task)
        return model if stated is None else model.knowing(prevalence=stated)


@dataclass(frozen=True, slots=True)
class Tools:
    """How the process that works opens its desk and its bench; picklable where both are."""

    open_desk: Callable[[], Desk]
    open_bench: Callable[[], Bench]


class UtcClock:
    """`pipelines.ports.Clock` on the system's clock."""

    def now_utc(self) -> str:
        """ISO 8601, UTC, seconds."""
        return datetime.now(UTC).isoformat(timespec="seconds")


def tools(settings: Settings) -> Tools:
    """Desk and bench by their settings, opened once in each process."""
    return Tools(partial(desk, settings), partial(bench, settings))


@cache
def desk(settings: Settings) -> Desk:
    """The de-identification desk under the project key."""
    from anonymizer.key import project_key, read_key
    from pipelines.desk import open_desk

    return open_desk(read_key(settings.key_file) if settings.key_file else project_key(), settings.profile)


@cache
def bench(settings: Settings) -> Bench:
    """Tasks and models. Raises ShokenError naming an unknown task's alternatives, ModelError when no task has a model."""
    store = models(settings)
    able = tasks(store)
    missing = next((name for name in settings.tasks if name not in able), None)
    if missing is not None:
        raise ShokenError(f"no task is called {missing!r}", subject="--tasks", accepted=", ".join(able) or "none is installed")
    receiver = Receiver(settings.dicom_segmentation, settings.dicom_heat_maps)
    chosen = equipped({name: able[name] for name in settings.tasks} or able, store, settings.reading)
    return replace(chosen, receiver=receiver, prevalence=settings.prevalence)


def tasks(store: FolderModels) -> dict[str, Task]:
    """Installed tasks, and those that an imported model brings along, by name, sorted."""
    from cad.tasks.task import installed_tasks  # brings what images are worked on with; de-identification comes here without

    installed = installed_tasks()
    brought = (name for name in store.tasks() if name not in installed)
    return dict(sorted({**installed, **{name: task for name in brought if (task := _outside(name, store))}}.items()))


def _outside(name: str, store: FolderModels) -> Task | None:
    """The task of an imported model; None where its current file is not one, or cannot be read: `equipped` says of what it needs."""
    from cad.networks import read_header
    from cad.tasks.outside import OutsideSettings, OutsideTask

    try:
        return OutsideTask(name, OutsideSettings.from_dict(read_header(store.path(store.current(name))).settings))
    except ModelError:
        return None


def equipped(tasks: Mapping[str, Task], store: ModelStore, limits: Limits = USUAL) -> Bench:
    """The tasks whose current model is there and unchanged. Raises ModelError when that is none."""
    digests, refused = {}, []
    for name in sorted(tasks):
        try:
            version = store.current(name)
            store.verify(version)
            digests[name] = version.sha256
            if isinstance(store, FolderModels) and store.index_path(version).is_file():
                digests[f"{name} similar"] = sha256_of(store.index_path(version))
            if (answered := known_cases().path(version)).is_file():
                digests[f"{name} answered"] = sha256_of(answered)
        except ModelError as error:
            refused.append(Refusal(name, "model_unusable", error.sentence()))
    if not digests:
        raise ModelError(f"no task has a usable model; {refused[0].detail if refused else 'no task is installed'}")
    similar = Library(store.similar if isinstance(store, FolderModels) else no_index, known_cases())
    return Bench({name: tasks[name] for name in tasks if name in digests}, store, digests, tuple(refused), limits, similar=similar)


def models(settings: Settings) -> FolderModels:
    """The folder of model versions: the shipped one unless settings name another."""
    if settings.models and not settings.models.is_dir():
        raise SettingsError("there is no such folder", subject=f"models {settings.models}", accepted="a folder with index.json")
    return FolderModels(settings.models or SHIPPED, settings.backend)


def runner(settings: Settings) -> Runner:
    """The engine. Raises SettingsError naming the extra an engine needs."""
    if settings.engine == "ray":
        if importlib.util.find_spec("ray") is None:
            problem = "Ray is not installed; it comes with the extra `cluster`"
            raise SettingsError(problem, subject="--engine ray", accepted='pip install "shoken[cluster]", or serial, processes')
        return RayRunner(settings.workers)
    return ProcessRunner(settings.workers, settings.jobs_per_worker) if settings.engine == "processes" else SerialRunner()


def batch_runner(settings: Settings) -> Runner:
    """The engine of a de-identification: worker processes always, so that a crash costs one file, or Ray.

    Workers import no decoders where the profile looks at no pixels. Raises ProfileError.
    """
    if settings.engine == "ray":
        return runner(settings)
    from anonymizer import lean
    from anonymizer.profile import ON_PIXELS, profile_named

    decodes = bool(profile_named(settings.profile).options & ON_PIXELS)
    made = ProcessRunner(settings.workers, BATCH_JOBS_PER_WORKER, prepare=None if decodes else lean.start)
    made.queued = made.workers
    return made


def model_ledger() -> ModelLedger:
    """The hash chain of model events in the user's state folder."""
    return ModelLedger(state_folder() / "models.jsonl", UtcClock())


def known_cases() -> KnownCases:
    """The findings that readers answered, in the user's state folder."""
    return KnownCases(state_folder() / "similar")


def model_index(settings: Settings) -> MlflowModels:
    """The MLflow index. Raises ShokenError naming the extra when MLflow is not installed."""
    if importlib.util.find_spec("mlflow") is None:
        raise ShokenError("MLflow is not installed", subject="model index", accepted='pip install "shoken[mlops]"')
    from pipelines.registry.on_mlflow import MlflowModels

    return MlflowModels(settings.mlflow_uri or f"sqlite:///{state_folder() / 'mlflow.db'}", state_folder() / "models")
