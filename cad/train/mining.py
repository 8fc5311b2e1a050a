"""What a stage cannot discard, for the next round or the next stage to learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cad.availability import channels_of
from cad.backends import Network, forward
from cad.detect.propose import candidates, lesion_map
from cad.detect.second import two_scales
from cad.detect.triage import plane_maps
from cad.finding import Candidate
from cad.prepare.inputs import InputRule, label_patch
from cad.space import Point
from cad.train.augment import ONE_PICTURE, Draw
from cad.train.centres import Scenes, Spot
from cad.train.dataset import TrainingCase, load_cases
from cad.train.sampling import Cubes, Index
from cad.volume import Volume

MINING_THRESHOLD = 0.05
MINED_PER_CASE = 20
MINED_CASES = 40  # look-alikes of more than these teach nothing new in a round
CUBES_PER_CASE = 25
SECOND_PER_CASE = 8
CUBE_SLACK = 8
LEAST_HIT_MM = 4.0
JITTER_MM = 1.0

Say = Callable[[str], None]


def lesion_at(case: TrainingCase, point_mm: Point) -> int:
    """The label of the lesion that a mark at this point hits, or 0.

    A hit lies within the lesion's radius of its centre (at least 4 mm), the LUNA16 rule.
    """
    for lesion in case.lesions:
        if np.linalg.norm(np.subtract(point_mm, lesion.centre_mm)) <= max(LEAST_HIT_MM, lesion.diameter_mm / 2):
            return lesion.label
    return 0


def whole_map(case: TrainingCase, network: Network) -> Volume:
    """The proposal map of a whole case, as if triage kept every plane."""
    return lesion_map(case.seen, np.ones(case.seen.image.grid.shape[0], dtype=bool), network)


def scenes_of(paths: Sequence[Path]) -> Scenes:
    """The crops of cached cases in memory, with all their sequences."""
    scenes = Scenes()
    for case in load_cases(paths, whole=True):
        grid = case.seen.image.grid
        scenes.images.append(np.asarray(case.seen.stack(), dtype=np.float16))
        scenes.labels.append(np.asarray(case.labels.voxels))
        scenes.regions.append(np.asarray(case.seen.region.voxels))
        centres = [tuple(float(c) for c in grid.to_index(lesion.centre_mm)) for lesion in case.lesions]
        scenes.spots.append(
            tuple(
                Spot((z, y, x), lesion.diameter_mm / grid.spacing_mm[0], lesion.label)
                for (z, y, x), lesion in zip(centres, case.lesions, strict=True)
            )
        )
        scenes.hard.append([])
    return scenes


def mine_planes(scenes: Scenes, paths: Sequence[Path], network: torch.nn.Module, channels: int, say: Say) -> None:
    """Put into `scenes.hard` where the triage map peaks without a lesion."""
    scenes.hard[:] = [[] for _ in scenes.hard]
    run = forward(network, channels, 2)
    for number, case in enumerate(load_cases(paths[:MINED_CASES])):
        scenes.hard[number] = _wrong(case, candidates(plane_maps(case.seen, run, channels), MINING_THRESHOLD, 2 * MINED_PER_CASE))
    say(f"triage leaves {sum(map(len, scenes.hard))} look-alikes")


def mine_blocks(scenes: Scenes, paths: Sequence[Path], network: torch.nn.Module, say: Say) -> None:
    """Put into `scenes.hard` where the proposal map peaks without a lesion."""
    scenes.hard[:] = [[] for _ in scenes.hard]
    run = forward(network, channels_of(network), 3)
    for number, case in enumerate(load_cases(paths[:MINED_CASES])):
        scenes.hard[number] = _wrong(case, candidates(whole_map(case, run), MINING_THRESHOLD, 2 * MINED_PER_CASE))
    say(f"propose leaves {sum(map(len, scenes.hard))} look-alikes")


@dataclass(frozen=True, slots=True)
class Place:
    """A point of case number `case` that the next stage has to judge, and the label of the lesion it lies on (0: none)."""

    case: int
    centre_mm: Point
    hit: int


def marked_places(paths: Sequence[Path], network: torch.nn.Module) -> tuple[Place, ...]:
    """Every lesion's centre, and what propose marks, case after case."""
    found: list[Place] = []
    run = forward(network, channels_of(network), 3)
    for number, case in enumerate(load_cases(paths)):
        marks = candidates(whole_map(case, run), MINING_THRESHOLD, CUBES_PER_CASE)
        found += [Place(number, lesion.centre_mm, lesion.label) for lesion in case.lesions]
        found += [Place(number, mark.centre_mm, lesion_at(case, mark.centre_mm)) for mark in marks]
    return tuple(found)


