"""How the aorta network is trained: simulated chests, with and without contrast, normal and dilated aortas."""

from __future__ import annotations

import numpy as np

from cad.networks import NetworkSpec
from cad.prepare.inputs import InputRule
from cad.simulate.phantom import Phantom
from cad.simulate.thorax import simulate_thorax
from cad.tasks.lung_recipe import acquisition
from cad.train.recipe import Budget, Recipe, aorta


def aorta_phantom(seed: int) -> Phantom:
    """The chest of one seed; every other aorta is dilated to 36 to 62 mm."""
    rng = np.random.default_rng((seed, 13))
    widest = float(rng.uniform(36, 62)) if rng.random() < 0.5 else None
    return simulate_thorax(seed, acquisition(rng, nodules=1, aorta_max_mm=widest, contrast_share=0.6))


RECIPE = Recipe(
    task="aorta_ct",
    version="1",
    phantom=aorta_phantom,
    truth=aorta,
    rule=InputRule(region="lungs", spacing_mm=2.5, margin_mm=12, low=-200, high=400, patch_voxels=48, patch_spacing_mm=1.0),
    networks={"segment": NetworkSpec("unet", 3, 1, 1, (16, 32, 48, 64, 80))},
    budget=Budget(train=25, calibration=20, test=20, steps={"segment": 700}),
)
