"""A network of several sequences is told which are there, whatever runs it."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from cad.availability import Availability, channels_of
from cad.backends import forward
from cad.explain.features import pooled_features
from cad.explain.heatmap import hirescam_3d
from cad.explain.stability import probe
from cad.networks import ModelHeader, NetworkSpec, build, load, save

SPEC = NetworkSpec("resnet", 3, 4, 1, (4, 4, 8, 8), sequences=2)


def test_marks_say_which_sequences_are_there() -> None:
    image = torch.zeros(2, 4, 3, 3, 3)
    image[0, 1, 0, 0, 0] = 0.5  # the second channel of the first sequence
    image[1, 2:] = 1.0
    (seen,) = Availability(2)(torch.nn.Identity(), (image,))
    assert seen.shape == (2, 6, 3, 3, 3)
    assert torch.equal(seen[:, :4], image)
    assert seen[0, 4:].flatten(1).unique(dim=1).tolist() == [[1.0], [0.0]]
    assert seen[1, 4:].flatten(1).unique(dim=1).tolist() == [[0.0], [1.0]]


def test_middling_tissue_is_zero_where_it_was_measured_and_so_is_what_was_not() -> None:
    image = torch.full((1, 4, 2, 2, 2), 0.25)
    image[:, 2:] = 0
    image[0, 0, 0, 0, 0] = 0.75
    (seen,) = Availability(2, 0.25)(torch.nn.Identity(), (image,))
    assert seen[0, 0, 0, 0, 0] == 0.5
    assert not seen[0, 1:4].any()
    assert torch.equal(seen[0, 4:, 0, 0, 0], torch.tensor([1.0, 0.0]))


def test_a_model_file_says_what_counts_as_zero_only_where_it_is_not_black(tmp_path: Path) -> None:
    """Models of one picture keep the bytes they had before there was such a number."""
    for middle in (0.0, 0.25):
        spec = NetworkSpec("centre", 3, 2, 1, (4, 6), sequences=2, middle=middle)
        header = ModelHeader("a_task", "1", "", "", {"propose": spec}, {})
        loaded = load(tmp_path / "one.safetensors", save(tmp_path / "one.safetensors", header, {"propose": build(spec)}))
        assert loaded.header.stages["propose"].middle == middle
        assert (b"middle" in (tmp_path / "one.safetensors").read_bytes()) == bool(middle)


def test_a_network_of_one_sequence_is_as_it_was() -> None:
    plain = build(NetworkSpec("centre", 3, 1, 1, (4, 6)))
    assert channels_of(plain) == 1
    assert not plain._forward_pre_hooks


@pytest.mark.parametrize("kind", ["resnet", "centre", "unet"])
@pytest.mark.parametrize("backend", ["eager", "openvino"])
def test_every_backend_marks_alike(kind: str, backend: str) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    torch.manual_seed(1)
    network = build(NetworkSpec(kind, 3, 4, 1, (4, 4, 8, 8) if kind == "resnet" else (4, 6), sequences=2, middle=0.3)).eval()
    assert channels_of(network) == 4
    run = forward(network, 4, 3, backend)
    image = np.random.default_rng(0).random((3, 4, 16, 32, 16), dtype=np.float32)
    image[0, :2] = 0
    image[1, 2:] = 0
    with torch.inference_mode():
        expected = network(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(run(image), expected, atol=1e-4)


def test_copies_for_other_processes_and_for_checks_keep_the_marks() -> None:
    network = build(SPEC).eval()
    image = torch.rand(1, 4, 16, 16, 16)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):  # noqa: S301 - our own bytes
        assert channels_of(other) == 4
        assert torch.equal(network(image), other(image))


def test_a_missing_sequence_stays_missing_under_small_changes() -> None:
    """Otherwise the test of steadiness would hand the network a sequence of pure noise."""
    torch.manual_seed(2)
    network = build(SPEC).eval()
    seen: list[torch.Tensor] = []
    network.register_forward_pre_hook(lambda _network, inputs: seen.append(inputs[0]))
    patch = np.random.default_rng(0).random((4, 16, 16, 16), dtype=np.float32)
    patch[2:] = 0
    probe(patch, network)
    assert all(not batch[:, 2:4].any() for batch in seen)
    assert hirescam_3d(network, patch).shape == (16, 16, 16)
    assert pooled_features(patch[None], network)[0].shape == (1, 8)
