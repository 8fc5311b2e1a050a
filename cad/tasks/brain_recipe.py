"""How the brain lesion cascade is trained: simulated heads, T1 with contrast or FLAIR, thin to thick slices."""

from __future__ import annotations

import numpy as np

from cad.prepare.inputs import InputRule
from cad.simulate.head import HeadPlan, simulate_head
from cad.simulate.phantom import Phantom
from cad.train.recipe import CALIBRATION_SEEDS, CASCADE_NETWORKS, Budget, Recipe, lesions

HEIGHT_MM, DEPTH_MM, WIDTH_MM = 180.0, 240.0, 200.0
SLICE_SPACINGS_MM = (1.0, 1.5, 3.0, 5.0)


def head_phantom(seed: int) -> Phantom:
    """The head of one seed: a random acquisition; many lesions for training, as few as in life for calibration and test."""
    rng = np.random.default_rng((seed, 12))
    count = int(rng.integers(2, 6)) if seed < CALIBRATION_SEEDS else int(rng.choice([0, 1, 2, 3], p=[0.4, 0.3, 0.2, 0.1]))
    dz = float(rng.choice(SLICE_SPACINGS_MM))
    pixel = float(rng.uniform(0.9, 1.1))
    plan = HeadPlan(
        shape=(round(HEIGHT_MM / dz), round(DEPTH_MM / pixel), round(WIDTH_MM / pixel)),
        spacing_mm=(dz, pixel, pixel),
        lesions=count,
        sequence="T1c" if rng.random() < 0.65 else "FLAIR",
        noise=float(rng.uniform(0.01, 0.06)),
        bias=float(rng.uniform(0.0, 0.25)),
    )
    return simulate_head(seed, plan)


RECIPE = Recipe(
    task="brain_lesion_mr",
    version="2",
    phantom=head_phantom,
    truth=lesions,
    rule=InputRule(region="brain", spacing_mm=1.5, margin_mm=6, low=None, high=None, patch_voxels=48, patch_spacing_mm=1.0),
    networks=CASCADE_NETWORKS,
    budget=Budget(
        train=30,
        calibration=20,
        test=20,
        validation=4,
        tuning=10,
        steps={
            "triage": 250,
            "triage_hard": 100,
            "propose": 350,
            "propose_hard": 150,
            "reduce": 250,
            "reduce_hard": 100,
            "second": 200,
            "second_hard": 80,
            "segment": 150,
        },
    ),
)
