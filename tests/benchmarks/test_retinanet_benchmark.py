"""MONAI's RetinaNet, its matcher and its sampler learn and find on a processor, without torchvision."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import retinanet

from cad.detect.boxes import find_boxes
from cad.train.centres import Scenes, Spot


def scene(rng: np.random.Generator) -> tuple[np.ndarray, Spot]:
    """A bright ball of 8 voxels in noise."""
    centre = rng.uniform(20, 44, size=3)
    away = np.linalg.norm(np.stack(np.meshgrid(*(np.arange(64),) * 3, indexing="ij"), axis=-1) - centre, axis=-1)
    return (0.1 + 0.6 * (away < 4) + rng.normal(0, 0.02, away.shape)).astype(np.float16), Spot(tuple(centre), 8.0, 1)


def test_it_learns_to_find_a_ball():
    rng = np.random.default_rng(0)
    images, spots = zip(*(scene(rng) for _ in range(4)), strict=True)
    scenes = Scenes([image[None] for image in images], [], [np.ones((64,) * 3, dtype=np.uint8)] * 4, [(spot,) for spot in spots], [[]] * 4)
    made = retinanet.detector(seed=1, channels=16)
    losses = retinanet.learn(made, scenes, steps=70, seed=1, block=32, batch=2)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    image, spot = scene(rng)
    boxes, scores = find_boxes(made.network.eval(), image.astype(np.float32), retinanet.RULE)
    assert scores[0] == scores.max()
    assert np.linalg.norm((boxes[0, :3] + boxes[0, 3:]) / 2 - 0.5 - spot.centre) < 6
