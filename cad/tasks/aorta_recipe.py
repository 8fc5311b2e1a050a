"""How the aorta's networks are trained: simulated chests, plain and with contrast, healthy, dilated, calcified and dissected aortas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cad.networks import NetworkSpec
from cad.prepare.inputs import InputRule
from cad.simulate.aortic_disease import AorticDisease
from cad.simulate.phantom import Phantom
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.tasks.lung_recipe import acquisition
from cad.train.recipe import TRAIN_SEEDS, Budget, Recipe, aorta

CONTRAST_SHARE = 0.45
PLAIN_SEEDS = range(TRAIN_SEEDS + 48, TRAIN_SEEDS + 96)  # the second half of what is learned from: the hardest borders, seen more often


def aorta_plan(seed: int) -> ThoraxPlan:
    """What is scanned for one seed: half of the ascending limbs are dilated to 36 to 62 mm, and any aorta may ail otherwise besides."""
    rng = np.random.default_rng((seed, 13))
    widest = float(rng.uniform(36, 62)) if rng.random() < 0.5 else None
    plan = acquisition(rng, nodules=1, aorta_max_mm=widest, contrast_share=0.0 if seed in PLAIN_SEEDS else CONTRAST_SHARE)
    return replace(plan, aorta_disease=AorticDisease.draw(np.random.default_rng((seed, 17))))


def aorta_phantom(seed: int) -> Phantom:
    """The chest of one seed."""
    return simulate_thorax(seed, aorta_plan(seed))


RECIPE = Recipe(
    task="aorta_ct",
    version="3",
    phantom=aorta_phantom,
    truth=aorta,
    rule=InputRule(region="lungs", spacing_mm=2.5, margin_mm=12, low=-200, high=400, patch_voxels=48, patch_spacing_mm=1.0),
    networks={
        "segment": NetworkSpec("unet", 3, 1, 1, (16, 32, 48, 64, 80)),
        "diameter": NetworkSpec("resnet", 2, 3, 2, (16, 32, 48, 64)),
    },
    budget=Budget(train=96, calibration=30, test=24, steps={"segment": 1000, "segment_further": 200, "diameter": 4500}),
)
