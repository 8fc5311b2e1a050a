"""Backends: the same network gives the same answer whatever runs it, at any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cad import backends
from cad.backends import Eager, OpenVino, forward, resolved
from cad.errors import ModelError
from cad.networks import NetworkSpec, build
from pipelines.registry.shipped import FolderModels

SPECS = [
    (NetworkSpec("unet", 3, 1, 1, (4, 8, 8)), [(1, 1, 16, 32, 48), (2, 1, 32, 16, 16)]),
    (NetworkSpec("unet", 2, 3, 1, (4, 8, 8)), [(3, 3, 64, 32), (1, 3, 16, 16)]),
    (NetworkSpec("resnet", 3, 1, 1, (4, 4, 8, 8)), [(5, 1, 48, 48, 48), (1, 1, 24, 24, 24)]),
]
openvino_there = pytest.mark.skipif(not backends._has_openvino(), reason="OpenVINO is not installed: PyTorch runs the networks")


@openvino_there
@pytest.mark.parametrize(("spec", "shapes"), SPECS, ids=["unet-3d", "unet-2d", "resnet-3d"])
def test_openvino_and_pytorch_agree_at_any_size(spec, shapes):
    torch.manual_seed(1)
    network = build(spec).eval()
    compiled, plain = forward(network, spec.channels_in, spec.dims, "openvino"), Eager(network)
    for shape in shapes:
        batch = np.random.default_rng(2).random(shape, dtype=np.float32)
        np.testing.assert_allclose(compiled(batch), plain(batch), rtol=1e-4, atol=1e-4)


@openvino_there
@pytest.mark.parametrize("task", FolderModels().tasks())
def test_the_shipped_networks_agree_and_decide_alike(task):
    """Voxel for voxel: the same side of one half in all but one of 10,000."""
    store = FolderModels()
    model = store.load(store.current(task))
    for stage, spec in model.header.stages.items():
        edge = 48 if spec.dims == 3 else 96
        noise = np.random.default_rng(3).random((1, spec.channels_in, *(edge,) * spec.dims), dtype=np.float32)
        compiled, plain = model.forward(stage)(noise), Eager(model.stage(stage))(noise)
        np.testing.assert_allclose(compiled, plain, rtol=1e-3, atol=1e-3, err_msg=stage)
        assert np.mean((compiled > 0) == (plain > 0)) >= 0.9999, stage


@openvino_there
def test_openvino_gives_the_same_bytes_twice():
    torch.manual_seed(1)
    network = build(SPECS[0][0]).eval()
    batch = np.random.default_rng(2).random((1, 1, 32, 32, 32), dtype=np.float32)
    assert OpenVino(network, (1, 1, 16, 16, 16))(batch).tobytes() == OpenVino(network, (1, 1, 16, 16, 16))(batch).tobytes()


def test_without_openvino_pytorch_serves_and_asking_for_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(backends, "_has_openvino", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolved("auto") == "eager"
    with pytest.raises(ModelError, match="pip install openvino"):
        resolved("openvino")
    with pytest.raises(ModelError, match="no GPU"):
        resolved("cuda")
    with pytest.raises(ModelError, match="accepted: auto, openvino, eager, cuda"):
        resolved("tensorrt")


def test_a_gpu_is_preferred_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolved("auto") == "cuda"
