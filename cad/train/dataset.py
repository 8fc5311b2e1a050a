"""Phantoms made once, prepared as in screening, cached on disk, with a digest each and a fingerprint of all.

Of a study of several MR sequences all are cached. Which of them the study is shown with is drawn once from its seed: most hospitals
do not take every sequence of every patient. What is trained on is prepared with all of them, since training leaves some out itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cad.errors import Refusal, ShokenError
from cad.networks import sha256_of
from cad.prepare.inputs import InputRule, NetworkInput, network_input
from cad.prepare.resample import resample_labels
from cad.simulate.phantom import LesionTruth, Phantom
from cad.space import Grid
from cad.train.recipe import CALIBRATION_SEEDS, Recipe
from cad.train.sequences import Study, arrays_of, facts_of, grids_of, restored, study_of
from cad.volume import Volume

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCase:
    """One phantom as the networks see it: the crop, its labels, and the source they came from.

    `labels` holds lesion numbers (or 1 for the aorta) on the crop's grid. `unseen` are sequences of the study that are not shown.
    """

    seed: int
    source: Volume
    source_labels: Volume
    seen: NetworkInput
    labels: Volume
    lesions: tuple[LesionTruth, ...]
    truth: dict[str, Any]
    unseen: tuple[Volume, ...] = ()

    def shown_with(self, sequences: Sequence[str], rule: InputRule) -> TrainingCase:
        """The same study with these sequences alone, prepared anew as in screening. Raises ShokenError where it cannot be."""
        source = replace(self.source, beside=(*self.source.beside, *self.unseen)).only(sequences)
        seen = _prepared(source, rule, self.seed)
        return replace(self, source=source, seen=seen, labels=resample_labels(self.source_labels, seen.image.grid))


def make_cases(recipe: Recipe, part: str, folder: Path, progress: Callable[[str], None], workers: int = 2) -> tuple[Path, ...]:
    """Make the phantoms of one part that are not cached yet; returns their files in seed order."""
    return make_seeds(recipe, recipe.seeds(part), folder, lambda said: progress(f"{part}: {said}"), workers)


def make_seeds(recipe: Recipe, seeds: Sequence[int], folder: Path, progress: Callable[[str], None], workers: int = 2) -> tuple[Path, ...]:
    """The same for any seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [seed for seed in seeds if not _file(folder, recipe, seed).is_file()]
    for done, seed in enumerate(mapped(partial(_make, recipe=recipe, folder=folder), missing, workers), start=1):
        progress(f"phantom {seed} ({done} of {len(missing)})")
    return tuple(_file(folder, recipe, seed) for seed in seeds)


def mapped(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """`work` of every item in order, in worker processes where there are several of both."""
    if workers < 2 or len(items) < 2:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, items)


def load_case(path: Path, *, whole: bool = False) -> TrainingCase:
    """One cached case, with the sequences that were drawn for it; `whole`: with all that it was prepared with."""
    with np.load(path, allow_pickle=False) as stored:
        facts = json.loads(str(stored["facts"]))
        grids = {name: Grid(tuple(facts["grids"][name]["shape"]), np.asarray(facts["grids"][name]["affine"])) for name in facts["grids"]}
        modality, unit = facts["modality"], facts["unit"]
        seen = NetworkInput(
            Volume(stored["image"].astype(np.float32), grids["crop"], "1", modality),
            Volume(_dense(stored, "region", grids["crop"]), grids["crop"], "1", modality),
            facts["low"],
            facts["high"],
        )
        labelled = grids.get("labels", grids["source"])
        case = TrainingCase(
            seed=facts["seed"],
            source=Volume(stored["source"], grids["source"], unit, modality),
            source_labels=Volume(_dense(stored, "source_labels", labelled), labelled, "1", modality),
            seen=seen,
            labels=Volume(_dense(stored, "labels", grids["crop"]), grids["crop"], "1", modality),
            lesions=tuple(LesionTruth(**{**lesion, "centre_mm": tuple(lesion["centre_mm"])}) for lesion in facts["lesions"]),
            truth=facts["truth"],
        )
        if "sequences" not in facts:
            return case
        study, seen = restored(case.source, seen, stored, facts["sequences"], grids, whole)
        return replace(case, source=study.source, seen=seen, unseen=study.unseen)


