"""The contract every task keeps, and how installed tasks are found.

A task is one small module that exposes one object; third parties add theirs with an entry point
in the group ``cad.tasks``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from cad.errors import Refusal, ShokenError
from cad.finding import Exhibit, Finding, Measurement
from cad.model import ModelVersion
from cad.networks import LoadedModel
from cad.prepare.register import Registration
from cad.report import Funnel, Novelty, PriorLesion, Reliability
from cad.study import Series
from cad.volume import Volume

ENTRY_POINT_GROUP = "cad.tasks"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Suitability:
    """Whether a series can serve a task; `preference` orders the ones that can (higher first)."""

    suitable: bool
    reason: str
    preference: float = 0.0


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a volume shows what a task needs: a refusal where it does not, else what a reader must know before."""

    refusal: Refusal | None = None
    warnings: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TaskResult:
    """What one task found in one volume. `findings` best first; one exhibit a finding or measurement."""

    findings: tuple[Finding, ...]
    funnel: Funnel
    model: ModelVersion
    measurements: tuple[Measurement, ...] = ()
    exhibits: tuple[Exhibit, ...] = ()
    novelty: Novelty | None = None
    reliability: Reliability | None = None
    warnings: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """An earlier scan of the same person that has been confirmed and registered: its volume, and how many days lie between."""

    volume: Volume
    registration: Registration
    days: int


@runtime_checkable
class Task(Protocol):
    """What a task can say and do.

    Contract: `suits` looks at headers only; `run` never writes, prints or keeps state, and the
    same volume, model and language give the same result. `progress` is told the stage's name as
    it begins. Raises ModelError when the model was made for another task.
    """

    @property
    def name(self) -> str:
        """The entry point's name."""
        ...

    @property
    def kind(self) -> str:
        """What its findings are called."""
        ...

    @property
    def modality(self) -> str:
        """The DICOM modality it looks at."""
        ...

    def suits(self, series: Series) -> Suitability:
        """Whether this series can serve the task, from its headers."""
        ...

    def run(self, volume: Volume, model: LoadedModel, *, lang: str, progress: Progress) -> TaskResult | Refusal:
        """Look through one volume; a Refusal where its pixels show something this task must not run on."""
        ...


@runtime_checkable
class Looking(Protocol):
    """A task that also looks at the pixels before it is chosen for them, so that the next series can serve in their stead.

    Contract: quick, pure, and never more lenient than `run`.
    """

    def fits(self, volume: Volume, series: Series) -> Fit:
        """Whether the volume made of the series shows what the task needs."""
        ...


@runtime_checkable
class Gathering(Protocol):
    """A task that looks at several MR sequences of one study together; `run` is given the reference with the others beside it."""

    @property
    def sequences(self) -> tuple[str, ...]:
        """The MR types, the best reference first; () where one series is all it looks at."""
        ...


@runtime_checkable
class Comparing(Protocol):
    """A task whose findings can be compared with an earlier scan.

    Contract: as for `run`; the findings keep their order and confidence, and gain measurements and a new statement.
    """

    def compare(
        self, result: TaskResult, volume: Volume, prior: Prior, model: LoadedModel, *, lang: str, progress: Progress
    ) -> tuple[TaskResult, tuple[PriorLesion, ...]] | Refusal:
        """The result with growth told, and the prior's lesions that have no partner; a Refusal where the prior cannot serve."""
        ...


def installed_tasks() -> dict[str, Task]:
    """Every task installed under the entry-point group, by name, sorted."""
    found = {entry.name: entry.load() for entry in entry_points(group=ENTRY_POINT_GROUP)}
    return dict(sorted(found.items()))


def task_named(name: str) -> Task:
    """One installed task. Raises ShokenError naming the ones there are."""
    tasks = installed_tasks()
    if name not in tasks:
        raise ShokenError(f"no task is called {name!r}", subject="--tasks", accepted=", ".join(tasks) or "none is installed")
    return tasks[name]
