"""Whether a finding holds when its close-up is disturbed a little, and whether it looks like anything the network was shown.

A perturbation made to deceive is fine-grained: light smoothing undoes it and the score falls, while a lesion's hardly changes
(feature squeezing: Xu et al., NDSS 2018). What falls further than known findings do is said to be unsteady. An attacker who
knows of the test can aim at both; see docs/confidence.md for how often that works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from cad.backends import Float32Array
from cad.explain.conformal import group_bound
from cad.explain.features import named, pooled_features
from cad.explain.novelty import Family

if TYPE_CHECKING:
    import torch

LEVEL = 0.95
SMOOTHING_VOXELS = (0.7, 1.0)
SPACE = (-3, -2, -1)
SHIFTS = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
NOISE = 0.01  # of the window: 14 HU for a lung
LEAST_FINDINGS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One close-up under test: the classifier's features, and the furthest fall of its logit under small changes."""

    features: Mapping[str, float]
    fall: float


@dataclass(frozen=True, slots=True)
class StabilityReference:
    """What findings of the calibration set do under the same test. Of new ones like those at most 5 % exceed `most_fall`, and 5 %
    `most_distance`; `look` is None and the cuts are infinite where `scans` are too few to say.
    """

    look: Family | None = None
    most_fall: float = float("inf")
    most_distance: float = float("inf")
    findings: int = 0
    scans: int = 0

    @classmethod
    def fit(cls, taught: Sequence[Mapping[str, float]], held_out: Sequence[Probe], groups: Sequence[int]) -> StabilityReference:
        """From the features of the lesions that the network was taught, and findings of held-out scans, `groups` which scan.

        Too few of either leave no claim.
        """
        if min(len(taught), len(held_out)) < LEAST_FINDINGS:
            return cls()
        look = Family.fit("finding", taught)
        g = np.asarray(groups)
        falls = group_bound(np.array([probe.fall for probe in held_out]), g, LEVEL)
        far = group_bound(np.array([look.distance(probe.features) for probe in held_out]), g, LEVEL)
        if falls is None or far is None:
            return cls(findings=len(held_out), scans=len(set(groups)))
        return cls(replace(look, scale=max(far, 1e-6)), falls, 1.0, len(held_out), len(set(groups)))

    def steady(self, probe: Probe) -> bool:
        """Whether its score falls no further under small changes than that of known findings."""
        return probe.fall <= self.most_fall

    def distance(self, probe: Probe) -> float | None:
        """How unlike the network's training close-ups it looks: beyond 1 is rarer than one in twenty; None where not known."""
        return None if self.look is None else self.look.distance(probe.features)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the model's header; None stands for an infinite cut."""
        return {key: None if value == float("inf") else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> StabilityReference:
        """What `to_dict` gave; no claim for a model from before there was one."""
        look = document.get("look")
        known = {key: value for key, value in document.items() if value is not None and key != "look"}
        return cls(look=None if look is None else Family.from_dict(look), **known)


def probe(patch: Float32Array, reducer: torch.nn.Module) -> Probe:
    """Test a close-up (channels, d, h, w) or (d, h, w) in [0, 1], as the network sees it. The same input gives the same result."""
    patch = np.asarray(patch, dtype=np.float32)
    features, logits = pooled_features(np.stack([patch, *_disturbed(patch)]), reducer)
    return Probe(named(features[0]), round(float(logits[0] - logits[1:].min()), 4))


def _disturbed(patch: Float32Array) -> list[Float32Array]:
    """Smoothed, moved by a voxel, with noise that no scanner would notice; a channel that is missing stays missing."""
    noise = np.random.default_rng(0).normal(0, NOISE, patch.shape) * patch.any(axis=SPACE, keepdims=True)
    smooth = [ndimage.gaussian_filter(patch, sigma, axes=SPACE) for sigma in SMOOTHING_VOXELS]
    return [*smooth, *(np.roll(patch, shift, SPACE) for shift in SHIFTS), np.asarray(patch + noise, dtype=np.float32)]
