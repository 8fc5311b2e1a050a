"""Whether a mass of 30 to 90 mm is shown, at which rank and with what confidence, by each lung model that ships.

`python benchmarks/masses.py [--data FOLDER] [--scans N]`: fresh simulated chests with one mass and nothing else, half of them on slices of
5 or 8 mm; their seeds lie outside those of every recipe. One row a version.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import numpy as np
from common import keep, table
from lung import bench, mean, share
from scipy.special import expit

from cad.networks import LoadedModel, load
from cad.simulate.phantom import Phantom
from cad.simulate.thorax import simulate_thorax
from cad.tasks.calibrating import fused_logits, shown_candidates
from cad.tasks.cascade_task import CascadeSettings
from cad.tasks.looking import score_case
from cad.tasks.lung_recipe import RECIPE, SLICE_SPACINGS_MM, acquisition
from cad.train.dataset import TrainingCase, load_case, make_seeds
from pipelines.registry.shipped import FolderModels

FIRST_SEED = 8_000_100
THICK = tuple(0.5 * (spacing >= 5) for spacing in SLICE_SPACINGS_MM)
THIN = (0.05, 0.1, 0.2, 0.25, 0.25, 0.15, 0.0, 0.0)


def chest_with_mass(seed: int) -> Phantom:
    """One mass, no nodule; even seeds on thick slices."""
    plan = acquisition(np.random.default_rng((seed, 11)), nodules=0, spacing_shares=THIN if seed % 2 else THICK)
    return simulate_thorax(seed, replace(plan, masses=1))


def main() -> None:
    """Every version on the same scans."""
    asked = bench(__doc__ or "", 40)
    recipe = replace(RECIPE, phantom=chest_with_mass)
    paths = make_seeds(recipe, range(FIRST_SEED, FIRST_SEED + asked.scans), asked.folder.parent / "masses", print)
    store = FolderModels()
    rows = {}
    for version in store.versions(RECIPE.task):
        model = load(store.path(version), version.sha256)
        rows[version.version] = row([judged(case, model) for case in map(load_case, paths) if case.lesions])
    table("chests with one mass", ("version", *next(iter(rows.values()))), [(name, *found.values()) for name, found in rows.items()])
    keep("masses", {"weights": {v.version: v.sha256 for v in store.versions(RECIPE.task)}, "versions": rows})


def judged(case: TrainingCase, model: LoadedModel) -> tuple[int, float, int]:
    """The rank of the mass among what is shown (0: not shown), its confidence, and how many look-alikes are shown."""
    settings = CascadeSettings.from_dict(model.header.settings)
    scores = score_case(case, settings.rule, model, settings.thresholds.propose)
    logits, shown = fused_logits(scores, settings.fusion), shown_candidates(scores, settings.fusion, settings.thresholds)
    order = sorted(np.flatnonzero(shown), key=lambda n: -logits[n])[: settings.max_shown]
    rank = next((place for place, n in enumerate(order, start=1) if scores.hits[n]), 0)
    confidence = settings.calibration.apply(float(expit(logits[order[rank - 1]]))) if rank else 0.0
    return rank, float(confidence), sum(not scores.hits[n] for n in order)


def row(found: list[tuple[int, float, int]]) -> dict[str, str]:
    """What is told of a version."""
    sure = [confidence for rank, confidence, _ in found if rank]
    return {
        "shown": share(sum(rank > 0 for rank, *_ in found), len(found)),
        "first": share(sum(rank == 1 for rank, *_ in found), len(found)),
        "median confidence where shown": f"{median(sure):.2f}" if sure else "-",
        "look-alikes a scan": mean([float(count) for *_, count in found]),
    }


if __name__ == "__main__":
    main()
