"""How well volumes and their changes are measured: simulated chests scanned twice, nodules outlined by the shipped network.

    python -m benchmarks.growth [--chests N] [--first-seed S] [--json FILE] [--learn]

Each chest holds up to fourteen nodules of 4.5 to 22 mm, of every kind and site; at the second visit half are unchanged, the others
have 1.15, 1.3, 1.6 or 2 times their volume. Kernel, noise, the patient's position, for half of the chests a breath, and for some the
slice distance (1, 1.25, 2.5 or 5 mm) differ. The network outlines every nodule at its true place, and the registration of the whole
scans is stood in for by the truth with an error of 1.2 mm each way and of 1 degree: what is measured is measuring, not finding.
Two ways side by side on the same pairs: the outlines' own volumes, and both scans on one grid. `--learn` prints the noise of the
second instead of figures; that of cad.measure.paired was learned on chests from 971000, the figures are of those from 973000 on
(at those from 972000 it was looked while the way of measuring was chosen).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from cad.measure.extent import measure_extent
from cad.measure.growth import Change, Sighting, change
from cad.measure.paired import paired_change
from cad.networks import LoadedModel
from cad.prepare.inputs import InputRule, NetworkInput, label_patch
from cad.prepare.locally import alongside
from cad.prepare.register import Registration
from cad.score.proportion import clopper_pearson
from cad.segment.outline import outlined
from cad.simulate.acquisition import Kernel
from cad.simulate.nodules import Attachment, NoduleKind, NoduleSpec
from cad.simulate.phantom import LesionTruth, Phantom
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.simulate.visits import Pose, Visit
from cad.space import FloatArray, Point
from cad.volume import Volume
from pipelines.config import Settings
from pipelines.wiring import models

LEARN_SEED, TEST_SEED = 971_000, 973_000
SLICES_MM, HEIGHT_MM, PIXEL_MM = (1.0, 1.25, 2.5, 5.0), 130, 0.8
FACTORS = (1.15, 1.3, 1.6, 2.0)
KERNELS: tuple[Kernel, ...] = ("soft", "standard", "sharp", "iterative")
KINDS: tuple[NoduleKind, ...] = ("solid", "part_solid", "ground_glass", "calcified")
SITES: tuple[Attachment, ...] = ("isolated", "pleural", "vascular")
BINS = ((0.0, 6.0), (6.0, 8.0), (8.0, 12.0), (12.0, 40.0))
THICK = {"to 1.25 mm": (0.0, 1.3), "2.5 mm": (1.3, 2.6), "5 mm": (2.6, 6.0)}
THICKEST_MM = max(SLICES_MM)
START_MM, START_DEG = 1.2, 1.0
STRETCHED = 0.03  # a breath stretches what is simulated, nodules too: pairs whose truth it moves by more count for no factor
WAYS = ("outlines", "one grid")


def chest(seed: int) -> tuple[ThoraxPlan, ThoraxPlan]:
    """Two visits of one patient."""
    rng = np.random.default_rng((seed, 0x6A1))
    specs = tuple(_spec(rng) for _ in range(14))
    first = float(rng.choice(SLICES_MM))
    second = first if rng.random() < 0.6 else float(rng.choice(SLICES_MM))
    growth = tuple(1.0 if rng.random() < 0.5 else float(rng.choice(FACTORS)) for _ in specs)
    before, after = _acquired(rng, first, specs), _acquired(rng, second, specs)
    pose = Pose.draw(rng)
    return before, replace(after, visit=Visit(1, growth, replace(pose, breath_mm=0.0) if rng.random() < 0.5 else pose))


def _spec(rng: np.random.Generator) -> NoduleSpec:
    diameter = float(np.exp(rng.uniform(np.log(4.5), np.log(22))))
    kind = KINDS[int(rng.choice(4, p=(0.6, 0.2, 0.15, 0.05)))]
    return NoduleSpec(diameter, kind, SITES[int(rng.choice(3, p=(0.42, 0.33, 0.25)))])


def _acquired(rng: np.random.Generator, slice_mm: float, specs: tuple[NoduleSpec, ...]) -> ThoraxPlan:
    noise = float(np.exp(rng.uniform(np.log(8), np.log(40))))
    shape = (round(HEIGHT_MM / slice_mm), round(300 / PIXEL_MM), round(352 / PIXEL_MM))
    kernel = KERNELS[int(rng.integers(4))]
    return ThoraxPlan(shape, (slice_mm, PIXEL_MM, PIXEL_MM), specs, noise_hu=noise, kernel=kernel)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One nodule on both visits: prior, current, the true map between them near it, and its true ratio of volumes."""

    scans: tuple[Phantom, Phantom]
    lesions: tuple[LesionTruth, LesionTruth]
    jacobian: FloatArray
    there_mm: FloatArray

    @property
    def true_ratio(self) -> float:
        """Current over prior, with what a breath stretched."""
        return self.lesions[1].volume_mm3 / self.lesions[0].volume_mm3 / float(np.linalg.det(self.jacobian))

    def registration(self, rng: np.random.Generator) -> Registration:
        """The truth, off by as much as a registration of whole scans is."""
        left, _, right = np.linalg.svd(self.jacobian)
        turn = Rotation.from_rotvec(rng.normal(0, np.radians(START_DEG), 3)).as_matrix() @ (left @ right)
        rigid = np.eye(4)
        rigid[:3, :3] = turn
        rigid[:3, 3] = self.there_mm + rng.normal(0, START_MM, 3) - turn @ np.asarray(self.lesions[1].centre_mm)
        return Registration(rigid, None, self.scans[1].volume.grid, (0.0, 0.0, 0.0), 0.0)


