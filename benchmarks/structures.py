"""How well each structure is outlined on simulated scans that no training or calibration saw: Dice, HD95, NSD at 1 and 2 mm.

`python benchmarks/structures.py [CHESTS] [HEADS]`: lungs and brain (morphology, on the scan's voxels), the aorta (network, on its 2.5 mm
crop), lung nodules and brain lesions (network, on its 1 mm close-up, pointed at the true place, so that what is told is the outline and
not the finding). A structure that was not outlined counts as Dice 0, NSD 0 and the volume's diagonal. Kept in `results/structures.json`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from common import keep, table

from cad.errors import Refusal
from cad.networks import LoadedModel
from cad.prepare.inputs import InputRule, close_up, label_patch, network_input, scaled
from cad.prepare.regions import brain, lungs
from cad.prepare.resample import resample_labels
from cad.score.structures import Mean, Row, StructureScore, by_structure, score_truth
from cad.segment.components import component_at, hard
from cad.segment.network import probability
from cad.simulate.head import HeadPlan, simulate_head
from cad.simulate.phantom import Phantom
from cad.simulate.thorax import simulate_thorax
from cad.tasks.aorta_ct import outline_aorta
from cad.tasks.aorta_recipe import aorta_plan
from cad.train.recipe import TEST_SEEDS
from pipelines.registry.shipped import FolderModels

FIRST = TEST_SEEDS + 5000
NODULES = 4
HEAD_SLICES_MM = (1.0, 1.5, 3.0, 5.0)


def main(chests: int, heads: int) -> None:
    """A table and the file."""
    models = FolderModels()
    aorta, nodules, lesions = (models.load(models.current(task)) for task in ("aorta_ct", "lung_nodule_ct", "brain_lesion_mr"))
    rows: list[Row] = []
    for seed in range(FIRST, FIRST + chests):
        rows += in_chest(seed, aorta, nodules)
    for seed in range(FIRST, FIRST + heads):
        rows += in_head(seed, lesions)
    figures = {score.structure: told(score) for score in by_structure(rows)}
    title = f"outlines on {chests} simulated chests and {heads} heads"
    table(title, ("structure", *next(iter(figures.values()))), [(name, *f.values()) for name, f in figures.items()])
    weights = {model.header.task: model.version.sha256 for model in (aorta, nodules, lesions)}
    keep("structures", {"chests": chests, "heads": heads, "first_seed": FIRST, "weights": weights, "rows": figures})


def in_chest(seed: int, aorta: LoadedModel, nodules: LoadedModel) -> Iterator[Row]:
    """Lungs, aorta and nodules of one chest as the aorta is trained on, with more nodules."""
    phantom = simulate_thorax(seed, replace(aorta_plan(seed), nodules=NODULES))
    case = f"chest {seed}"
    if phantom.lungs is not None:
        yield score_truth(case, "lungs", lungs(phantom.volume), phantom.lungs)
    seen = network_input(phantom.volume, InputRule.from_dict(aorta.settings["rule"]))
    if phantom.aorta is not None and not isinstance(seen, Refusal):
        yield score_truth(case, "aorta", hard(outline_aorta(seen, aorta)), resample_labels(phantom.aorta, seen.image.grid))
    yield from pointed(case, "lung nodule", phantom, nodules)


def in_head(seed: int, model: LoadedModel) -> Iterator[Row]:
    """Brain and lesions of one head, T1 with contrast."""
    slice_mm = HEAD_SLICES_MM[seed % len(HEAD_SLICES_MM)]
    phantom = simulate_head(seed, HeadPlan((round(180 / slice_mm), 240, 200), (slice_mm, 1.0, 1.0)))
    if phantom.brain is not None:
        yield score_truth(f"head {seed}", "brain", brain(phantom.volume), phantom.brain)
    yield from pointed(f"head {seed}", "brain lesion", phantom, model)


def pointed(case: str, name: str, phantom: Phantom, model: LoadedModel) -> Iterator[Row]:
    """Every lesion of a phantom outlined at its true place; none where the scan cannot be prepared."""
    rule = InputRule.from_dict(model.settings["rule"])
    seen = network_input(phantom.volume, rule)
    if isinstance(seen, Refusal):
        return
    for lesion in phantom.lesions:
        truth = label_patch(phantom.lesion_labels, lesion.centre_mm, rule.patch_voxels, rule)
        close = scaled(close_up(phantom.volume, lesion.centre_mm, rule.patch_voxels, rule), seen.low, seen.high)
        soft = component_at(probability(close, model.forward("segment")), lesion.centre_mm)
        yield score_truth(case, name, hard(soft), truth.like((np.asarray(truth.voxels) == lesion.label).astype(np.uint8), unit="1"))


def told(score: StructureScore) -> dict[str, object]:
    """Means over scans with their intervals."""
    surfaces = {f"nsd_{tolerance:g}_mm": said(mean, 2) for tolerance, mean in score.nsd}
    counts: dict[str, object] = {"scans": score.cases, "structures": score.pairs, "missed": score.missed}
    return counts | {"dice": said(score.dice, 2), "hd95_mm": said(score.hd95_mm, 1), **surfaces}


def said(mean: Mean | None, digits: int) -> str:
    """A mean and its 95 % interval by resampling scans."""
    if mean is None:
        return ""
    spread = "" if mean.interval is None else f" ({mean.interval[0]:.{digits}f} to {mean.interval[1]:.{digits}f})"
    return f"{mean.mean:.{digits}f}{spread}"


if __name__ == "__main__":
    counts = [int(value) for value in sys.argv[1:3]]
    main(*counts, *(20, 20)[len(counts) :])
