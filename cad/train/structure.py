"""Trains one network that outlines a large structure (the aorta) on the organ crop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cad.train.cascade import Trained
from cad.train.dataset import load_cases
from cad.train.loop import Schedule, fit, new_network
from cad.train.losses import rare_voxels
from cad.train.recipe import Recipe
from cad.train.sampling import Crops, Patches

ANCHORS = 200
PATCH_VOXELS = 80
NEVER = (0.0, 0.0, 0.0)


def train_structure(recipe: Recipe, paths: Sequence[Path], progress: Callable[[str], None]) -> Trained:
    """One stage, "segment", on patches half of which lie on the structure."""
    network = new_network(recipe.networks["segment"], recipe.seed)
    sampler = Patches(_crops(paths), PATCH_VOXELS, batch=2, mirrored=NEVER)
    schedule = Schedule(recipe.budget.steps["segment"], recipe.seed)
    fitted = fit(network, sampler, rare_voxels(), schedule, lambda text: progress(f"segment: {text}"))
    return Trained({"segment": fitted.network}, {"segment": fitted.losses}, {})


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
