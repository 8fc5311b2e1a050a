"""Trains one network that outlines a large structure (the aorta) on the organ crop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cad.train.cascade import FIRST_RATE, HARD_RATE
from cad.train.checkpoints import Checkpoints
from cad.train.dataset import load_cases
from cad.train.loop import Fitted, Kept, Schedule, fit, new_network
from cad.train.losses import rare_voxels
from cad.train.recipe import Recipe
from cad.train.sampling import Crops, Patches
from cad.train.transfer import NOTHING, Start

ANCHORS = 200
PATCH_VOXELS = 80
NEVER = (0.0, 0.0, 0.0)


def train_structure(
    recipe: Recipe, paths: Sequence[Path], stages: Checkpoints, progress: Callable[[str], None], start: Start = NOTHING
) -> Fitted:
    """The stage "segment", on patches half of which lie on the structure; not trained again where `stages` holds it.

    What began from other weights (`start`) learns for as many steps as the recipe's "segment_further" says, and more slowly.
    """
    spec, begun = recipe.networks["segment"], "segment" in start.networks
    steps, rate = recipe.budget.steps["segment_further" if begun else "segment"], HARD_RATE if begun else FIRST_RATE

    def train() -> Fitted:
        sampler = Patches(_crops(paths), PATCH_VOXELS, batch=2, mirrored=NEVER)
        network = start.applied("segment", new_network(spec, recipe.seed))
        schedule = Schedule(steps, recipe.seed, rate, recipe.learning.precision)
        kept = Kept(stages.running("segment"))
        return fit(network, sampler, rare_voxels(), schedule, lambda text: progress(f"segment: {text}"), kept)

    return stages.stage("segment", spec, train)


def _crops(paths: Sequence[Path]) -> Crops:
    crops = Crops()
    for case in load_cases(paths):
        inside = np.argwhere(case.labels.voxels)
        anchors = inside[:: max(1, len(inside) // ANCHORS)]
        crops.images.append(np.asarray(case.seen.image.voxels, dtype=np.float16))
        crops.labels.append(np.asarray(case.labels.voxels))
        crops.regions.append(np.asarray(case.seen.region.voxels))
        crops.lesions.append([(int(k), int(j), int(i)) for k, j, i in anchors])
        crops.hard.append([])
    return crops
