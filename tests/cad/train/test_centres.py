"""Centre maps: where targets lie, how hard negatives are drawn, pasted lesions, and losses that the rare cell survives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cad.centre_net import CELL
from cad.networks import NetworkSpec, build
from cad.train.centres import Blocks, Scenes, Spot, Tiles
from cad.train.loop import Schedule, new_network
from cad.train.losses import LOSSES, WithDistance, rare_centres
from cad.train.pretraining import Masked, pretrained
from cad.train.recipe import Learning


@pytest.fixture
def scenes():
    """Two cases of noise; in each a bright ball of radius 3 voxels at (16, 20, 24), and a hard place at (8, 8, 8)."""
    made, rng = Scenes(), np.random.default_rng(0)
    away = np.sqrt(sum((axis - c) ** 2 for axis, c in zip(np.ogrid[:32, :40, :48], (16, 20, 24), strict=True)))
    for _ in range(2):
        made.images.append((0.2 * rng.random((1, 32, 40, 48)) + 0.7 * (away <= 3)).astype(np.float16))
        made.labels.append((away <= 3).astype(np.uint8))
        made.regions.append(np.ones((32, 40, 48), dtype=np.uint8))
        made.spots.append((Spot((16.0, 20.0, 24.0), 6.0, 1),))
        made.hard.append([])
    return made


def test_the_map_has_half_the_size_of_its_input():
    for dims, size in ((3, (16, 32, 24)), (2, (32, 24))):
        network = build(NetworkSpec("centre", dims, 2, 1, (4, 6, 8))).eval()
        with torch.inference_mode():
            assert network(torch.zeros(1, 2, *size)).shape == (1, 1, *(side // CELL for side in size))


def test_a_block_peaks_where_the_lesion_is(scenes):
    images, targets = Blocks(scenes, voxels=24, batch=8)(np.random.default_rng(1))
    assert images.shape == (8, 1, 24, 24, 24)
    assert targets.shape == (8, 1, 12, 12, 12)
    for image, target in zip(images[::2], targets[::2], strict=True):
        if target.max() == 1.0:
            peak = np.array(np.unravel_index(target[0].argmax(), target[0].shape))
            middle = np.argwhere(image[0] > 0.5).mean(axis=0)
            assert np.abs(peak * CELL + 0.5 - middle).max() < 2


def test_a_tile_shows_the_plane_with_its_context(scenes):
    images, targets = Tiles(scenes, 5, pixels=24, batch=16)(np.random.default_rng(2))
    assert images.shape == (16, 5, 24, 24)
    assert targets.shape == (16, 1, 12, 12)
    assert (targets[::2].max(axis=(1, 2, 3)) > 0.5).mean() > 0.7
    assert 0 <= images.min() <= images.max() <= 1


def test_hard_places_are_drawn_as_soon_as_they_are_known(scenes):
    scenes.hard[1] = [(4, 5, 6)]
    rng = np.random.default_rng(3)
    assert np.mean([scenes.draw(rng, positive=False) for _ in range(200)]) > 0.75
    assert 0.3 < np.mean([scenes.draw(rng, positive=True) for _ in range(200)]) < 0.7


def test_a_pasted_lesion_is_a_target_too(scenes):
    scenes.spots[1], scenes.labels[1] = (), np.zeros_like(scenes.labels[1])
    plain = Blocks(scenes, voxels=32, batch=40)(np.random.default_rng(4))[1][1::2].max(axis=(1, 2, 3, 4))
    pasted = Blocks(scenes, voxels=32, batch=40, pasted=1.0)(np.random.default_rng(4))[1][1::2].max(axis=(1, 2, 3, 4))
    assert (pasted == 1).sum() > (plain == 1).sum()


def test_the_second_channel_is_the_depth_inside_a_lesion(scenes):
    targets = Blocks(scenes, voxels=24, batch=8, distance=True)(np.random.default_rng(5))[1]
    assert targets.shape == (8, 2, 12, 12, 12)
    assert 0.4 < targets[:, 1].max() < 0.9  # three voxels of five


@pytest.mark.parametrize("kind", LOSSES)
def test_a_missed_centre_outweighs_a_false_alarm_anywhere(kind):
    torch.manual_seed(0)
    target = torch.zeros(1, 1, 12, 12, 12)
    target[0, 0, 6, 6, 6] = 1
    right = 12 * target - 6
    missed, alarmed = right.clone(), right.clone()
    missed[0, 0, 6, 6, 6] = -6
    alarmed[0, 0, 1, 1, 1] = 6
    loss = rare_centres(kind)
    assert loss(missed, target) > loss(right, target) + 1
    assert loss(alarmed, target) > loss(right, target)


def test_uncertainty_weights_are_learned():
    loss = WithDistance(rare_centres("focal"))
    target = torch.zeros(1, 2, 8, 8, 8)
    target[0, 0, 4, 4, 4] = 1
    loss(torch.zeros_like(target, requires_grad=True), target).backward()
    assert loss.log_variances.grad is not None
    assert torch.isfinite(loss.log_variances.grad).all()


def test_masked_reconstruction_learns_and_leaves_a_fresh_head(scenes):
    blanked, targets = Masked(scenes, voxels=16, batch=2)(np.random.default_rng(6))
    assert (blanked[targets.repeat(CELL, 2).repeat(CELL, 3).repeat(CELL, 4)[:, 1:] > 0] == 0).all()
    network = new_network(NetworkSpec("centre", 3, 1, 1, (4, 6)), 1)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    after = pretrained(network, scenes, Schedule(3, 1), lambda _: None, None).state_dict()
    assert not torch.equal(before["stem.0.weight"], after["stem.0.weight"])
    assert float(after["head.bias"]) == -4.0


def test_every_switch_has_a_name_in_the_card():
    assert set(Learning.__slots__) == {"centre_loss", "class_loss", "distance", "pasted", "rounds", "pretrain", "precision"}
