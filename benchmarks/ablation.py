"""Which choices of learning pay: the proposal stage trained again with one switch changed, everything else equal.

`python benchmarks/ablation.py --data FOLDER --seconds 120`: FOLDER holds phantoms that `shoken train lung_nodule_ct` made (its
`data`). Every variant learns on the same scans for the same processor time, and its proposals are scored on scans that none
learned from, as they are and with noise of 30 HU added: CPM with a 95 % interval by scan. The distance task is also tried on
a tenth and three tenths of the scans; MONAI's RetinaNet with its ATSS matcher and hard-negative sampler learns beside them. A
small budget finds large differences only.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import retinanet
import torch
from common import keep, table

from cad.backends import forward
from cad.score.bootstrap import bootstrap
from cad.score.froc import curve_of
from cad.score.match import ScanMatch
from cad.tasks.lung_recipe import RECIPE
from cad.tasks.validating import matched
from cad.train.centres import Blocks, Scenes
from cad.train.dataset import TrainingCase, load_cases
from cad.train.loop import Schedule, fit, new_network
from cad.train.losses import Loss, WithDistance, rare_centres
from cad.train.mining import mine_blocks, scenes_of
from cad.train.pretraining import pretrained
from cad.train.recipe import Learning

BASE = Learning(rounds=1, pasted=0.0)
DISTANCE = replace(BASE, distance=True)
VARIANTS = {  # how it learns, on what share of the scans
    "focal": (BASE, 1.0),
    "cross-entropy": (replace(BASE, centre_loss="cross-entropy"), 1.0),
    "hard-negative sampling": (replace(BASE, centre_loss="hard-negatives"), 1.0),
    "focal, mined hard negatives": (replace(BASE, rounds=2), 1.0),
    "focal, lesions pasted": (replace(BASE, pasted=0.3), 1.0),
    "focal, distance task": (DISTANCE, 1.0),
    "focal, pre-trained": (replace(BASE, pretrain=1), 1.0),
    "focal, 30 %": (BASE, 0.3),
    "focal, distance task, 30 %": (DISTANCE, 0.3),
    "focal, 10 %": (BASE, 0.1),
    "focal, distance task, 10 %": (DISTANCE, 0.1),
    "focal, lesions pasted, 10 %": (replace(BASE, pasted=0.3), 0.1),
}
Marked = Callable[[TrainingCase], ScanMatch]
Train = Callable[[Scenes, Sequence[Path], float], tuple[Marked, int]]
PEER = "MONAI's RetinaNet"
NOISE_HU = 30.0
LATER = 0.35  # of the time goes to the later round, or to pre-training


@dataclass(frozen=True)
class Outcome:
    """What a variant reached: CPM of the proposals and its interval, the same under noise, steps that fitted into the time."""

    cpm: float
    interval: tuple[float, float]
    noisy: float
    noisy_interval: tuple[float, float]
    steps: int


def main() -> None:
    """Train and score every variant, print a row each, keep the figures."""
    asked = _arguments()
    torch.set_num_threads(1)
    paths = sorted(asked.data.glob("lung_nodule_ct-1*.npz"))
    learned, held = paths[: asked.train], paths[-asked.test :]
    if len(paths) < asked.train + asked.test:
        raise SystemExit(f"{asked.data} holds {len(paths)} training scans; {asked.train + asked.test} are wanted")
    rows = {}
    for name in asked.variants or (*VARIANTS, PEER):
        learning, part = VARIANTS.get(name, (BASE, 1.0))
        train = _trained_peer if name == PEER else partial(_trained, learning)
        rows[name] = outcome(train, learned[: max(1, round(part * len(learned)))], held, asked.seconds)
        print(f"{name}: CPM {rows[name].cpm:.3f}, with noise {rows[name].noisy:.3f}", flush=True)
        _kept(rows, f"proposals alone, {len(learned)} scans learned from, {len(held)} scored, {asked.seconds:g} s of one processor each")


def _kept(rows: dict[str, Outcome], title: str) -> None:
    """After every variant, so that a run that is stopped leaves what it has."""
    heads = ("variant", "cpm", "interval", "cpm_with_noise", "interval_with_noise", "steps")
    cells = [(name, round(r.cpm, 3), _words(r.interval), round(r.noisy, 3), _words(r.noisy_interval), r.steps) for name, r in rows.items()]
    table(title, heads, cells)
    keep("ablation", {"title": title, "noise_hu": NOISE_HU, "variants": [dict(zip(heads, row, strict=True)) for row in cells]})


def _words(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def outcome(train: Train, learned: Sequence[Path], held: Sequence[Path], seconds: float) -> Outcome:
    """One variant, trained for the time and scored."""
    marked, steps = train(scenes_of(learned), learned, seconds)
    plain = [marked(case) for case in load_cases(held)]
    noisy = [marked(_noisier(case)) for case in load_cases(held)]
    return Outcome(_cpm(plain), bootstrap(_cpm, plain), _cpm(noisy), bootstrap(_cpm, noisy), steps)


def _noisier(case: TrainingCase) -> TrainingCase:
    """The case with independent noise in every voxel of what the network sees."""
    seen, rng = case.seen, np.random.default_rng(case.seed)
    noise = rng.normal(0, NOISE_HU / (seen.high - seen.low), seen.image.voxels.shape)
    voxels = np.clip(seen.image.voxels + noise, 0, 1).astype(np.float32)
    return replace(case, seen=replace(seen, image=replace(seen.image, voxels=voxels)))


def _trained_peer(scenes: Scenes, _: Sequence[Path], seconds: float) -> tuple[Marked, int]:
    each = _seconds_a_step(lambda steps: retinanet.learn(retinanet.detector(1), scenes, steps, 1))
    steps, made = max(1, int(seconds / each)), retinanet.detector(RECIPE.seed)
    retinanet.learn(made, scenes, steps, RECIPE.seed)
    return partial(retinanet.matched, made=made), steps


def _trained(learning: Learning, scenes: Scenes, paths: Sequence[Path], seconds: float) -> tuple[Marked, int]:
    """As many steps as fit: a few are timed first, so that every variant has a whole learning-rate cycle."""
    sampler = Blocks(scenes, pasted=learning.pasted, distance=learning.distance)
    spec = replace(RECIPE.networks["propose"], channels_out=2 if learning.distance else 1)
    network = new_network(spec, RECIPE.seed)
    each = _seconds_a_step(lambda steps: fit(new_network(spec, 1), sampler, _loss(learning), _schedule(steps, learning), _quiet))
    first = int((1 - LATER if learning.rounds > 1 or learning.pretrain else 1) * seconds / each)
    later = int(LATER * seconds / each)
    if learning.pretrain:
        network = pretrained(network, scenes, _schedule(later, learning), _quiet, None)
    network = fit(network, sampler, _loss(learning), _schedule(first, learning), _quiet).network
    if learning.rounds > 1:
        mine_blocks(scenes, paths, network, _quiet)
        network = fit(network, sampler, _loss(learning), replace(_schedule(later, learning), rate=2e-3), _quiet).network
    steps = first + (later if learning.rounds > 1 or learning.pretrain else 0)
    return partial(matched, network=forward(network, 1, 3)), steps


def _loss(learning: Learning) -> Loss:
    centres = rare_centres(learning.centre_loss)
    return WithDistance(centres) if learning.distance else centres


def _schedule(steps: int, learning: Learning) -> Schedule:
    return Schedule(max(1, steps), RECIPE.seed, precision=learning.precision)


def _seconds_a_step(train: Callable[[int], object], steps: int = 5, turns: int = 3) -> float:
    """The least of a few turns after one that warms up: other work on the machine must not cost a variant its steps."""
    train(2)
    taken = []
    for _ in range(turns):
        began = time.process_time()
        train(steps)
        taken.append((time.process_time() - began) / steps)
    return min(taken)


def _cpm(matches: Sequence[ScanMatch]) -> float:
    return curve_of(matches).cpm if any(match.lesions for match in matches) else float(np.nan)


def _quiet(_: str) -> None:
    """Steps of a variant are not news."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=int, default=40)
    parser.add_argument("--test", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--variants", nargs="*", choices=sorted((*VARIANTS, PEER)))
    return parser.parse_args()


if __name__ == "__main__":
    main()