def pairs(seed: int) -> Iterator[Pair]:
    """Every nodule that both visits hold."""
    plans = chest(seed)
    before, after = (simulate_thorax(seed, plan) for plan in plans)
    grid, pose = after.volume.grid, plans[1].visit.pose or Pose()
    middle = grid.to_mm((np.asarray(grid.shape) - 1) / 2)
    for lesion in after.lesions:
        here = np.asarray(lesion.centre_mm)
        there = pose.to_first(here, middle)
        partner = min(before.lesions, key=lambda other: float(np.linalg.norm(other.centre_mm - there)))
        if np.linalg.norm(partner.centre_mm - there) <= 2 and partner.kind == lesion.kind:
            steps = [pose.to_first(here + 0.5 * e, middle) - pose.to_first(here - 0.5 * e, middle) for e in np.eye(3)]
            yield Pair((before, after), (partner, lesion), np.stack(steps, axis=1), there)


def outline(phantom: Phantom, centre_mm: Point, model: LoadedModel, rule: InputRule) -> Volume:
    """One nodule outlined by the network at its true place, as screening outlines it."""
    volume = phantom.volume
    seen = NetworkInput(volume, volume, float(rule.low or 0), float(rule.high or 1))
    close = seen.closely(volume, centre_mm, rule.patch_voxels, rule)
    return outlined(volume, seen, centre_mm, rule, model.forward("segment"), close)[1]


def true_mask(phantom: Phantom, lesion: LesionTruth, rule: InputRule) -> float | None:
    """The volume measured on the true mask."""
    labels = label_patch(phantom.lesion_labels, lesion.centre_mm, rule.patch_voxels, rule)
    mask = Volume((labels.voxels == lesion.label).astype(np.uint8), labels.grid, "1", "SEG")
    return next((m.value for m in measure_extent(mask) if m.name == "volume"), None)


def rows(seed: int, model: LoadedModel, rule: InputRule) -> Iterator[dict[str, Any]]:
    """One row a nodule, with the change by either way."""
    rng = np.random.default_rng((seed, 0x57A))
    for pair in pairs(seed):
        (old, new), (before, after) = pair.scans, pair.lesions
        soft = (outline(old, before.centre_mm, model, rule), outline(new, after.centre_mm, model, rule))
        seen = [
            Sighting(measure_extent(s), p.volume.grid.spacing_mm[0], rule.patch_spacing_mm) for s, p in zip(soft, pair.scans, strict=True)
        ]
        radius = max(s.value("longest_diameter_3d") or 4.0 for s in seen) / 2
        laid = alongside((old.volume, new.volume), soft, pair.registration(rng), after.centre_mm, radius)
        found = paired_change(laid)
        yield {
            "seed": seed,
            "kind": before.kind,
            "true_diameter_mm": before.diameter_mm,
            "true_mm3": before.volume_mm3,
            "measured_mm3": seen[0].value("volume"),
            "true_mask_mm3": true_mask(old, before, rule),
            "slices_mm": [s.slice_mm for s in seen],
            "outline_mm": [s.grid.spacing_mm[0] for s in soft],
            "true_ratio": pair.true_ratio,
            "outlines": _told(change(*seen)),
            "one grid": _told(found.change(before.kind) if found else None),
            "repeats_by": None if found is None else [found.diameter_mm, found.contact, found.slice_mm],
            "laid_off_mm": float(np.linalg.norm((laid.to_prior @ [*after.centre_mm, 1.0])[:3] - pair.there_mm)),
        }


def _told(found: Change | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"log_ratio": found.log_ratio, "log_sd": found.log_sd, "bounds": found.bounds, "label": found.label, "fine": found.fine_label}


