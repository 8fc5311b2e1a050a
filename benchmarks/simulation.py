"""What a simulated training chest costs, and how its nodules compare with LIDC-IDRI's: `python benchmarks/simulation.py [CHESTS]`.

Processor seconds of one process, so that a busy machine changes little. Nodules are compared without images: forms are drawn, cut,
and outlined on 0.7 mm pixels as a reader would, and measured by the code that measured the readers' outlines.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from common import keep, spread, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from lidc_statistics import LEVELS, outline_form

from cad.prepare.inputs import network_input
from cad.simulate.lesions import lesion_shape
from cad.simulate.lidc_table import SHAPES
from cad.simulate.nodules import NoduleSpec, nodule_form
from cad.tasks.lung_recipe import RECIPE
from cad.train.recipe import TRAIN_SEEDS

FORMS = 200
PIXEL_MM = 0.7


def main(chests: int) -> None:
    """Times first, then shapes by size."""
    made, prepared, megavoxels = [], [], []
    RECIPE.phantom(TRAIN_SEEDS)
    for seed in range(TRAIN_SEEDS, TRAIN_SEEDS + chests):
        began = time.process_time()
        phantom = RECIPE.phantom(seed)
        between = time.process_time()
        network_input(phantom.volume, RECIPE.rule)
        made.append(between - began)
        prepared.append(time.process_time() - between)
        megavoxels.append(phantom.volume.voxels.size / 1e6)
    cost = {"simulate_cpu_s": spread(made), "prepare_cpu_s": spread(prepared), "megavoxels": spread(megavoxels)}
    table(
        f"A training chest, {chests} of them",
        ("what", "min", "median", "max"),
        [(k, v["min"], v["median"], v["max"]) for k, v in cost.items()],
    )
    shapes = [_compared(low, high, *quantiles) for low, high, *quantiles in SHAPES]
    rows = [(row["size_mm"], row["elongation"], row["elongation_lidc"], row["roughness"], row["roughness_lidc"]) for row in shapes]
    table(f"Medians of {FORMS} forms a size", ("mm", "elongation", "LIDC", "roughness", "LIDC"), rows)
    keep("simulation", {"chests": chests, "cost": cost, "forms": FORMS, "shapes": shapes})


def _compared(low: float, high: float, elongation: tuple[float, ...], roughness: tuple[float, ...]) -> dict[str, object]:
    rng = np.random.default_rng(round(100 * low))
    found = np.array([_section(rng, float(rng.uniform(low, high))) for _ in range(FORMS)])
    middle = LEVELS.index(50)
    return {
        "size_mm": f"{low:g}-{high:g}",
        "elongation": round(float(np.median(found[:, 0])), 3),
        "elongation_lidc": elongation[middle],
        "roughness": round(float(np.median(found[:, 1])), 3),
        "roughness_lidc": roughness[middle],
    }


def _section(rng: np.random.Generator, diameter_mm: float) -> tuple[float, float]:
    spec = NoduleSpec(diameter_mm).completed(rng)
    shape = lesion_shape(rng, np.zeros(3), diameter_mm, *nodule_form(rng, spec))
    around = np.linspace(0, 2 * np.pi, max(8, int(np.pi * diameter_mm / PIXEL_MM)), endpoint=False)
    rays = np.stack([np.cos(around), np.sin(around), np.zeros_like(around)], axis=1)
    points = (rays * shape.reach_mm(rays)[:, None])[:, :2]
    return outline_form(np.rint(points / PIXEL_MM + rng.uniform(-0.5, 0.5, 2)) * PIXEL_MM)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
