"""Trains the four networks of a cascade in order; each stage learns from what the one before could not discard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import center_of_mass, find_objects, label

from cad.backends import Network
from cad.detect.propose import candidates, lesion_map
from cad.inference import logits
from cad.prepare.inputs import close_up, label_patch, scaled
from cad.space import Point
from cad.train.checkpoints import Checkpoints
from cad.train.dataset import TrainingCase, load_cases
from cad.train.loop import Fitted, Sampler, Schedule, fit, new_network
from cad.train.losses import rare_class, rare_voxels
from cad.train.recipe import Recipe
from cad.train.sampling import Crops, Cubes, Index, Patches, Planes

MINING_THRESHOLD = 0.1
MINED_PER_CASE = 20
MOST_BLOBS = 100
CUBES_PER_CASE = 25
CUBE_SLACK = 16
LEAST_HIT_MM = 4.0
HARD_RATE = 2e-3


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """Networks by stage, and the loss curve of each."""

    networks: dict[str, torch.nn.Module]
    losses: dict[str, tuple[float, ...]]


def train_cascade(recipe: Recipe, paths: Sequence[Path], stages: Checkpoints, progress: Callable[[str], None]) -> Trained:
    """Triage, then propose in two rounds, then reduce in two rounds, then segment; see Recipe.budget.steps.

    A stage that `stages` holds is not trained again.
    """
    steps, specs = recipe.budget.steps, recipe.networks
    crops = _crops(paths)
    fitted: dict[str, Fitted] = {}

    def plain(stage: str, sample: Sampler) -> Fitted:
        network = new_network(specs[stage], recipe.seed)
        return fit(network, sample, rare_voxels(), Schedule(steps[stage], recipe.seed), _named(progress, stage))

    def proposer() -> Fitted:
        first = plain("propose", Patches(crops))
        mine_crops(crops, paths, first.network, progress)
        schedule = Schedule(steps["propose_hard"], recipe.seed + 1, HARD_RATE)
        second = fit(first.network, Patches(crops), rare_voxels(), schedule, _named(progress, "propose, hard"))
        return Fitted(second.network, first.losses + second.losses)

    fitted["triage"] = stages.stage("triage", specs["triage"], lambda: plain("triage", Planes(crops)))
    fitted["propose"] = stages.stage("propose", specs["propose"], proposer)
    cubes = cache(lambda: _cubes(recipe, paths, fitted["propose"].network, progress))
    fitted["reduce"] = stages.stage("reduce", specs["reduce"], lambda: _reduce(recipe, cubes(), progress))
    fitted["segment"] = stages.stage("segment", specs["segment"], lambda: plain("segment", cubes().masks))
    return Trained(
        {stage: each.network for stage, each in fitted.items()},
        {stage: each.losses for stage, each in fitted.items()},
    )


def lesion_at(case: TrainingCase, point_mm: Point) -> int:
    """The label of the lesion that a mark at this point hits, or 0.

    A hit lies within the lesion's radius of its centre (at least 4 mm), the LUNA16 rule.
    """
    for lesion in case.lesions:
        if np.linalg.norm(np.subtract(point_mm, lesion.centre_mm)) <= max(LEAST_HIT_MM, lesion.diameter_mm / 2):
            return lesion.label
    return 0


def whole_map(case: TrainingCase, network: Network) -> NDArray[np.float32]:
    """The proposal map of a whole case, as if triage kept every plane."""
    return lesion_map(case.seen, np.ones(case.seen.image.grid.shape[0], dtype=bool), network)


def mine_crops(crops: Crops, paths: Sequence[Path], network: torch.nn.Module, progress: Callable[[str], None]) -> int:
    """Note in `crops.hard` where the network sees lesions that are none; returns how many."""
    for number, case in enumerate(load_cases(paths)):
        middles = case.seen.image.grid.to_mm(np.reshape(_blobs(whole_map(case, network)), (-1, 3)))
        wrong = [point for point in middles if not lesion_at(case, (float(point[0]), float(point[1]), float(point[2])))]
        crops.hard[number] = _indices(case, wrong[:MINED_PER_CASE])
    found = sum(len(points) for points in crops.hard)
    progress(f"mined {found} hard negatives for propose")
    return found


def _blobs(heat: NDArray[np.float32]) -> list[tuple[float, ...]]:
    """Middles of connected blobs by index, highest peak first: a proposal still raw marks whole vessels, not peaks."""
    labels, _ = label(heat >= MINING_THRESHOLD)
    places = [(float(heat[box][labels[box] == n].max()), n, box) for n, box in enumerate(find_objects(labels), start=1)]
    best = sorted(places, key=lambda place: (-place[0], place[1]))[:MOST_BLOBS]
    return [tuple(np.add(center_of_mass(np.where(labels[box] == n, heat[box], 0)), [side.start for side in box])) for _, n, box in best]


def _crops(paths: Sequence[Path]) -> Crops:
    crops = Crops()
    for case in load_cases(paths):
        crops.images.append(np.asarray(case.seen.image.voxels, dtype=np.float16))
        crops.labels.append(np.asarray(case.labels.voxels))
        crops.regions.append(np.asarray(case.seen.region.voxels))
        crops.lesions.append(_indices(case, [lesion.centre_mm for lesion in case.lesions]))
        crops.hard.append([])
    return crops


def _indices(case: TrainingCase, points_mm: Sequence[ArrayLike]) -> list[Index]:
    """The crop's voxels at LPS points."""
    index = np.rint(case.seen.image.grid.to_index(np.asarray(points_mm, dtype=np.float64).reshape(-1, 3))).astype(int)
    return [(int(k), int(j), int(i)) for k, j, i in index]


