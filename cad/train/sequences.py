"""Studies of several MR sequences in the cache: which of them a study is shown with, and how they are stored beside its reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.prepare.inputs import InputRule, NetworkInput, Picture, reference_name
from cad.space import Grid
from cad.train.augment import Draw
from cad.volume import Volume

_DRAWN = 0x5EC5


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """`source` is what is prepared, `drawn` the sequences it is shown with, in the rule's order, `unseen` those that are not prepared."""

    source: Volume
    drawn: tuple[str, ...] = ()
    unseen: tuple[Volume, ...] = ()


def study_of(volume: Volume, rule: InputRule, draw: Draw, seed: int, trained_on: bool) -> Study:
    """The study of a seed: what is trained on is prepared with all its sequences, anything else with those that were drawn."""
    if not rule.sequences:
        return Study(volume)
    named = replace(volume, sequence=reference_name(volume, rule))
    there = np.isin(rule.sequences, [part.sequence for part in (named, *named.beside)])
    shown = draw(there, np.random.default_rng((seed, _DRAWN)))
    drawn = tuple(name for name, chosen in zip(rule.sequences, shown, strict=True) if chosen)
    source = named.only(rule.sequences if trained_on else drawn)
    prepared = {part.sequence for part in (source, *source.beside)}
    left = tuple(replace(part, beside=()) for part in (named, *named.beside) if part.sequence not in prepared)
    return Study(source, drawn, left)


def facts_of(study: Study, seen: NetworkInput, rule: InputRule) -> dict[str, Any]:
    """What the cached file says of its sequences; nothing where there is only one picture of any kind."""
    if not study.drawn:
        return {}
    windows = [(name, p and (p.low, p.high)) for name, p in zip(rule.sequences, seen.pictures, strict=True)]
    return {"sequences": {"reference": study.source.sequence, "drawn": study.drawn, "windows": windows}}


def grids_of(study: Study) -> dict[str, Grid]:
    """The grids of all sequences but the reference; none where only one picture is ever looked at."""
    if not study.drawn:
        return {}
    return {_name("source", part): part.grid for part in (*study.source.beside, *study.unseen)}


def arrays_of(study: Study, seen: NetworkInput) -> dict[str, NDArray[Any]]:
    """Voxels of all sequences but the reference, and the crops of those that are prepared; none as above."""
    if not study.drawn:
        return {}
    sources = (*study.source.beside, *study.unseen)
    crops = [picture for picture in seen.pictures if picture and picture.source.sequence != study.source.sequence]
    return {_name("source", part): np.asarray(np.rint(part.voxels), dtype=np.int16) for part in sources} | {
        _name("image", picture.source): np.asarray(picture.image, dtype=np.float16) for picture in crops
    }


def restored(
    source: Volume,
    seen: NetworkInput,
    stored: Mapping[str, NDArray[Any]],
    facts: Mapping[str, Any],
    grids: Mapping[str, Grid],
    whole: bool,
) -> tuple[Study, NetworkInput]:
    """The study and its pictures out of a cached file whose reference is known: as it was drawn, or as a `whole`."""
    reference = replace(source, sequence=facts["reference"])
    pictures: list[Picture | None] = []
    others: dict[str, Volume] = {}
    for name, window in facts["windows"]:
        if name != reference.sequence and f"source_{name}" in grids:
            others[name] = Volume(stored[f"source_{name}"], grids[f"source_{name}"], source.unit, source.modality, sequence=name)
        image = seen.image.voxels if name == reference.sequence else stored.get(f"image_{name}")
        part = reference if name == reference.sequence else others.get(name)
        shown = window and (whole or name in facts["drawn"])
        pictures.append(Picture(part, np.asarray(image, dtype=np.float32), *window) if shown and part and image is not None else None)
    names = [picture.source.sequence for picture in pictures if picture]
    chosen = replace(reference, beside=tuple(others.values())).only(names)
    left = tuple(part for name, part in {**others, reference.sequence: reference}.items() if name not in names)
    return Study(chosen, tuple(facts["drawn"]), left), replace(seen, pictures=tuple(pictures)).only(names)


def _name(what: str, part: Volume) -> str:
    return f"{what}_{part.sequence}"
