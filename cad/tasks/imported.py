"""A task's recipe over imported scans in place of phantoms: `shoken train TASK --data DIR`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cad.datasets.consensus import Agreement, least_agreement
from cad.datasets.insertion import WithNodules
from cad.datasets.layout import DataSetError
from cad.datasets.phantoms import ImportedScans
from cad.datasets.splits import PARTS, read_split
from cad.datasets.store import SCANS, DataSet, open_data
from cad.datasets.stored import read_scan
from cad.errors import Refusal
from cad.prepare.inputs import InputRule, network_input
from cad.tasks.cascade_task import CascadeTask
from cad.tasks.task import Task
from cad.train.recipe import CALIBRATION_SEEDS, TEST_SEEDS, TRAIN_SEEDS, Recipe
from cad.write.folder import write_file

BASES = dict(zip(PARTS, (TRAIN_SEEDS, CALIBRATION_SEEDS, TEST_SEEDS), strict=True))


@dataclass(frozen=True, slots=True)
class ImportedRecipe:
    """The recipe, the folder that its caches belong into, and the cases that the task cannot look at."""

    recipe: Recipe
    folder: Path
    refused: dict[str, Refusal]


def over_imported(
    task: Task, data_folder: Path, rule: Agreement, out: Path, say: Callable[[str], None], inserted: int = 0
) -> tuple[CascadeTask, Path]:
    """The task with its recipe over a data set, and the folder to train into. Raises ShokenError for a task that finds no lesions."""
    if not isinstance(task, CascadeTask):
        raise DataSetError("does not learn from imported lesions", subject=task.name, accepted="a task that detects lesions")
    made = imported_recipe(task.recipe(), data_folder, rule, out, say, inserted)
    for case, refusal in sorted(made.refused.items()):
        say(f"case {case} is left out: {refusal.reason}")
    return replace(task, recipe=lambda: made.recipe), made.folder


def imported_recipe(
    recipe: Recipe, data_folder: Path, rule: Agreement, out: Path, say: Callable[[str], None], inserted: int = 0
) -> ImportedRecipe:
    """The same networks and budget of steps over a data set, its split deciding who is trained on.

    Scans that are trained on gain up to `inserted` simulated nodules (chest CT only; see cad.datasets.insertion). Caches go below
    `out` by the data's fingerprint, the agreement and `inserted`, so that two data sets never mix. Raises DataSetError
    for a data set without a split, LeakError for one that leaks, DataSetError for a part without scans or without lesions.
    """
    data = open_data(data_folder)
    split = read_split(data)
    if inserted and recipe.rule.region != "lungs":
        raise DataSetError("takes no inserted nodules", subject=recipe.task, accepted="a task that looks through lungs")
    more = f"-with{inserted}" if inserted else ""
    folder = out / f"{data.fingerprint[:12]}-{rule.at_least}-{rule.outline}{more}"
    refused = _refusals(data, recipe.rule, folder, say)
    seeds = _seeds(data, split.parts, refused)
    counts = {part: sum(base <= seed < base + 1_000_000 for seed in seeds) for part, base in BASES.items()}
    _check(data, seeds, counts, rule)
    budget = replace(recipe.budget, train=counts["train"], calibration=counts["calibration"], test=counts["test"])
    scans = ImportedScans(data.root.resolve(), seeds, rule)
    made = replace(
        recipe,
        version=f"{recipe.version}-{data.fingerprint[:8]}{more}",
        phantom=WithNodules(scans, inserted) if inserted else scans,
        budget=budget,
        source=f"imported scans ({data.manifest['layout']}, {data.manifest['licence']}; data set {data.fingerprint[:12]}, "
        f"lesions that at least {rule.at_least} readers agree on, outlines by {rule.outline}{_said(inserted)})",
    )
    return ImportedRecipe(made, folder, refused)


def _said(inserted: int) -> str:
    return f"; training scans with up to {inserted} simulated nodules each" if inserted else ""


def _seeds(data: DataSet, parts: dict[str, tuple[str, ...]], refused: dict[str, Refusal]) -> dict[int, str]:
    """Case of each seed, the parts in their own ranges."""
    chosen: dict[int, str] = {}
    for part, base in BASES.items():
        cases = [row["case"] for row in data.cases if row["patient"] in parts[part] and row["labelled"] and row["case"] not in refused]
        chosen.update({base + n: case for n, case in enumerate(cases)})
    return chosen


LEAST_TRAINING_SCANS = 5  # what the novelty reference needs; better said before the networks are trained than after


def _check(data: DataSet, seeds: dict[int, str], counts: dict[str, int], rule: Agreement) -> None:
    rows = {row["case"]: row for row in data.cases}
    if counts["train"] < LEAST_TRAINING_SCANS:
        problem = f"has {counts['train']} scans to train on that can be used"
        raise DataSetError(problem, subject=str(data.root), accepted=f"at least {LEAST_TRAINING_SCANS}")
    for part, base in BASES.items():
        cases = [rows[case] for seed, case in seeds.items() if base <= seed < base + 1_000_000]
        sick = sum(_has_lesion(row, rule) for row in cases)
        if not sick:
            problem = f"has {counts[part]} scans that can be used in its part `{part}`, none of them with a lesion"
            raise DataSetError(problem, subject=str(data.root), accepted="scans with lesions in every part; see `shoken data check`")


def _has_lesion(row: Mapping[str, Any], rule: Agreement) -> bool:
    agreements = [lesion["agreement"] for lesion in row["lesions"]]
    return any(n >= least_agreement(len(row["readers"]), agreements, rule.at_least) for n in agreements)


def _refusals(data: DataSet, rule: InputRule, folder: Path, say: Callable[[str], None]) -> dict[str, Refusal]:
    """Cases that the task's own preparation refuses, as screening would; looked at once, then remembered."""
    path = folder / "refused.json"
    if path.is_file():
        return {case: Refusal(case, *words) for case, words in json.loads(path.read_text(encoding="utf-8")).items()}
    found = {}
    for number, row in enumerate(data.cases, start=1):
        say(f"looking at scan {number} of {len(data.cases)}")
        seen = network_input(read_scan(data.root / SCANS / row["case"]).volume, rule)
        if isinstance(seen, Refusal):
            found[row["case"]] = Refusal(row["case"], seen.reason, seen.detail)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps({case: (r.reason, r.detail) for case, r in found.items()}, sort_keys=True).encode())
    return found
