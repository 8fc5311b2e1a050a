"""Which series serves which task, decided from headers and explained series by series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cad.errors import Refusal
from cad.read.assemble import Assembled
from cad.report import SeriesChoice
from cad.study import Series
from cad.tasks.task import Suitability, Task, TaskResult
from cad.volume import Volume

Assemble = Callable[[Series], Assembled]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One task over one volume; `result` or `refusal` once it has looked."""

    task: Task
    series: Series
    volume: Volume
    result: TaskResult | None = None
    refusal: Refusal | None = None

    def done(self, outcome: TaskResult | Refusal) -> Look:
        """The same look with what the task answered."""
        return replace(self, refusal=outcome) if isinstance(outcome, Refusal) else replace(self, result=outcome)


@dataclass(slots=True, eq=False)
class Choosing:
    """The looks to take, why each series was chosen or not, and what was said while volumes were made."""

    looks: list[Look] = field(default_factory=list)
    choices: list[SeriesChoice] = field(default_factory=list)
    assembled: dict[str, Assembled] = field(default_factory=dict)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What could not become part of a volume."""
        return tuple(refusal for made in self.assembled.values() for refusal in made.refusals)

    @property
    def warnings(self) -> tuple[Refusal, ...]:
        """What a reader must know of the volumes."""
        return tuple(warning for made in self.assembled.values() for warning in made.warnings)

    def explained(self, looks: Sequence[Look]) -> tuple[SeriesChoice, ...]:
        """The choices as they turned out: a series its task refused to look through was not chosen after all."""
        refused = {(look.task.name, look.series.series_instance_uid): look.refusal.detail for look in looks if look.refusal}
        return tuple(
            replace(c, chosen=False, reason=refused[c.task, c.series_instance_uid]) if (c.task, c.series_instance_uid) in refused else c
            for c in self.choices
        )


def choose(series: Sequence[Series], tasks: Mapping[str, Task], assemble: Assemble) -> Choosing:
    """For each task the most preferred suitable series that becomes a volume; ties go to the smaller UID.

    A series is assembled at most once; of several volumes in it the largest serves.
    """
    choosing = Choosing()
    for _, task in sorted(tasks.items()):
        judged = [(one, task.suits(one)) for one in series]
        choosing.choices += [_choice(task, one, False, said.reason) for one, said in judged if not said.suitable]
        suitable = sorted((pair for pair in judged if pair[1].suitable), key=lambda p: (-p[1].preference, p[0].series_instance_uid))
        _serve(choosing, task, suitable, assemble)
    return choosing


def _serve(choosing: Choosing, task: Task, suitable: Sequence[tuple[Series, Suitability]], assemble: Assemble) -> None:
    served = False
    for one, said in suitable:
        volume = None if served else _volume(choosing, one, assemble)
        if volume is not None:
            choosing.looks.append(Look(task, one, volume))
            choosing.choices.append(_choice(task, one, True, said.reason))
        else:
            reason = "another series serves better" if served else "no volume could be made of it"
            choosing.choices.append(_choice(task, one, False, reason))
        served = served or volume is not None


def _volume(choosing: Choosing, series: Series, assemble: Assemble) -> Volume | None:
    uid = series.series_instance_uid
    if uid not in choosing.assembled:
        choosing.assembled[uid] = assemble(series)
    return max(choosing.assembled[uid].volumes, key=lambda volume: volume.voxels.size, default=None)


def _choice(task: Task, series: Series, chosen: bool, reason: str) -> SeriesChoice:
    return SeriesChoice(task.name, series.series_instance_uid, chosen, reason)
