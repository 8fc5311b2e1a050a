"""How well volumes and their changes are measured: simulated chests scanned twice, nodules outlined by the shipped network.

    python -m benchmarks.growth [--chests N] [--first-seed S] [--json FILE]

Each chest holds six nodules of 5 to 20 mm; at the second visit a third is unchanged, a third has 1.3 times and a third twice its
volume. Table position, noise and (for half of the chests) slice spacing differ. The network outlines every nodule at its true
place, so that what is measured is measuring, not finding. The floor of the noise in cad.measure.growth was set on chests 970000
to 970015; the score is of those from 970016 on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cad.measure.extent import measure_extent
from cad.measure.growth import Sighting, change
from cad.networks import LoadedModel
from cad.prepare.inputs import InputRule, close_up, label_patch, scaled
from cad.score.proportion import clopper_pearson
from cad.segment.components import component_at
from cad.segment.network import probability
from cad.simulate.nodules import NoduleKind, NoduleSpec
from cad.simulate.phantom import LesionTruth, Phantom
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.simulate.visits import Visit
from cad.volume import Volume
from pipelines.config import Settings
from pipelines.wiring import models

TEST_SEED = 970_016
SLICES_MM = (1.25, 2.5)
SIZES_MM = (5.0, 6.5, 8.0, 10.0, 14.0, 20.0)
BINS = ((0.0, 6.0), (6.0, 8.0), (8.0, 12.0), (12.0, 40.0))
FACTORS = (1.0, 1.3, 2.0)


def chest(seed: int) -> tuple[ThoraxPlan, ThoraxPlan]:
    """Two visits of one patient."""
    rng = np.random.default_rng((seed, 0x6A0))
    kinds: tuple[NoduleKind, ...] = ("solid", "solid", "solid", "part_solid", "ground_glass")
    specs = tuple(NoduleSpec(float(d * rng.uniform(0.9, 1.1)), kinds[int(rng.integers(5))]) for d in rng.permutation(SIZES_MM))
    first, second = (SLICES_MM[int(rng.integers(2))] for _ in range(2))
    growth = tuple(float(x) for x in np.asarray(FACTORS)[rng.permutation(6) % 3])
    before = ThoraxPlan((round(120 / first), 300, 350), (first, 1.0, 1.0), specs, noise_hu=float(rng.uniform(8, 25)))
    thick = replace(before, shape=(round(120 / second), 300, 350), spacing_mm=(second, 1.0, 1.0), noise_hu=float(rng.uniform(8, 25)))
    return before, replace(thick, visit=Visit(1, growth))


def sighting(phantom: Phantom, lesion: LesionTruth, model: LoadedModel, rule: InputRule) -> Sighting:
    """One nodule outlined by the network at its true place."""
    patch = scaled(close_up(phantom.volume, lesion.centre_mm, rule.patch_voxels, rule), float(rule.low or 0), float(rule.high or 1))
    soft = component_at(probability(patch, model.forward("segment")), lesion.centre_mm)
    return Sighting(measure_extent(soft), phantom.volume.grid.spacing_mm[0], rule.patch_spacing_mm)


def true_mask(phantom: Phantom, lesion: LesionTruth, rule: InputRule) -> float | None:
    """The volume measured on the true mask."""
    labels = label_patch(phantom.lesion_labels, lesion.centre_mm, rule.patch_voxels, rule)
    mask = Volume((labels.voxels == lesion.label).astype(np.uint8), labels.grid, "1", "SEG")
    return next((m.value for m in measure_extent(mask) if m.name == "volume"), None)


def rows(seed: int, model: LoadedModel, rule: InputRule) -> Iterator[dict[str, Any]]:
    """One row a nodule that both visits hold."""
    before, after = (simulate_thorax(seed, plan) for plan in chest(seed))
    for lesion in after.lesions:
        partner = min(before.lesions, key=lambda other: float(np.linalg.norm(np.subtract(other.centre_mm, lesion.centre_mm))))
        if np.linalg.norm(np.subtract(partner.centre_mm, lesion.centre_mm)) > 2 or partner.kind != lesion.kind:
            continue
        old, new = sighting(before, partner, model, rule), sighting(after, lesion, model, rule)
        found, ratio = change(old, new), lesion.volume_mm3 / partner.volume_mm3
        yield {
            "seed": seed,
            "kind": lesion.kind,
            "true_diameter_mm": partner.diameter_mm,
            "true_mm3": partner.volume_mm3,
            "measured_mm3": old.value("volume"),
            "true_mask_mm3": true_mask(before, partner, rule),
            "slices_mm": [old.slice_mm, new.slice_mm],
            "effective_mm": [old.value("effective_diameter"), new.value("effective_diameter")],
            "true_ratio": ratio,
            "log_ratio": found.log_ratio if found else None,
            "log_sd": found.log_sd if found else None,
            "label": found.label if found else "not_comparable",
        }


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Volume error by size, and how often each true change was called what."""
    by_size = {f"{low:g}-{high:g} mm": _errors([r for r in found if low <= r["true_diameter_mm"] < high]) for low, high in BINS}
    calls = {f"x{factor:g}": _calls([r for r in found if abs(r["true_ratio"] / factor - 1) < 0.08]) for factor in FACTORS}
    return {"nodules": len(found), "volume_error": by_size, "called": calls}


def _errors(group: list[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {"n": len(group)}
    for name in ("measured_mm3", "true_mask_mm3"):
        errors = np.array([100 * (r[name] / r["true_mm3"] - 1) for r in group if r[name]])
        if len(errors):
            low, middle, high = (float(v) for v in np.percentile(errors, (25, 50, 75)))
            out[name] = {"n": len(errors), "median_percent": middle, "quartiles": [low, high], "mean_abs": float(np.abs(errors).mean())}
    return out


def _calls(group: list[dict[str, Any]]) -> dict[str, Any]:
    compared = [r for r in group if r["log_ratio"] is not None]
    out: dict[str, Any] = {"n": len(group), "compared": len(compared)}
    for label in ("grown", "shrunk", "unchanged"):
        count = sum(r["label"] == label for r in compared)
        interval = clopper_pearson(count, len(compared)) if compared else (0.0, 1.0)
        out[label] = {"count": count, "interval": list(interval)}
    return out


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chests", type=int, default=24)
    parser.add_argument("--first-seed", type=int, default=TEST_SEED)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    store = models(Settings())
    model = store.load(store.current("lung_nodule_ct"))
    rule = InputRule.from_dict(model.settings["rule"])
    found: list[dict[str, Any]] = []
    told: dict[str, Any] = {}
    for seed in range(asked.first_seed, asked.first_seed + asked.chests):
        found += list(rows(seed, model, rule))
        chests = seed + 1 - asked.first_seed
        told = {"command": f"python -m benchmarks.growth --chests {chests} --first-seed {asked.first_seed}", **summary(found)}
        if asked.json:
            asked.json.write_text(json.dumps({**told, "rows": found}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