def first_cubes(paths: Sequence[Path], places: Sequence[Place], rule: InputRule, draw: Draw = ONE_PICTURE) -> Cubes:
    """Close-ups of all places, in their order, with lesion masks."""
    images: list[NDArray[np.float16]] = []
    targets: list[NDArray[np.uint8]] = []
    edge = rule.patch_voxels + CUBE_SLACK
    for number, case in enumerate(load_cases(paths, whole=True)):
        for place in (place for place in places if place.case == number):
            images.append(case.seen.closely(case.source, place.centre_mm, edge, rule)[1].astype(np.float16))
            targets.append(_mask(case, place, edge, rule))
    positive = np.array([place.hit > 0 for place in places])
    return Cubes(images, targets, positive, np.ones(len(images)), rule.patch_voxels, draw=draw)


def hardest(places: Sequence[Place], scores: NDArray[np.float32]) -> tuple[Place, ...]:
    """All places on lesions, and of the others the SECOND_PER_CASE of each case that the first look scored highest."""
    kept, taken = set(), dict.fromkeys((place.case for place in places), 0)
    for n in np.argsort(-scores, kind="stable"):
        if places[n].hit or taken[places[n].case] < SECOND_PER_CASE:
            kept.add(int(n))
            taken[places[n].case] += not places[n].hit
    return tuple(place for n, place in enumerate(places) if n in kept)


def second_cubes(paths: Sequence[Path], places: Sequence[Place], rule: InputRule, seed: int, draw: Draw = ONE_PICTURE) -> Cubes:
    """Both scales around all places, each a little off its centre."""
    images: list[NDArray[np.float16]] = []
    rng = np.random.default_rng(seed)
    for number, case in enumerate(load_cases(paths, whole=True)):
        for place in (place for place in places if place.case == number):
            x, y, z = (float(c) for c in np.add(place.centre_mm, rng.normal(0, JITTER_MM, 3)))
            images.append(two_scales(case.source, case.seen, (x, y, z), rule).astype(np.float16))
    blank = np.zeros((images[0].shape[1],) * 3, dtype=np.uint8)
    positive = np.array([place.hit > 0 for place in places])
    weights = np.ones(len(images))
    return Cubes(images, [blank] * len(images), positive, weights, blank.shape[0], draw=draw)


def _mask(case: TrainingCase, place: Place, edge: int, rule: InputRule) -> NDArray[np.uint8]:
    if not place.hit:
        return np.zeros((edge,) * 3, dtype=np.uint8)
    return np.asarray(label_patch(case.source_labels, place.centre_mm, edge, rule).voxels == place.hit, dtype=np.uint8)


def _wrong(case: TrainingCase, marks: Sequence[Candidate]) -> list[Index]:
    """Voxels of the crop at marks that lie on no lesion, best first."""
    wrong = [mark.centre_mm for mark in marks if not lesion_at(case, mark.centre_mm)][:MINED_PER_CASE]
    index = np.rint(case.seen.image.grid.to_index(np.reshape(wrong, (-1, 3)))).astype(int)
    return [(int(k), int(j), int(i)) for k, j, i in index]
