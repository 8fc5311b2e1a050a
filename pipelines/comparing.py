"""A look at the current study against the nearest earlier study that the same task serves: the person is confirmed first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from cad.errors import Refusal
from cad.prepare.prior import COMPARED, Link, link
from cad.read.assemble import assemble
from cad.read.headers import read_headers
from cad.report import Comparison, PriorLesion
from cad.study import Series
from cad.tasks.task import Comparing, Prior, Task, TaskResult
from pipelines.choosing import Look, choose
from pipelines.meter import Meter
from pipelines.wiring import Bench

NO_SERIES = "prior_without_series"


@dataclass(frozen=True, slots=True)
class PriorOrder:
    """An earlier study of the same patient: `open_files` de-identifies its files when they are needed, and says where they lie."""

    case: str
    study_instance_uid: str
    days: int
    open_files: Callable[[], Sequence[Path]]


@dataclass(slots=True)
class PriorShelf:
    """The priors of one study, nearest first; each is opened at most once, and only when a task asks for it."""

    orders: tuple[PriorOrder, ...]
    bench: Bench
    _read: dict[str, tuple[Series, ...]] = field(default_factory=dict)

    def look(self, task: Task) -> tuple[PriorOrder, Look] | None:
        """The nearest prior with a series that serves the task, made into a volume."""
        for order in self.orders:
            chosen = choose(self._series(order), {task.name: task}, partial(assemble, limits=self.bench.limits))
            for look in chosen.looks:
                if look.refusal is None:
                    return order, look
        return None

    def _series(self, order: PriorOrder) -> tuple[Series, ...]:
        if order.case not in self._read:
            scan = read_headers(sorted(order.open_files()))
            self._read[order.case] = tuple(series for study in scan.studies for series in study.series)
        return self._read[order.case]


def compared(look: Look, shelf: PriorShelf, bench: Bench, lang: str, meter: Meter) -> tuple[Look, Comparison | None]:
    """The look with growth told, and what came of it; the look as it was and None where there is no prior or nothing to compare."""
    task = look.task
    if not shelf.orders or look.result is None or not isinstance(task, Comparing):
        return look, None
    meter.begin(f"{task.name}: prior")
    found = shelf.look(task)
    if found is None:
        nearest = shelf.orders[0]
        detail = "not compared: no earlier study of this patient has a series that this task can look at"
        return look, Comparison(task.name, nearest.case, nearest.study_instance_uid, "", nearest.days, NO_SERIES, detail)
    order, earlier = found
    meter.begin(f"{task.name}: same patient, register")
    linked = link(earlier.volume, look.volume)
    told = _told(task.name, order, earlier, linked)
    if linked.registration is None:
        return look, told
    prior = Prior(earlier.volume, linked.registration, order.days)
    model = bench.model(task.name)
    outcome = task.compare(look.result, look.volume, prior, model, lang=lang, progress=lambda s: meter.begin(f"{task.name}: prior, {s}"))
    return _concluded(look, told, outcome)


def _concluded(look: Look, told: Comparison, outcome: tuple[TaskResult, tuple[PriorLesion, ...]] | Refusal) -> tuple[Look, Comparison]:
    if isinstance(outcome, Refusal):
        return look, replace(told, status=outcome.reason, detail=outcome.detail)
    result, lesions = outcome
    return replace(look, result=result), replace(told, lesions=lesions)


def _told(task: str, order: PriorOrder, earlier: Look, linked: Link) -> Comparison:
    found, same = linked.registration, linked.sameness
    return Comparison(
        task=task,
        case=order.case,
        study_instance_uid=order.study_instance_uid,
        series_instance_uid=earlier.series.series_instance_uid,
        days=order.days,
        status=linked.status if found is None else COMPARED,
        detail=linked.detail,
        same_patient=same.score if same else None,
        correlation=found.correlation if found else None,
        folded=found.folded if found else None,
    )
