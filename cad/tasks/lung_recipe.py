"""How the lung nodule cascade is trained: simulated chests under many scanners, seen as in screening."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cad.prepare.inputs import InputRule
from cad.simulate.acquisition import Kernel
from cad.simulate.phantom import Phantom
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.train.recipe import CALIBRATION_SEEDS, CASCADE_NETWORKS, TEST_SEEDS, Budget, Recipe, lesions

WIDTH_MM, DEPTH_MM, HEIGHT_MM = 345.0, 280.0, 280.0
SLICE_SPACINGS_MM = (0.625, 1.0, 1.25, 2.0, 2.5, 3.0, 5.0, 8.0)
SLICE_SPACING_SHARES = (0.02, 0.07, 0.17, 0.2, 0.28, 0.12, 0.11, 0.03)
LEARNED_SPACING_SHARES = (0.03, 0.1, 0.17, 0.16, 0.2, 0.12, 0.14, 0.08)  # thick slices favoured: they are the hardest to learn
LEARNED_MASS_SHARE, MASS_SHARE = 0.25, 0.08  # of the chests that hold nodules: how many hold a mass of 30 to 90 mm too
KERNELS: tuple[Kernel, ...] = ("soft", "standard", "sharp", "iterative")


def chest_phantom(seed: int) -> Phantom:
    """The chest of one seed."""
    return simulate_thorax(seed, chest_plan(seed))


def chest_plan(seed: int) -> ThoraxPlan:
    """What is scanned for one seed: a random acquisition, with nodules by LIDC-IDRI's statistics.

    Training chests hold 4 to 8, large and rare ones and thick slices favoured so that no kind is missing; 85 % of the calibration
    chests hold some, since a certificate counts patients with lesions; 20 % of the test chests do. Some of all these hold a mass.
    """
    rng = np.random.default_rng((seed, 11))
    lot = np.random.default_rng((seed, 31)).random()
    if seed < CALIBRATION_SEEDS:
        plan = acquisition(rng, nodules=int(rng.integers(4, 9)), partial_share=0.1, spacing_shares=LEARNED_SPACING_SHARES)
        return replace(plan, size_power=0.25, rare_power=0.6, masses=int(lot < LEARNED_MASS_SHARE))
    positive = rng.random() < (0.85 if seed < TEST_SEEDS else 0.2)
    plan = acquisition(rng, nodules=int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])) * positive)
    return replace(plan, masses=int(positive and lot < MASS_SHARE))


def acquisition(
    rng: np.random.Generator,
    nodules: int,
    aorta_max_mm: float | None = None,
    contrast_share: float = 0.5,
    partial_share: float = 0.0,
    spacing_shares: tuple[float, ...] = SLICE_SPACING_SHARES,
) -> ThoraxPlan:
    """A scanner setting drawn at random: spacing, coverage, dose, kernel, motion, contrast.

    Slices of 0.625 mm, and a share of the others, cover only part of the chest.
    """
    dz = float(rng.choice(SLICE_SPACINGS_MM, p=spacing_shares))
    pixel = float(0.62 + 0.46 * rng.beta(2.6, 1.4))
    partial = rng.random() < partial_share or dz < 1
    height = float(rng.uniform(0.45, 0.8)) * HEIGHT_MM if partial and partial_share else HEIGHT_MM
    kernel = KERNELS[int(rng.choice(4, p=(0.35, 0.2, 0.3, 0.15)))]
    return ThoraxPlan(
        shape=(round(height / dz), round(DEPTH_MM / pixel), round(WIDTH_MM / pixel)),
        spacing_mm=(dz, pixel, pixel),
        nodules=nodules,
        aorta_max_mm=aorta_max_mm,
        contrast=bool(rng.random() < contrast_share),
        noise_hu=float(np.exp(rng.uniform(np.log(6), np.log(45)))),
        kernel=kernel,
        motion_mm=float(rng.choice([0.0, rng.uniform(0.5, 4)])),
    )


RECIPE = Recipe(
    task="lung_nodule_ct",
    version="4",
    phantom=chest_phantom,
    truth=lesions,
    rule=InputRule(region="lungs", spacing_mm=1.5, margin_mm=6, low=-1000, high=400, patch_voxels=48, patch_spacing_mm=1.0),
    networks=CASCADE_NETWORKS,
    budget=Budget(
        train=242,
        calibration=340,
        test=200,
        validation=12,
        tuning=60,
        screened=60,
        steps={
            "triage": 700,
            "triage_hard": 350,
            "propose": 1600,
            "propose_hard": 800,
            "reduce": 800,
            "reduce_hard": 300,
            "second": 700,
            "second_hard": 250,
            "segment": 1800,
        },
    ),
)
