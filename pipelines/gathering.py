"""The other MR sequences of a study, laid beside the one that was chosen for a task that looks at several together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cad.errors import Refusal
from cad.prepare.beside import bring_beside
from cad.read.mr_sequence import mr_sequence
from cad.study import Series
from cad.volume import Volume

VolumesOf = Callable[[Series], Sequence[Volume]]


@dataclass(frozen=True, slots=True, eq=False)
class Companion:
    """A series that is looked at beside the reference, and how it came to lie there, in words."""

    series: Series
    volume: Volume
    said: str


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """The reference with its companions beside it, and why a series (by UID) that could have been one is none."""

    volume: Volume
    companions: tuple[Companion, ...] = ()
    refused: tuple[tuple[str, Refusal], ...] = ()


def gather(reference: Series, volume: Volume, others: Sequence[Series], wanted: Sequence[str], volumes_of: VolumesOf) -> Gathered:
    """For each wanted MR type but the reference's the first of `others` that can be laid beside it; `others` are the preferred first."""
    own = mr_sequence(reference).name
    companions: dict[str, Companion] = {}
    refused: list[tuple[str, Refusal]] = []
    for series in others:
        name = mr_sequence(series).name
        if name not in wanted or name == own or name in companions:
            continue
        outcome = _companion(reference, volume, series, name, volumes_of)
        if isinstance(outcome, Refusal):
            refused.append((series.series_instance_uid, outcome))
        else:
            companions[name] = outcome
    beside = tuple(companion.volume for companion in companions.values())
    return Gathered(replace(volume, sequence=own, beside=beside), tuple(companions.values()), tuple(refused))


def _companion(reference: Series, volume: Volume, series: Series, name: str, volumes_of: VolumesOf) -> Companion | Refusal:
    made = volumes_of(series)
    if not made:
        return Refusal(series.series_instance_uid, "no_volume", "no volume could be made of it")
    same = bool(reference.frame_of_reference_uid) and reference.frame_of_reference_uid == series.frame_of_reference_uid
    brought = bring_beside(volume, made[0], same_frame=same)
    if isinstance(brought, Refusal):
        return replace(brought, path=series.series_instance_uid)
    how = f"moved by up to {brought.moved_mm:.0f} mm to lie on it" if brought.moved_mm else "lies on it as its header says, checked"
    return Companion(series, replace(brought.volume, sequence=name), f"looked at as {name} beside the preferred series; it {how}")