def _cubes(recipe: Recipe, paths: Sequence[Path], network: torch.nn.Module, progress: Callable[[str], None]) -> Cubes:
    """Close-ups of every lesion, of every candidate on one, and of what propose wrongly marks."""
    images: list[NDArray[np.float16]] = []
    targets: list[NDArray[np.uint8]] = []
    positive: list[bool] = []
    edge = recipe.rule.patch_voxels + CUBE_SLACK
    for case in load_cases(paths):
        marked = candidates(whole_map(case, network), case.seen.image.grid, MINING_THRESHOLD)
        found = [candidate.centre_mm for candidate in marked[:CUBES_PER_CASE]]
        for centre in [*(lesion.centre_mm for lesion in case.lesions), *found]:
            hit = lesion_at(case, centre)
            cut = scaled(close_up(case.source, centre, edge, recipe.rule), case.seen.low, case.seen.high)
            mask = label_patch(case.source_labels, centre, edge, recipe.rule).voxels
            images.append(np.asarray(cut.voxels, dtype=np.float16))
            targets.append(np.asarray(mask == hit if hit else np.zeros_like(mask), dtype=np.uint8))
            positive.append(bool(hit))
    progress(f"cut {sum(positive)} lesion close-ups and {len(positive) - sum(positive)} look-alikes for reduce")
    return Cubes(images, targets, np.asarray(positive), np.ones(len(images)), recipe.rule.patch_voxels)


def _reduce(recipe: Recipe, cubes: Cubes, progress: Callable[[str], None]) -> Fitted:
    """Two rounds; in the second, look-alikes that the first took for lesions are drawn more often."""
    steps = recipe.budget.steps
    network = new_network(recipe.networks["reduce"], recipe.seed)
    first = fit(network, cubes.classes, rare_class(), Schedule(steps["reduce"], recipe.seed), _named(progress, "reduce"))
    middle = slice(CUBE_SLACK // 2, CUBE_SLACK // 2 + cubes.voxels)
    scores = logits(first.network, (image[middle, middle, middle].astype(np.float32)[None] for image in cubes.images))
    share = 1 / (1 + np.exp(-scores))
    harder = Cubes(cubes.images, cubes.targets, cubes.positive, np.where(cubes.positive, 1.0, 0.1 + share), cubes.voxels)
    schedule = Schedule(steps["reduce_hard"], recipe.seed + 1, HARD_RATE)
    second = fit(first.network, harder.classes, rare_class(), schedule, _named(progress, "reduce, hard"))
    return Fitted(second.network, first.losses + second.losses)


def _named(progress: Callable[[str], None], stage: str) -> Callable[[str], None]:
    return lambda text: progress(f"{stage}: {text}")
