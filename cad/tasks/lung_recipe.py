"""How the lung nodule cascade is trained: simulated chests under many scanners, seen as in screening."""

from __future__ import annotations

import numpy as np

from cad.prepare.inputs import InputRule
from cad.simulate.phantom import Phantom
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.train.recipe import CALIBRATION_SEEDS, CASCADE_NETWORKS, Budget, Recipe, lesions

WIDTH_MM, DEPTH_MM, HEIGHT_MM = 350.0, 300.0, 280.0
SLICE_SPACINGS_MM = (1.25, 2.0, 2.5, 3.0, 5.0)
SLICE_SPACING_SHARES = (0.1, 0.25, 0.4, 0.15, 0.1)


def chest_phantom(seed: int) -> Phantom:
    """The chest of one seed: a random acquisition; many nodules for training, as few as in life for calibration and test."""
    rng = np.random.default_rng((seed, 11))
    training = seed < CALIBRATION_SEEDS
    count = int(rng.integers(3, 7)) if training else int(rng.choice([0, 1, 2, 3], p=[0.4, 0.3, 0.2, 0.1]))
    return simulate_thorax(seed, acquisition(rng, nodules=count))


def acquisition(rng: np.random.Generator, nodules: int, aorta_max_mm: float | None = None, contrast_share: float = 0.5) -> ThoraxPlan:
    """A scanner setting drawn at random: spacing, dose, kernel, contrast."""
    dz = float(rng.choice(SLICE_SPACINGS_MM, p=SLICE_SPACING_SHARES))
    pixel = float(rng.uniform(0.85, 1.15))
    return ThoraxPlan(
        shape=(round(HEIGHT_MM / dz), round(DEPTH_MM / pixel), round(WIDTH_MM / pixel)),
        spacing_mm=(dz, pixel, pixel),
        nodules=nodules,
        aorta_max_mm=aorta_max_mm,
        contrast=bool(rng.random() < contrast_share),
        noise_hu=float(rng.uniform(6, 35)),
        kernel="sharp" if rng.random() < 0.4 else "soft",
    )


RECIPE = Recipe(
    task="lung_nodule_ct",
    version="1",
    phantom=chest_phantom,
    truth=lesions,
    rule=InputRule(region="lungs", spacing_mm=1.5, margin_mm=6, low=-1000, high=400, patch_voxels=48, patch_spacing_mm=1.0),
    networks=CASCADE_NETWORKS,
    budget=Budget(
        train=120,
        calibration=50,
        test=40,
        steps={"triage": 400, "propose": 600, "propose_hard": 200, "reduce": 500, "reduce_hard": 200, "segment": 300},
    ),
)
