"""How well each structure is outlined on simulated scans that no training or calibration saw: Dice, HD95, NSD at 1 and 2 mm.

`python benchmarks/structures.py [--only chests|heads] [--chests N] [--heads N]`: lungs and brain (morphology) and the aorta (network) on
the scan's voxels, lung nodules and brain lesions (network) on the close-up that they are outlined in, pointed at the true place, so that
what is told is the outline and not the finding. Heads come as the recipe's do, in four sequences that do not quite fit, with the
lesions outlined from all of them and from T1 with contrast alone. A structure that was not outlined, be it because its scan cannot be
prepared, counts as Dice 0, NSD 0 and the volume's diagonal. Kept in `results/structures_chests.json` and `structures_heads.json`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from common import keep, table

from cad.errors import Refusal
from cad.networks import LoadedModel
from cad.prepare.inputs import InputRule, NetworkInput, near, network_input, patch_grid
from cad.prepare.regions import brain, lungs
from cad.prepare.resample import resample, resample_labels
from cad.score.structures import Mean, Row, StructureScore, by_structure, score_truth
from cad.segment.components import hard
from cad.segment.outline import outlined
from cad.simulate.phantom import LesionTruth, Phantom
from cad.simulate.thorax import simulate_thorax
from cad.space import Grid
from cad.tasks.aorta_ct import outline_aorta
from cad.tasks.aorta_recipe import aorta_plan
from cad.tasks.brain_recipe import head_phantom
from cad.train.recipe import TEST_SEEDS, TRAIN_SEEDS
from cad.volume import Volume
from pipelines.registry.shipped import FolderModels

FIRST_CHEST = TEST_SEEDS + 5000
FIRST_HEAD = TRAIN_SEEDS + 5000  # of the range whose heads hold two to five lesions each, beyond those that are trained on
NODULES = 4
MEASURABLE_MM = 10.0  # RECIST 1.1: below it a lesion's size is not followed
Part = Callable[[int, dict[str, LoadedModel]], Iterator[Row]]


def main() -> None:
    """A table and a file for chests, and for heads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part alone; the other's file stays as it is")
    for name in PARTS:
        parser.add_argument(f"--{name}", type=int, default=12, metavar="N")
    given = vars(parser.parse_args())
    for name in [given["only"]] if given["only"] else PARTS:
        measured(name, given[name])


def measured(name: str, scans: int) -> None:
    """One part: every scan, a line each as it goes."""
    part, first, tasks = PARTS[name]
    store, rows = FolderModels(), list[Row]()
    models = {task: store.load(store.current(task)) for task in tasks}
    for seed in range(first, first + scans):
        rows += part(seed, models)
        print(seed, flush=True)
    figures = {score.structure: told(score) for score in by_structure(rows)}
    title = f"outlines on {scans} simulated {name}"
    table(title, ("structure", *next(iter(figures.values()))), [(what, *f.values()) for what, f in figures.items()])
    versions = {task: {"version": model.version.version, "sha256": model.version.sha256} for task, model in models.items()}
    keep(f"structures_{name}", {"scans": scans, "first_seed": first, "models": versions, "rows": figures})


def in_chest(seed: int, models: dict[str, LoadedModel]) -> Iterator[Row]:
    """Lungs, aorta and nodules of one chest as the aorta is trained on, with more nodules."""
    phantom = simulate_thorax(seed, replace(aorta_plan(seed), nodules=NODULES))
    case, model = f"chest {seed}", models["aorta_ct"]
    if phantom.lungs is not None:
        yield score_truth(case, "lungs", lungs(phantom.volume), phantom.lungs)
    if phantom.aorta is not None:
        yield in_aorta(case, phantom.aorta, network_input(phantom.volume, InputRule.from_dict(model.settings["rule"])), model)
    yield from pointed(case, "lung nodule", phantom, models["lung_nodule_ct"])


