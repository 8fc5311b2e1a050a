"""The shipped lung model and simulated chests, for the benchmarks about confidence, novelty, heat maps and attacks."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import ROOT

from cad.networks import LoadedModel, load, sha256_of
from cad.score.proportion import clopper_pearson
from cad.tasks.lung_recipe import RECIPE, chest_plan
from cad.train.dataset import TrainingCase, load_case, make_cases
from pipelines.registry.shipped import FolderModels


@dataclass(frozen=True)
class Bench:
    """What a benchmark was told: the model, where scans are cached, and how many of each part it may use."""

    model: LoadedModel
    folder: Path
    scans: int

    def cases(self, part: str, *, with_lesions: bool = False) -> Iterator[TrainingCase]:
        """The first scans of a part ("train", "calibration", "test"), made where they are not cached; or only those that hold lesions."""
        recipe = RECIPE.at_most(self.scans, part)
        paths = zip(recipe.seeds(part), make_cases(recipe, part, self.folder, print), strict=True)
        return (load_case(path) for seed, path in paths if not with_lesions or planned(seed))


def planned(seed: int) -> bool:
    """Whether the scan of a seed is to hold lesions, without reading it."""
    plan = chest_plan(seed)
    return bool(plan.nodules or plan.masses)


def bench(what: str, scans: int) -> Bench:
    """From the command line: `--model FILE`, `--data FOLDER`, `--scans N`."""
    parser = argparse.ArgumentParser(description=what)
    shipped = FolderModels()
    parser.add_argument("--model", type=Path, default=shipped.path(shipped.current(RECIPE.task)))
    parser.add_argument("--data", type=Path, default=ROOT / "out" / "training" / "lung_nodule_ct" / "data")
    parser.add_argument("--scans", type=int, default=scans)
    given = parser.parse_args()
    return Bench(load(given.model, sha256_of(given.model)), given.data, given.scans)


def share(k: int, n: int) -> str:
    """k of n with the exact 95 % interval."""
    if not n:
        return "not measured"
    low, high = clopper_pearson(k, n)
    return f"{k}/{n} = {k / n:.2f} ({low:.2f} to {high:.2f})"


def mean(values: list[float]) -> str:
    """A mean and its 95 % interval (normal, values taken for independent)."""
    if len(values) < 2:
        return "not measured"
    half = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return f"{np.mean(values):.3f} ({np.mean(values) - half:.3f} to {np.mean(values) + half:.3f})"