def load_cases(paths: Sequence[Path], *, whole: bool = False) -> Iterator[TrainingCase]:
    """Cached cases one after another, so that only one source is in memory at a time; `whole` as for `load_case`."""
    return (load_case(path, whole=whole) for path in paths)


def fingerprint(paths: Sequence[Path]) -> str:
    """One digest over the digests of all files, in order: the same data, the same fingerprint."""
    return hashlib.sha256("".join(sha256_of(path) for path in paths).encode()).hexdigest()


def _file(folder: Path, recipe: Recipe, seed: int) -> Path:
    return folder / f"{recipe.task}-{seed}.npz"


def _make(seed: int, recipe: Recipe, folder: Path) -> int:
    phantom = recipe.phantom(seed)
    study = study_of(phantom.volume, recipe.rule, recipe.draw, seed, trained_on=seed < CALIBRATION_SEEDS)
    seen = _prepared(study.source, recipe.rule, seed)
    target = _file(folder, recipe, seed)
    partial_file = target.with_suffix(".part")
    with partial_file.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **_arrays(seed, phantom, study, seen, recipe))
    partial_file.rename(target)
    return seed


def _prepared(source: Volume, rule: InputRule, seed: int) -> NetworkInput:
    seen = network_input(source, rule)
    if isinstance(seen, Refusal):
        raise ShokenError(f"the phantom cannot be prepared: {seen.detail}", subject=f"seed {seed}")
    return seen


def _arrays(seed: int, phantom: Phantom, study: Study, seen: NetworkInput, recipe: Recipe) -> dict[str, NDArray[Any]]:
    labelled = recipe.truth(phantom)
    grids = {"source": study.source.grid, "crop": seen.image.grid, **grids_of(study)}
    if labelled.grid != study.source.grid:
        grids["labels"] = labelled.grid
    facts = {
        "seed": seed,
        "modality": phantom.volume.modality,
        "unit": phantom.volume.unit,
        "low": seen.low,
        "high": seen.high,
        "grids": {name: {"shape": grid.shape, "affine": grid.affine.tolist()} for name, grid in grids.items()},
        "lesions": [asdict(lesion) for lesion in phantom.lesions],
        "truth": {"aorta_max_mm": _widest_in_scan_mm(phantom), **_course(phantom, labelled)},
        **facts_of(study, seen, recipe.rule),
    }
    return {
        "source": np.asarray(np.rint(study.source.voxels), dtype=np.int16),
        "image": np.asarray(seen.image.voxels, dtype=np.float16),
        "facts": np.asarray(json.dumps(facts, sort_keys=True)),
        **_packed("source_labels", labelled),
        **_packed("region", seen.region),
        **_packed("labels", resample_labels(labelled, seen.image.grid)),
        **arrays_of(study, seen),
    }


def _packed(name: str, labels: Volume) -> dict[str, NDArray[Any]]:
    """Labels as what is not zero and where, one bit a voxel: a sixth of the room, and the file is read as quickly."""
    values = np.asarray(labels.voxels, dtype=np.uint8).ravel()
    return {f"{name}_where": np.packbits(values > 0), f"{name}_what": values[values > 0]}


def _dense(stored: Mapping[str, NDArray[Any]], name: str, grid: Grid) -> NDArray[np.uint8]:
    values = np.zeros(int(np.prod(grid.shape)), dtype=np.uint8)
    values[np.unpackbits(stored[f"{name}_where"], count=values.size).view(bool)] = stored[f"{name}_what"]
    return values.reshape(grid.shape)


def _course(phantom: Phantom, labelled: Volume) -> dict[str, list[list[float]]]:
    """Where the aorta is what is learnt: its centreline as it was drawn, with the outer diameter there (x, y, z, diameter; mm)."""
    if labelled is not phantom.aorta:
        return {}
    points = zip(phantom.aorta_centreline_mm, phantom.aorta_diameters_mm, strict=True)
    return {"aorta_course_mm": [[*point, diameter] for point, diameter in points]}


def _widest_in_scan_mm(phantom: Phantom) -> float:
    """The true largest diameter among centreline points that the scan holds; 0 where there is no aorta."""
    box = phantom.volume.grid.box()
    points = zip(phantom.aorta_centreline_mm, phantom.aorta_diameters_mm, strict=True)
    return max((diameter for point, diameter in points if box.contains(point)), default=0.0)
