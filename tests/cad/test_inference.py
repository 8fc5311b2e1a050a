"""Running networks: any size in, the same size out; a batch is the same as one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cad.inference import dense_map, logits
from cad.networks import NetworkSpec, build


@pytest.mark.parametrize("shape", [(16, 16, 16), (17, 30, 5), (1, 1, 1)])
def test_a_map_has_the_size_of_its_image(shape):
    network = build(NetworkSpec("unet", 3, 1, 1, (4, 8, 8))).eval()
    found = dense_map(network, np.random.default_rng(0).random(shape, dtype=np.float32))
    assert found.shape == shape
    assert found.min() >= 0
    assert found.max() <= 1


def test_batches_do_not_change_the_answer():
    torch.manual_seed(0)
    network = build(NetworkSpec("resnet", 2, 3, 1, (4, 4, 8, 8))).eval()
    samples = np.random.default_rng(1).random((7, 3, 24, 20), dtype=np.float32)
    together, alone = logits(network, samples, batch=3), logits(network, samples, batch=1)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    assert together.shape == (7,)


def test_no_samples_no_logits():
    assert logits(torch.nn.Identity(), []).shape == (0,)
