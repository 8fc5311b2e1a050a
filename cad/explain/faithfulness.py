"""Whether a heat map can be trusted: pointing game, mass inside the mask, deletion against chance.

Deletion (Petsiuk et al., BMVC 2018): blank the hottest voxels and see how far the score falls. The comparison blanks the
same number of voxels in the same shape at a random place, which is harder to beat than scattered single voxels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.explain.heatmap import as_batch
from cad.finding import Faithfulness

if TYPE_CHECKING:
    import torch

DELETED_SHARE = 0.05
RANDOM_DRAWS = 8


def assess(
    network: torch.nn.Module,
    patch: NDArray[np.float32],
    heatmap: NDArray[np.float32],
    mask: NDArray[np.uint8],
    *,
    class_index: int = 0,
    seed: int = 0,
) -> Faithfulness:
    """Faithfulness of `heatmap` (spatial shape, [0, 1]) for `patch` ((c,) + spatial, float32) and the lesion's 0/1 `mask`.

    The pointing game forgives one voxel around the mask. Drops are of the class's probability (sigmoid of its logit).
    Trustworthy is a map that points into the mask, holds more of its mass there than an even map would, and whose
    deletion costs more than random deletion. Same input and seed, same result.
    """
    inside = np.asarray(mask) > 0
    mass = float(heatmap.sum(dtype=np.float64))
    within = float(heatmap[inside].sum(dtype=np.float64)) / mass if mass > 0 else 0.0
    pointing = bool(mass > 0 and ndimage.binary_dilation(inside, iterations=1)[np.unravel_index(int(heatmap.argmax()), heatmap.shape)])
    drop, chance = _drops(network, patch, heatmap, class_index, seed)
    trustworthy = pointing and drop > max(chance, 0.0) and within > float(inside.mean())
    return Faithfulness(pointing, within, drop, chance, trustworthy)


def _drops(
    network: torch.nn.Module, patch: NDArray[np.float32], heatmap: NDArray[np.float32], class_index: int, seed: int
) -> tuple[float, float]:
    """Fall of the probability after deleting the hottest voxels, and its mean over random places."""
    hot = _hottest(heatmap)
    rng = np.random.default_rng(seed)
    shifts = [tuple(int(rng.integers(n)) for n in hot.shape) for _ in range(RANDOM_DRAWS)]
    variants = [patch, _blanked(patch, hot), *(_blanked(patch, np.roll(hot, shift, range(hot.ndim))) for shift in shifts)]
    scores = _probabilities(network, variants, class_index)
    return scores[0] - scores[1], scores[0] - float(np.mean(scores[2:]))


def _hottest(heatmap: NDArray[np.float32]) -> NDArray[np.bool_]:
    count = max(1, round(DELETED_SHARE * heatmap.size))
    chosen = np.zeros(heatmap.size, dtype=bool)
    chosen[np.argsort(heatmap, axis=None, kind="stable")[-count:]] = True
    return chosen.reshape(heatmap.shape)


def _blanked(patch: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The patch with the voxels replaced by each channel's lower quartile: background, not a black hole."""
    axes = tuple(range(patch.ndim - where.ndim, patch.ndim))
    background = np.quantile(patch, 0.25, axis=axes, keepdims=True)
    return np.where(where, background, patch).astype(np.float32)


def _probabilities(network: torch.nn.Module, patches: list[NDArray[np.float32]], class_index: int) -> list[float]:
    import torch

    training = network.training
    network.eval()
    with torch.inference_mode():
        logits = network(torch.cat([as_batch(network, patch) for patch in patches]))
    network.train(training)
    return [float(p) for p in torch.sigmoid(logits[:, class_index])]
