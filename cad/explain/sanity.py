"""Whether a model's heat maps depend on what it learnt: the model-randomisation test, once a model.

Adebayo et al., NeurIPS 2018: a map that hardly changes when every weight is shuffled shows edges of the image, not the model's
reasons. It concerns the model, so its outcome is stored with it and stands beside every map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from cad.backends import Float32Array
from cad.explain.heatmap import hirescam_3d

if TYPE_CHECKING:
    import torch

MOST_ALIKE = 0.5
LEAST_MAPS = 5
EVERY = 2


@dataclass(frozen=True, slots=True)
class MapSanity:
    """`alike` is the mean rank correlation (Spearman, its size) of maps by the trained and the shuffled network over `maps` close-ups,
    `upper` its one-sided 95 % bound; passed is a bound of at most MOST_ALIKE. `maps` 0: not measured.
    """

    alike: float = 1.0
    upper: float = 1.0
    maps: int = 0

    @property
    def outcome(self) -> str:
        """ "passed", "failed" or "not_measured"."""
        if self.maps < LEAST_MAPS:
            return "not_measured"
        return "passed" if self.upper <= MOST_ALIKE else "failed"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the model's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> MapSanity:
        """What `to_dict` gave; not measured for a model from before there was the test."""
        return cls(**document)


def check_maps(network: torch.nn.Module, patches: Sequence[Float32Array], seed: int = 0) -> MapSanity:
    """Compare maps of close-ups ((channels,) d, h, w) in [0, 1] under the trained weights with those under shuffled ones; repeatable."""
    if not patches:
        return MapSanity()
    shuffled = _shuffled(network, seed)
    alike = np.array([_alike(hirescam_3d(network, patch), hirescam_3d(shuffled, patch)) for patch in patches])
    spread = float(alike.std(ddof=1)) if len(alike) > 1 else 0.0
    return MapSanity(float(alike.mean()), float(alike.mean() + 1.645 * spread / len(alike) ** 0.5), len(alike))


def _shuffled(network: torch.nn.Module, seed: int) -> torch.nn.Module:
    """The same network, the values of each weight tensor in another order: the size of the weights stays, what they know goes."""
    import torch

    copy, generator = deepcopy(network).eval(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in copy.parameters():
            flat = parameter.flatten()
            parameter.copy_(flat[torch.randperm(flat.numel(), generator=generator)].reshape(parameter.shape))
    return copy


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Size of the rank correlation; a map that is even everywhere is like no other."""
    thin = (slice(None, None, EVERY),) * one.ndim
    a, b = one[thin].ravel(), other[thin].ravel()
    return abs(float(spearmanr(a, b).statistic)) if np.ptp(a) and np.ptp(b) else 0.0
