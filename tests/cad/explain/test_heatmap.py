"""Heat maps of a network whose evidence is known by construction, and the figures that judge them."""

import numpy as np
import pytest
import torch

from cad.errors import ModelError
from cad.explain.faithfulness import assess
from cad.explain.heatmap import gradcam_3d, hirescam_3d
from cad.networks import NetworkSpec, build


class Brightness(torch.nn.Module):
    """Its logit is the pooled brightness above 0.5: only bright voxels speak for the class."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.features = (torch.nn.Conv2d if dims == 2 else torch.nn.Conv3d)(1, 2, 1)
        torch.nn.init.constant_(self.features.weight, 1.0)
        torch.nn.init.constant_(self.features.bias, -0.5)
        self.bend = torch.nn.ReLU()

    def forward(self, x):
        return 400 * self.bend(self.features(x)).mean(dim=1).flatten(1).mean(dim=1, keepdim=True) - 2


def scene(dims):
    patch = np.full((16,) * dims, 0.1, np.float32)
    mask = np.zeros(patch.shape, np.uint8)
    where = tuple(slice(4, 7) for _ in range(dims))
    patch[where], mask[where] = 1.0, 1
    return patch, mask


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("camera", [gradcam_3d, hirescam_3d])
def test_the_map_lies_on_the_evidence(dims, camera):
    network, (patch, mask) = Brightness(dims).eval(), scene(dims)
    heat = camera(network, patch, "bend")
    assert heat.shape == patch.shape
    assert heat.dtype == np.float32
    assert heat.max() == 1.0
    np.testing.assert_allclose(heat, mask, atol=1e-6)


def test_a_true_map_is_trusted_and_a_false_one_is_not():
    network, (patch, mask) = Brightness(3).eval(), scene(3)
    true = assess(network, patch, mask.astype(np.float32), mask)
    assert true.pointing_hit
    assert true.mass_inside == 1.0
    assert true.deletion_drop > true.random_drop
    assert true.insertion_gain > max(true.random_gain, 0)
    assert true.trustworthy
    assert not assess(network, patch, mask.astype(np.float32), mask, model_check="failed").trustworthy
    false = np.zeros(patch.shape, np.float32)
    false[12:15, 12:15, 12:15] = 1
    wrong = assess(network, patch, false, mask)
    assert not wrong.pointing_hit
    assert not wrong.trustworthy
    nothing = assess(network, patch, np.zeros_like(false), mask)
    assert (nothing.mass_inside, nothing.trustworthy) == (0.0, False)


def test_assessing_is_repeatable():
    network, (patch, mask) = Brightness(3).eval(), scene(3)
    heat = np.random.default_rng(0).random(patch.shape).astype(np.float32)
    assert assess(network, patch, heat, mask, seed=4) == assess(network, patch, heat, mask, seed=4)


@pytest.mark.parametrize(
    ("dims", "channels", "shape"), [(3, 1, (32, 32, 32)), (3, 2, (2, 32, 32, 32)), (2, 3, (3, 48, 48)), (2, 1, (48, 48))]
)
@pytest.mark.parametrize("camera", [gradcam_3d, hirescam_3d])
def test_the_projects_networks(dims, channels, shape, camera):
    torch.manual_seed(0)
    network = build(NetworkSpec("resnet", dims, channels, 2, (4, 8, 8, 16))).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    patch = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    heat = camera(network, patch, class_index=1)
    assert heat.shape == shape[-dims:]
    assert 0 <= heat.min() <= heat.max() <= 1
    np.testing.assert_array_equal(heat, camera(network, patch, class_index=1))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not network.training
    assert all(p.grad is None for p in network.parameters())


def test_what_does_not_fit_is_named():
    network = build(NetworkSpec("resnet", 3, 1, 1, (4, 4, 4, 4))).eval()
    with pytest.raises(ModelError, match=r"layer9.*layer1"):
        gradcam_3d(network, np.zeros((16, 16, 16), np.float32), "layer9")
    with pytest.raises(ModelError, match="1 channel"):
        hirescam_3d(network, np.zeros((16, 16), np.float32))


def test_small_nodules_are_pointed_at_by_a_trained_network():
    """A minute network learns blobs among tubes; its fine map must point at the blob most of the time."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = build(NetworkSpec("resnet", 2, 1, 1, (8, 8, 16, 16)))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(80):
        patches, truths, _ = blobs(rng, 16)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(patches)[:, 0], truths)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    patches, _, masks = blobs(rng, 40)
    shown = [(patches[i, 0].numpy(), masks[i]) for i in range(1, 40, 2)]
    figures = [assess(network, patch, hirescam_3d(network, patch), mask) for patch, mask in shown]
    assert np.mean([f.pointing_hit for f in figures]) >= 0.8
    assert np.mean([f.deletion_drop for f in figures]) > 2 * np.mean([f.random_drop for f in figures])


def blobs(rng, n, size=32):
    """Every second patch holds a blob; each holds a line as wide as a vessel."""
    patches, masks = rng.normal(0, 0.15, (n, size, size)).astype(np.float32), np.zeros((n, size, size), np.uint8)
    y, x = np.indices((size, size))
    for i in range(n):
        patches[i, np.abs(x - rng.uniform(0, size)) < 2] += 1
        if i % 2:
            masks[i] = np.hypot(y - rng.uniform(8, 24), x - rng.uniform(8, 24)) < rng.uniform(3, 5)
            patches[i, masks[i] > 0] += 1
    return torch.tensor(patches)[:, None], torch.tensor([float(i % 2) for i in range(n)]), masks
