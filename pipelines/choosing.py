"""Which series serves which task, decided from headers, checked on the pixels, and explained series by series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from cad.errors import Refusal
from cad.read.assemble import Assembled
from cad.read.mr_sequence import mr_sequence
from cad.report import SeriesChoice
from cad.study import Series
from cad.tasks.task import Fit, Gathering, Looking, Suitability, Task, TaskResult
from cad.volume import Volume
from pipelines.gathering import Companion, gather

Assemble = Callable[[Series], Assembled]
_MOST_VOLUMES = 4  # of a series with many phases not every one is looked at for its body part


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One task over one volume; `result` or `refusal` once it has looked, `refusal` already where the pixels show another body part.

    `warnings` are what a reader must know of the choice; `companions` are series that are looked at together with this one.
    """

    task: Task
    series: Series
    volume: Volume
    result: TaskResult | None = None
    refusal: Refusal | None = None
    warnings: tuple[Refusal, ...] = ()
    companions: tuple[Companion, ...] = ()

    @property
    def all_series(self) -> tuple[Series, ...]:
        """The series and those beside it."""
        return (self.series, *(companion.series for companion in self.companions))

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
        """What a reader must know of the volumes and of why they were chosen; said once where several tasks say the same."""
        made = [warning for made in self.assembled.values() for warning in made.warnings]
        return tuple(dict.fromkeys((*made, *(warning for look in self.looks for warning in look.warnings))))

    def explained(self, looks: Sequence[Look]) -> tuple[SeriesChoice, ...]:
        """The choices as they turned out: a series its task refused to look through was not chosen after all."""
        refused = {
            (look.task.name, one.series_instance_uid): look.refusal.detail for look in looks if look.refusal for one in look.all_series
        }
        return tuple(
            replace(c, chosen=False, reason=refused[c.task, c.series_instance_uid]) if (c.task, c.series_instance_uid) in refused else c
            for c in self.choices
        )


def choose(series: Sequence[Series], tasks: Mapping[str, Task], assemble: Assemble) -> Choosing:
    """For each task the most preferred suitable series whose volume shows what the task needs; ties go to the smaller UID.

    A series is assembled at most once, of several volumes in it the largest fitting one serves. Every series gets one sentence a task.
    """
    choosing = Choosing()
    for _, task in sorted(tasks.items()):
        judged = [(one, task.suits(one)) for one in series]
        choosing.choices += [_choice(task, one, False, said.reason) for one, said in judged if not said.suitable]
        suitable = sorted((pair for pair in judged if pair[1].suitable), key=lambda p: (-p[1].preference, p[0].series_instance_uid))
        _serve(choosing, task, suitable, assemble)
    return choosing


def _serve(choosing: Choosing, task: Task, suitable: Sequence[tuple[Series, Suitability]], assemble: Assemble) -> None:
    served = ""
    beside: dict[str, tuple[bool, str]] = {}
    for n, (one, said) in enumerate(suitable):
        if one.series_instance_uid in beside:
            choosing.choices.append(_choice(task, one, *beside[one.series_instance_uid]))
            continue
        if served:
            choosing.choices.append(_choice(task, one, False, f"could serve ({said.reason}), but another is preferred: {served}"))
            continue
        look, trouble = _look(choosing, task, one, assemble)
        if look is not None and look.refusal is None:
            look, beside = _with_companions(choosing, look, [other for other, _ in suitable[n + 1 :]], assemble)
        if look is not None:
            choosing.looks.append(look)
        if look is not None and look.refusal is None:
            choosing.choices.append(_choice(task, one, True, said.reason))
            served = said.reason
        else:
            choosing.choices.append(_choice(task, one, False, trouble))


def _look(choosing: Choosing, task: Task, series: Series, assemble: Assemble) -> tuple[Look | None, str]:
    """The look at the largest volume that fits; where none does, the look at the largest with its refusal, and why in words."""
    volumes = _volumes(choosing, series, assemble)
    if not volumes:
        said = choosing.assembled[series.series_instance_uid].refusals
        return None, f"no volume could be made of it: {said[0].detail}" if said else "no volume could be made of it"
    fits = [(volume, _fit(task, volume, series)) for volume in volumes[:_MOST_VOLUMES]]
    volume, fit = next((pair for pair in fits if pair[1].refusal is None), fits[0])
    return Look(task, series, volume, refusal=fit.refusal, warnings=fit.warnings), fit.refusal.detail if fit.refusal else ""


def _with_companions(
    choosing: Choosing, look: Look, others: Sequence[Series], assemble: Assemble
) -> tuple[Look, dict[str, tuple[bool, str]]]:
    """The look with what its task wants beside it, and by UID whether a series is, in words."""
    if not isinstance(look.task, Gathering) or not look.task.sequences:
        return look, {}
    made = gather(look.series, look.volume, others, look.task.sequences, partial(_volumes, choosing, assemble=assemble))
    said = {uid: (False, refusal.detail) for uid, refusal in made.refused}
    said |= {companion.series.series_instance_uid: (True, companion.said) for companion in made.companions}
    return replace(look, volume=made.volume, companions=made.companions), said


def _fit(task: Task, volume: Volume, series: Series) -> Fit:
    return task.fits(volume, series) if isinstance(task, Looking) else Fit()


def _volumes(choosing: Choosing, series: Series, assemble: Assemble) -> list[Volume]:
    """The volumes of a series, largest first; of equal ones the order in which they were read."""
    uid = series.series_instance_uid
    if uid not in choosing.assembled:
        choosing.assembled[uid] = assemble(series)
    return sorted(choosing.assembled[uid].volumes, key=lambda volume: -volume.voxels.size)


def _choice(task: Task, series: Series, chosen: bool, reason: str) -> SeriesChoice:
    return SeriesChoice(task.name, series.series_instance_uid, chosen, reason, shows(series))


def shows(series: Series) -> str:
    """What a series is, in a few words a reader knows it by."""
    thick = series.slice_spacing_mm or series.slice_thickness_mm
    places = f"{series.slices} slice{'s' * (series.slices != 1)}" + (f", {thick:.3g} mm apart" if thick else "")
    several = f", {series.repeats} pictures at each place" if series.repeats > 1 else ""
    kind = mr_sequence(series).name if series.modality == "MR" else series.kernel
    return " ".join(word for word in (series.modality, series.plane, f"{places}{several}", f"({kind})" if kind else "") if word)
