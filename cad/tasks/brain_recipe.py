"""How the brain lesion cascade is trained: simulated heads in T1, T1 with contrast, T2 and FLAIR, thin to thick slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cad.prepare.inputs import InputRule
from cad.prepare.resample import resample
from cad.simulate.head import HeadPlan, Sequence, simulate_sequences
from cad.simulate.phantom import Phantom
from cad.space import Grid
from cad.train.augment import Draw
from cad.train.recipe import CALIBRATION_SEEDS, Budget, Learning, Recipe, cascade_networks, lesions
from cad.volume import Volume

HEIGHT_MM, DEPTH_MM, WIDTH_MM = 180.0, 240.0, 200.0
SLICE_SPACINGS_MM = (1.0, 1.5, 3.0, 5.0)
SPACING_SHARES = (0.08, 0.17, 0.35, 0.40)
THICKER = 0.5  # so often a further sequence is taken in thicker slices than the finest one
MOVED_MM = 0.4  # what registration leaves
SEQUENCES: tuple[Sequence, ...] = ("T1c", "FLAIR", "T2", "T1")
DRAW = Draw(whole=0.3, alone=(0.35, 0.15, 0.0, 0.0))  # T1c alone is learned slowly beside FLAIR; T2 or T1 alone is not screened
MIDDLE = 1 / 3  # where the window of an MR has the median of its tissue (cad.prepare.intensity.tissue_window)


def head_phantom(seed: int) -> Phantom:
    """The head of one seed in all sequences: a random acquisition; many lesions for training, as few as in life for calibration and test.

    The first sequence is the reference; each further one may be thicker, and lies a little off as registration leaves it.
    """
    rng = np.random.default_rng((seed, 12))
    count = int(rng.integers(2, 6)) if seed < CALIBRATION_SEEDS else int(rng.choice([0, 1, 2, 3], p=[0.4, 0.3, 0.2, 0.1]))
    dz = float(rng.choice(SLICE_SPACINGS_MM, p=SPACING_SHARES))
    pixel = float(rng.uniform(0.9, 1.1))
    plan = HeadPlan(
        shape=(round(HEIGHT_MM / dz), round(DEPTH_MM / pixel), round(WIDTH_MM / pixel)),
        spacing_mm=(dz, pixel, pixel),
        lesions=count,
        noise=float(rng.uniform(0.01, 0.06)),
        bias=float(rng.uniform(0.0, 0.25)),
    )
    first, *others = simulate_sequences(seed, plan, SEQUENCES).values()
    beside = tuple(_another(scan.volume, rng) for scan in others)
    return replace(first, volume=replace(first.volume, beside=beside))


def _another(volume: Volume, rng: np.random.Generator) -> Volume:
    """A sequence as it was taken beside the reference: often in thicker slices, never quite in place."""
    thicker = [mm for mm in SLICE_SPACINGS_MM if mm > volume.grid.spacing_mm[0]]
    taken = volume
    if thicker and rng.random() < THICKER:
        grid = volume.grid.with_spacing((float(rng.choice(thicker)), *volume.grid.spacing_mm[1:]))
        taken = replace(resample(volume, grid, fill=0.0), sequence=volume.sequence)
    affine = taken.grid.affine.copy()
    affine[:3, 3] += rng.normal(0, MOVED_MM, 3)
    return replace(taken, grid=Grid(taken.grid.shape, affine))


RECIPE = Recipe(
    task="brain_lesion_mr",
    version="3",
    phantom=head_phantom,
    truth=lesions,
    rule=InputRule(
        region="brain",
        spacing_mm=1.5,
        margin_mm=6,
        low=None,
        high=None,
        patch_voxels=48,
        patch_spacing_mm=1.0,
        sequences=SEQUENCES,
    ),
    networks=cascade_networks(planes=3, sequences=len(SEQUENCES), middle=MIDDLE),
    draw=DRAW,
    learning=Learning(pasted=0.0),  # a pasted lesion would bring neither its oedema nor the look of its own sequences' slices
    budget=Budget(
        train=240,
        calibration=120,
        test=100,
        validation=12,
        tuning=40,
        screened=16,
        steps={
            "triage": 600,
            "triage_hard": 200,
            "propose": 1500,
            "propose_hard": 400,
            "reduce": 700,
            "reduce_hard": 250,
            "second": 350,
            "second_hard": 120,
            "segment": 250,
        },
    ),
)
