"""Findings under test: what a small disturbance undoes is unsteady; heat maps that ignore the weights fail their test."""

import json

import numpy as np
import pytest
import torch

from cad.explain.features import pooled_features
from cad.explain.sanity import MapSanity, check_maps
from cad.explain.stability import StabilityReference, probe
from cad.networks import NetworkSpec, build


class Grain(torch.nn.Module):
    """Its logit is the mean of a filtered patch: of `fine` detail (a checkerboard) or of brightness."""

    def __init__(self, *, fine: bool) -> None:
        super().__init__()
        self.fine = fine
        self.layer1 = torch.nn.Conv3d(1, 2, 1, bias=False)
        torch.nn.init.ones_(self.layer1.weight)
        self.avgpool = torch.nn.AdaptiveAvgPool3d(1)

    def forward(self, x):
        sign = (torch.tensor(np.indices(x.shape[2:]).sum(axis=0) % 2) * 2 - 1).float() if self.fine else 1.0
        return 50 * self.avgpool(self.layer1(x * sign)).flatten(1)[:, :1]


def patch(seed, grain=0.0):
    z = np.indices((16, 16, 16)) - 7.5
    ball = np.exp(-(z**2).sum(axis=0) / 20)
    checks = (np.indices(ball.shape).sum(axis=0) % 2) * 2 - 1
    return (0.1 + 0.6 * ball + grain * checks + np.random.default_rng(seed).normal(0, 0.01, ball.shape)).astype(np.float32)


def test_a_score_made_of_fine_grain_falls_and_one_made_of_a_lesion_does_not():
    steady, grainy = probe(patch(0), Grain(fine=False)), probe(patch(0, grain=0.05), Grain(fine=True))
    assert steady.fall < 0.5
    assert grainy.fall > 2.0
    assert probe(patch(0), Grain(fine=False)).fall == pytest.approx(steady.fall, abs=1e-4)


def test_the_cuts_come_from_known_findings():
    network = Grain(fine=True)
    taught = [probe(patch(n), network).features for n in range(25)]
    known = [probe(patch(100 + n), network) for n in range(25)]
    reference = StabilityReference.fit(taught, known, range(25))
    assert np.mean([reference.steady(p) for p in known]) >= 0.95
    assert not reference.steady(probe(patch(0, grain=0.05), network))
    assert reference.distance(known[0]) < 1.5
    assert reference.distance(probe(patch(0) + 1, Grain(fine=False))) > 3
    assert StabilityReference.from_dict(json.loads(json.dumps(reference.to_dict()))) == reference


def test_too_few_findings_make_no_claim():
    found = probe(patch(0, grain=1.0), Grain(fine=True))
    for reference in (StabilityReference(), StabilityReference.fit([found.features] * 30, [found] * 5, range(5))):
        assert reference.steady(found)
        assert reference.distance(found) is None
        assert StabilityReference.from_dict(json.loads(json.dumps(reference.to_dict()))) == reference


def test_pooled_features_are_what_the_last_layer_weighs():
    torch.manual_seed(0)
    network = build(NetworkSpec("resnet", 3, 1, 1, (4, 8, 8, 8))).eval()
    patches = np.random.default_rng(0).random((3, 16, 16, 16), dtype=np.float32)
    features, logits = pooled_features(patches, network)
    weight, bias = network.fc.weight.detach().numpy(), network.fc.bias.detach().numpy()
    assert features.shape == (3, 8)
    np.testing.assert_allclose(features @ weight[0] + bias[0], logits, rtol=1e-5)


class Edges(torch.nn.Module):
    """Maps of this network show the picture whatever it learnt: its weights only scale what is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.layer1 = torch.nn.Identity()
        self.shape = torch.nn.Conv3d(1, 1, 1)

    def forward(self, x):
        return (self.layer1(x) * self.scale).flatten(1).sum(dim=1, keepdim=True)


def test_maps_that_ignore_the_weights_fail():
    patches = [patch(n) for n in range(6)]
    assert check_maps(Edges().eval(), patches).outcome == "failed"
    assert check_maps(Edges().eval(), patches[:2]).outcome == "not_measured"
    assert check_maps(Edges().eval(), []).outcome == "not_measured"


def test_checking_leaves_the_network_alone_and_is_repeatable():
    torch.manual_seed(0)
    network = build(NetworkSpec("resnet", 3, 1, 1, (4, 8, 8, 8))).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    found = check_maps(network, [patch(n) for n in range(5)])
    assert found == check_maps(network, [patch(n) for n in range(5)])
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert 0 <= found.alike <= found.upper
    assert MapSanity.from_dict(json.loads(json.dumps(found.to_dict()))) == found
