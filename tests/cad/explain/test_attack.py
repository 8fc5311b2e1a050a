"""Small perturbations that turn a look-alike into a lesion for the classifier do not go unnoticed."""

import numpy as np
import pytest
import torch

from cad.explain.stability import Probe, StabilityReference, probe
from cad.networks import NetworkSpec, build

SIZE, STRENGTH, STEPS = 20, 30 / 1400, 10  # 30 HU of a lung's window


def close_ups(rng, n):
    """(patches, truths): every second holds a ball, each holds a rod of the same width."""
    index = np.indices((SIZE, SIZE, SIZE))
    patches, truths = [], []
    for number in range(n):
        image = rng.normal(0.1, 0.03, (SIZE,) * 3)
        centre = rng.uniform(6, SIZE - 6, 3)
        apart = [index[axis] - centre[axis] for axis in range(3)]
        ball, rod = np.sqrt(sum(d**2 for d in apart)) < 3, np.hypot(*rng.permutation(apart)[:2]) < 3
        image[ball if number % 2 else rod] += 0.4
        patches.append(image.astype(np.float32))
        truths.append(float(number % 2))
    return np.stack(patches), np.array(truths)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    rng, made = np.random.default_rng(0), build(NetworkSpec("resnet", 3, 1, 1, (4, 8, 8, 8)))
    optimiser = torch.optim.Adam(made.parameters(), 5e-3)
    for _ in range(60):
        patches, truths = close_ups(rng, 16)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(made(torch.from_numpy(patches)[:, None])[:, 0], torch.tensor(truths))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return made.eval()


def attacked(network, patch):
    """Projected gradient ascent on the logit (Madry et al., ICLR 2018)."""
    start = torch.from_numpy(patch)[None, None]
    x = start.clone()
    for _ in range(STEPS):
        x.requires_grad_()
        (slope,) = torch.autograd.grad(network(x).sum(), x)
        x = start + (x.detach() + STRENGTH / 3 * slope.sign() - start).clamp(-STRENGTH, STRENGTH)
    return x.detach().numpy()[0, 0]


def logit(network, patch):
    with torch.inference_mode():
        return float(network(torch.from_numpy(patch)[None, None])[0, 0])


def test_a_look_alike_made_into_a_lesion_is_noticed(network):
    rng = np.random.default_rng(1)
    patches, truths = close_ups(rng, 60)
    known: list[Probe] = [probe(patch, network) for patch in patches]
    reference = StabilityReference.fit([p.features for p, truth in zip(known, truths, strict=True) if truth], known, range(60))
    fresh, kinds = close_ups(rng, 60)
    hurt = [attacked(network, patch) for patch, kind in zip(fresh, kinds, strict=True) if not kind]
    turned = [patch for patch in hurt if logit(network, patch) > 0]
    assert len(turned) >= 5, "the attack works, or nothing is tested"
    noticed = [
        not reference.steady(p) or (reference.distance(p) or 0) > reference.most_distance for p in (probe(x, network) for x in turned)
    ]
    clean = [not reference.steady(probe(patch, network)) for patch in fresh]
    assert np.mean(noticed) >= 0.8
    assert np.mean(clean) <= 0.2
