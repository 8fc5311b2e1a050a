"""How hard the lesions of the lung recipe are, and which of them the shipped model shows: by size, slice spacing, noise and kind.

`python benchmarks/difficulty.py [--data FOLDER] [--scans N]`: the held-out chests, and of the calibration chests those that chose nothing.
The interval draws patients. "marked" is what propose finds at its threshold, "shown" what the whole cascade leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from common import keep, table
from lung import bench

from cad.networks import LoadedModel
from cad.score.bootstrap import bootstrap
from cad.tasks.calibrating import shown_lesions
from cad.tasks.cascade_task import CascadeSettings
from cad.tasks.looking import score_case
from cad.tasks.lung_recipe import RECIPE, chest_plan
from cad.train.dataset import TrainingCase, load_case, make_cases

THICK_MM, NOISY_HU = 2.5, 15.0


@dataclass(frozen=True)
class Seen:
    """One lesion: how it was scanned, and how far it came."""

    diameter_mm: float
    kind: str
    thick: bool
    noisy: bool
    marked: bool
    shown: bool


Wanted = Callable[[Seen], bool]


def sized(low: float, high: float, thick: bool | None = None, noisy: bool | None = None) -> Wanted:
    """Lesions of a size, on thick slices or not, in noise or not (None: either)."""
    return lambda seen: low <= seen.diameter_mm < high and thick in (None, seen.thick) and noisy in (None, seen.noisy)


def of_kind(kind: str) -> Wanted:
    """Lesions of a kind."""
    return lambda seen: seen.kind == kind


ROWS: dict[str, Wanted] = {
    "all": lambda _: True,
    "under 6 mm, slices to 2.5 mm, noise to 15 HU": sized(0, 6, thick=False, noisy=False),
    "under 6 mm, slices to 2.5 mm, more noise": sized(0, 6, thick=False, noisy=True),
    "under 6 mm, thicker slices, noise to 15 HU": sized(0, 6, thick=True, noisy=False),
    "under 6 mm, thicker slices, more noise": sized(0, 6, thick=True, noisy=True),
    "6 to 15 mm, slices to 2.5 mm": sized(6, 15, thick=False),
    "6 to 15 mm, thicker slices": sized(6, 15, thick=True),
    "15 to 30 mm": sized(15, 30),
    "30 mm and more": sized(30, 1000),
    "solid": of_kind("solid"),
    "part-solid": of_kind("part_solid"),
    "ground-glass": of_kind("ground_glass"),
    "calcified": of_kind("calcified"),
}


def main() -> None:
    """Two tables: the held-out chests, and the larger set that the certificate was made from."""
    asked = bench(__doc__ or "", RECIPE.budget.calibration)
    tuned = RECIPE.budget.tuning
    parts = {
        "held out": make_cases(RECIPE.at_most(asked.scans, "test"), "test", asked.folder, print),
        "certification": make_cases(RECIPE.at_most(asked.scans, "calibration"), "calibration", asked.folder, print)[tuned:],
    }
    kept = {}
    for name, paths in parts.items():
        found = [group for path in paths if (group := lesions_of(load_case(path), asked.model))]
        rows = {title: told(found, wanted) for title, wanted in ROWS.items()}
        table(
            f"{name}: {len(paths)} chests, {len(found)} with lesions",
            ("lesions", "n", "marked", "shown"),
            [(k, *v) for k, v in rows.items()],
        )
        kept[name] = rows
    keep("difficulty", {"weights": asked.model.version.sha256, **kept})


def lesions_of(case: TrainingCase, model: LoadedModel) -> tuple[Seen, ...]:
    """Every lesion of one chest."""
    if not case.lesions:
        return ()
    settings, plan = CascadeSettings.from_dict(model.header.settings), chest_plan(case.seed)
    scores = score_case(case, settings.rule, model, settings.thresholds.propose)
    shown = shown_lesions(scores, settings.fusion, settings.thresholds)
    thick, noisy = plan.spacing_mm[0] > THICK_MM, plan.noise_hu > NOISY_HU
    return tuple(Seen(x.diameter_mm, x.kind, thick, noisy, x.label in scores.hits, x.label in shown) for x in case.lesions)


def told(patients: Sequence[tuple[Seen, ...]], wanted: Wanted) -> tuple[int, str, str]:
    """How many lesions, and the shares marked and shown."""
    groups = [chosen for patient in patients if (chosen := [seen for seen in patient if wanted(seen)])]
    return sum(map(len, groups)), share(groups, lambda seen: seen.marked), share(groups, lambda seen: seen.shown)


def share(groups: Sequence[Sequence[Seen]], hit: Wanted) -> str:
    """The share with its 95 % interval by patient."""
    if not groups:
        return "-"

    def at(drawn: Sequence[Sequence[Seen]]) -> float:
        return float(np.mean([hit(seen) for group in drawn for seen in group]))

    low, high = bootstrap(at, groups)
    return f"{at(groups):.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