def in_aorta(case: str, truth: Volume, seen: NetworkInput | Refusal, model: LoadedModel) -> Row:
    """The aorta where its map passes one half, which is finer than the crop's voxels of 2.5 mm; missed where there is no crop."""
    if isinstance(seen, Refusal):
        return score_truth(case, "aorta", nothing(truth), truth)
    return score_truth(case, "aorta", hard(resample(outline_aorta(seen, model), truth.grid, 0.0)), truth)


def in_head(seed: int, models: dict[str, LoadedModel]) -> Iterator[Row]:
    """Brain and lesions of one head as the lesions are trained on."""
    phantom, model, case = head_phantom(seed), models["brain_lesion_mr"], f"head {seed}"
    if phantom.brain is not None:
        yield score_truth(case, "brain", brain(phantom.volume), phantom.brain)
    yield from pointed(case, "brain lesion", phantom, model)
    yield from pointed(case, "brain lesion, T1c alone", replace(phantom, volume=phantom.volume.only(("T1c",))), model)


PARTS: dict[str, tuple[Part, int, tuple[str, ...]]] = {
    "chests": (in_chest, FIRST_CHEST, ("aorta_ct", "lung_nodule_ct")),
    "heads": (in_head, FIRST_HEAD, ("brain_lesion_mr",)),
}


def pointed(case: str, name: str, phantom: Phantom, model: LoadedModel) -> Iterator[Row]:
    """Every lesion of a phantom outlined at its true place, once among all and once among those of its size."""
    rule = InputRule.from_dict(model.settings["rule"])
    seen = network_input(phantom.volume, rule)
    for lesion in phantom.lesions:
        row = at_lesion(case, name, phantom, lesion, seen, rule, model)
        size = f"below {MEASURABLE_MM:g} mm" if lesion.diameter_mm < MEASURABLE_MM else f"from {MEASURABLE_MM:g} mm"
        yield from (row, replace(row, structure=f"{name}, {size}"))


def at_lesion(
    case: str, name: str, phantom: Phantom, lesion: LesionTruth, seen: NetworkInput | Refusal, rule: InputRule, model: LoadedModel
) -> Row:
    """One lesion in the close-up that screening would outline it in; as missed where the scan cannot be prepared."""
    if isinstance(seen, Refusal):
        truth = true_mask(phantom, lesion, patch_grid(lesion.centre_mm, rule.patch_voxels, rule.patch_spacing_mm))
        return score_truth(case, name, nothing(truth), truth)
    close = seen.closely(phantom.volume, lesion.centre_mm, rule.patch_voxels, rule)
    _, soft = outlined(phantom.volume, seen, lesion.centre_mm, rule, model.forward("segment"), close)
    return score_truth(case, name, hard(soft), true_mask(phantom, lesion, soft.grid))


def true_mask(phantom: Phantom, lesion: LesionTruth, grid: Grid) -> Volume:
    """One lesion's 0/1 mask on a close-up's grid, by the nearest voxel of the scan."""
    labels = resample_labels(near(phantom.lesion_labels, grid), grid)
    return labels.like((np.asarray(labels.voxels) == lesion.label).astype(np.uint8), unit="1")


def nothing(truth: Volume) -> Volume:
    """An empty mask: what was not outlined at all."""
    return truth.like(np.zeros(truth.grid.shape, np.uint8), unit="1")


def told(score: StructureScore) -> dict[str, object]:
    """Means over scans with their intervals."""
    surfaces = {f"nsd_{tolerance:g}_mm": said(mean, 2) for tolerance, mean in score.nsd}
    counts: dict[str, object] = {"scans": score.cases, "structures": score.pairs, "missed": score.missed, "without_truth": score.invented}
    return counts | {"dice": said(score.dice, 2), "hd95_mm": said(score.hd95_mm, 1), **surfaces}


def said(mean: Mean | None, digits: int) -> str:
    """A mean and its 95 % interval by resampling scans."""
    if mean is None:
        return ""
    spread = "" if mean.interval is None else f" ({mean.interval[0]:.{digits}f} to {mean.interval[1]:.{digits}f})"
    return f"{mean.mean:.{digits}f}{spread}"


if __name__ == "__main__":
    main()
