"""The benchmark of attacks carries a disturbance of the close-up into both scales of the second look, where it belongs."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import attack

from cad.detect.second import two_scales
from cad.prepare.inputs import InputRule, NetworkInput
from cad.space import Grid
from cad.volume import Volume

RULE = InputRule("lungs", 1.5, 6.0, 0.0, 1.0, 48, 1.0)


def test_the_second_look_sees_the_same_disturbance_at_its_two_scales():
    """Against the truth: the disturbed scan, cut anew."""
    grid = Grid.axial((100, 100, 100), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))
    z, y, x = (np.arange(100, dtype=np.float32) - shift for shift in (56, 49, 40))
    blob = (0.3 * np.exp(-((z[:, None, None] / 4) ** 2) - (y[:, None] / 3) ** 2 - (x / 5) ** 2)).astype(np.float32)
    before, after = (Volume(0.2 + part, grid) for part in (np.zeros_like(blob), blob))
    middle = (50.0, 50.0, 50.0)
    looks = [two_scales(volume, NetworkInput(volume, volume, 0.0, 1.0), middle, RULE) for volume in (before, after)]
    patches = [NetworkInput(v, v, 0.0, 1.0).closely(v, middle, 48, RULE)[1] for v in (before, after)]
    scenes = attack.Scenes(torch.tensor(patches[0])[None], torch.tensor(looks[0])[None], (0.5,), (0.0,))
    moved = attack.second_look(scenes, torch.tensor(patches[1] - patches[0])[None])
    assert float(np.abs(looks[1] - looks[0]).max()) > 0.2
    assert moved[0].numpy() == pytest.approx(looks[1], abs=0.02)


@pytest.mark.parametrize("steps", [1, 10])
def test_no_attack_moves_a_voxel_further_than_it_may(steps):
    start = torch.rand(2, 1, 8, 8, 8)
    climbed = attack.ascended(start, 0.02, steps, lambda x: (x * torch.linspace(-1, 1, 8)).sum())
    assert 0.01 < float((climbed - start).abs().max()) <= 0.02 + 1e-6
    assert float(climbed.max()) <= 1
