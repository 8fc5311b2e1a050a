"""Losses that rare positives survive, samplers that balance, a loop that repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cad.networks import NetworkSpec
from cad.train.loop import Schedule, fit, new_network
from cad.train.losses import rare_class, rare_voxels
from cad.train.recipe import Budget
from cad.train.sampling import Crops, Cubes, Patches


@pytest.fixture
def crops():
    rng = np.random.default_rng(0)
    made = Crops()
    for _ in range(2):
        image = rng.random((24, 40, 40)).astype(np.float16)
        labels = np.zeros(image.shape, dtype=np.uint8)
        labels[10:13, 18:22, 18:22] = 1
        made.images.append(image)
        made.labels.append(labels)
        made.regions.append(np.ones_like(labels))
        made.lesions.append([(11, 20, 20)])
        made.hard.append([(3, 5, 5)])
    return made


def test_missing_a_lesion_voxel_costs_more_than_a_false_alarm():
    target = torch.zeros(1, 1, 24, 24, 24)
    target[0, 0, 4:12, 4:12, 4:12] = 1
    right = 12 * target - 6
    missed, alarmed = right.clone(), right.clone()
    missed[0, 0, 4:6, 4:6, 4:6] = -6.0
    alarmed[0, 0, 18:20, 18:20, 18:20] = 6.0
    assert rare_voxels()(missed, target) > 1.5 * rare_voxels()(alarmed, target)


def test_one_lesion_voxel_is_heard_among_a_million():
    target = torch.zeros(1, 1, 64, 64, 64)
    target[0, 0, 30:38, 30:38, 30:38] = 1
    output = torch.full_like(target, -4.0, requires_grad=True)
    rare_voxels()(output, target).backward()
    inside = output.grad[target > 0].abs().sum()
    assert inside > 0.2 * output.grad.abs().sum()


def test_easy_negatives_hardly_count():
    loss = rare_class()
    easy = loss(torch.full((8, 1), -5.0), torch.zeros(8, 1))
    hard = loss(torch.full((8, 1), 1.0), torch.zeros(8, 1))
    assert easy < hard / 1000


def test_patches_hold_the_lesion_where_they_should(crops):
    images, labels = Patches(crops, voxels=16, batch=4)(np.random.default_rng(2))
    assert images.shape == labels.shape == (4, 1, 16, 16, 16)
    assert (labels[::2].sum(axis=(1, 2, 3, 4)) > 0).all()
    assert 0 <= images.min() <= images.max() <= 1


def test_hard_look_alikes_are_drawn_more_often():
    images = [np.full((1, 20, 20, 20), value, dtype=np.float16) for value in (0.9, 0.1, 0.5)]
    masks = [np.zeros((20, 20, 20), dtype=np.uint8)] * 3
    cubes = Cubes(images, masks, np.array([True, False, False]), np.array([1.0, 0.05, 0.95]), 16, batch=200)
    drawn, targets = cubes.classes(np.random.default_rng(3))
    negatives = drawn[targets[:, 0] == 0].mean(axis=(1, 2, 3, 4))
    assert targets.mean() == 0.5
    assert (negatives > 0.3).mean() > 0.85


def test_the_same_seed_gives_the_same_weights(crops):
    def trained():
        network = new_network(NetworkSpec("unet", 3, 1, 1, (4, 8)), 5)
        return fit(network, Patches(crops, voxels=16), rare_voxels(), Schedule(3, 5), lambda _: None)

    first, second = trained(), trained()
    assert first.losses == second.losses
    for a, b in zip(first.network.state_dict().values(), second.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_few_steps_learn_bright_from_dark():
    rng = np.random.default_rng(0)

    def sample(_):
        targets = rng.integers(0, 2, (16, 1)).astype(np.float32)
        images = rng.random((16, 3, 16, 16), dtype=np.float32) * 0.5 + targets[:, :, None, None] * 0.5
        return images.astype(np.float32), targets

    fitted = fit(new_network(NetworkSpec("resnet", 2, 3, 1, (4, 4, 8, 8)), 1), sample, rare_class(), Schedule(60, 1), lambda _: None)
    images, targets = sample(None)
    with torch.inference_mode():
        found = fitted.network(torch.from_numpy(images))[:, 0].numpy() > 0
    assert (found == (targets[:, 0] > 0)).mean() > 0.9
    assert np.mean(fitted.losses[-5:]) < np.mean(fitted.losses[:5]) / 2


def test_a_smaller_budget_keeps_its_shape():
    small = Budget(100, 40, 20, {"triage": 900}).scaled(0.001)
    assert small == Budget(1, 1, 1, {"triage": 1}, 1, 1, 1)