def learned(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The noise of pairs that hardly changed: floor, share of slice over diameter, share of contact. Fitted with heavy tails (Student's t),
    the floor at least 0.02 before, then widened until 97 % of the pairs lie within 1.96 standard deviations: 95 are promised."""
    kept = [r for r in found if r["one grid"] and abs(log(r["true_ratio"])) < 0.12]
    errors = np.abs([r["one grid"]["log_ratio"] - log(r["true_ratio"]) for r in kept])
    parts = np.array([[1.0, slices / diameter, contact] for diameter, contact, slices in (r["repeats_by"] for r in kept)])

    def spread(weights: FloatArray) -> FloatArray:
        return np.asarray(np.linalg.norm(parts * np.array([0.02, *np.abs(weights)]), axis=1))

    def unlikely(weights: FloatArray) -> float:
        return float(np.sum(np.log(spread(weights)) + 2.5 * np.log1p((errors / spread(weights)) ** 2 / 4)))

    fitted = minimize(unlikely, [0.1, 0.1], method="Nelder-Mead").x
    scores = np.sort(errors / spread(fitted))
    widened = scores[min(len(scores) - 1, int(np.ceil(0.97 * (len(scores) + 1))) - 1)] / 1.96
    return {"pairs": len(kept), "floor, slice share, contact share": (np.array([0.02, *np.abs(fitted)]) * widened).round(3).tolist()}


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Volume error by size, and how often each true change was called what, by size, slice distance and way."""
    groups = {f"{low:g}-{high:g} mm": [r for r in found if low <= r["true_diameter_mm"] < high] for low, high in BINS}
    groups |= {f"slices {name}": [r for r in found if low <= max(r["slices_mm"]) < high] for name, (low, high) in THICK.items()}
    groups |= {
        "slices alike": [r for r in found if len(set(r["slices_mm"])) == 1],
        "5 mm beside thinner": [r for r in found if max(r["slices_mm"]) == THICKEST_MM > min(r["slices_mm"])],
        "solid": [r for r in found if r["kind"] in {"solid", "calcified"}],
        "subsolid": [r for r in found if r["kind"] in KINDS[1:3]],
    }
    errors = {f"{low:g}-{high:g} mm": _errors(groups[f"{low:g}-{high:g} mm"]) for low, high in BINS}
    calls = {name: {way: _by_factor(rows_, way) for way in WAYS} for name, rows_ in {"all": found, **groups}.items()}
    return {"nodules": len(found), "volume_error": errors, "called": calls}


def _by_factor(group: list[dict[str, Any]], way: str) -> dict[str, Any]:
    return {f"x{factor:g}": _calls([r for r in group if abs(log(r["true_ratio"] / factor)) < STRETCHED], way) for factor in (1.0, *FACTORS)}


def _errors(group: list[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {"n": len(group)}
    for name in ("measured_mm3", "true_mask_mm3"):
        errors = np.array([100 * (r[name] / r["true_mm3"] - 1) for r in group if r[name]])
        if len(errors):
            low, middle, high = (float(v) for v in np.percentile(errors, (25, 50, 75)))
            out[name] = {"n": len(errors), "median_percent": middle, "quartiles": [low, high], "mean_abs": float(np.abs(errors).mean())}
    return out


def _calls(group: list[dict[str, Any]], way: str) -> dict[str, Any]:
    """Of all pairs, measured or not, how many were called grown, shrunk, and changed at all (beyond the noise); exact 95 % intervals."""
    told = [r[way] for r in group if r[way]]
    errors = [r[way]["log_ratio"] - log(r["true_ratio"]) for r in group if r[way]]
    out: dict[str, Any] = {"n": len(group), "measured": len(told)}
    counts = {name: sum(t["label"] == name for t in told) for name in ("grown", "shrunk")}
    counts["beyond noise"] = sum(t["fine"] != "unchanged" for t in told)
    truths = [log(r["true_ratio"]) for r in group if r[way]]
    counts["interval holds"] = sum(t["bounds"][0] <= truth <= t["bounds"][1] for truth, t in zip(truths, told, strict=True))
    for name, count in counts.items():
        out[name] = {"count": count, "interval": list(clopper_pearson(count, len(group))) if group else [0.0, 1.0]}
    if told:
        out["beyond noise of measured"] = list(clopper_pearson(counts["beyond noise"], len(told)))
        out["error_median"], out["error_rms"] = float(np.median(errors)), float(np.sqrt(np.mean(np.square(errors))))
        out["least_percent_median"] = float(100 * (np.exp(np.median([1.96 * t["log_sd"] for t in told])) - 1))
    return out


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chests", type=int, default=24)
    parser.add_argument("--first-seed", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--learn", action="store_true")
    asked = parser.parse_args()
    first = asked.first_seed or (LEARN_SEED if asked.learn else TEST_SEED)
    store = models(Settings())
    model = store.load(store.current("lung_nodule_ct"))
    rule = InputRule.from_dict(model.settings["rule"])
    found: list[dict[str, Any]] = []
    for seed in range(first, first + asked.chests):
        found += list(rows(seed, model, rule))
        command = f"python -m benchmarks.growth --chests {seed + 1 - first} --first-seed {first}" + (" --learn" if asked.learn else "")
        told = {"command": command, "weights": model.version.sha256, **(learned if asked.learn else summary)(found)}
        if asked.json:
            asked.json.write_text(json.dumps({**told, "rows": found}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
