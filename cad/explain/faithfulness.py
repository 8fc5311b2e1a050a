"""Whether a heat map can be trusted: pointing game, mass inside the mask, deletion and insertion against chance and against edges.

Deletion and insertion (Petsiuk et al., BMVC 2018): blank the hottest voxels, or bring only them back to a blurred picture, and
see how the score moves. Chance blanks the same number of voxels in the same shape at a random place, which is harder to beat than
scattered single voxels; the edge baseline takes the voxels with the steepest gradient, since a map may just redraw the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.explain.heatmap import as_batch
from cad.finding import Faithfulness

if TYPE_CHECKING:
    import torch

DELETED_SHARE = 0.05
RANDOM_DRAWS = 6
BLUR_VOXELS = 4.0


def assess(
    network: torch.nn.Module,
    patch: NDArray[np.float32],
    heatmap: NDArray[np.float32],
    mask: NDArray[np.uint8],
    *,
    class_index: int = 0,
    model_check: str = "not_measured",
    seed: int = 0,
) -> Faithfulness:
    """Faithfulness of `heatmap` (spatial shape, [0, 1]) for `patch` ((c,) + spatial, float32) and the lesion's 0/1 `mask`.

    The pointing game forgives one voxel around the mask. Drops and gains are of the class's probability (sigmoid of its logit).
    Trustworthy is a map that points into the mask, holds more of its mass there than an even map would, whose deletion costs more
    than deletion at random and of edges, and whose model did not fail its randomisation check (`model_check`, see
    cad.explain.sanity). Same input and seed, same result.
    """
    inside = np.asarray(mask) > 0
    mass = float(heatmap.sum(dtype=np.float64))
    within = float(heatmap[inside].sum(dtype=np.float64)) / mass if mass > 0 else 0.0
    pointing = bool(mass > 0 and ndimage.binary_dilation(inside, iterations=1)[np.unravel_index(int(heatmap.argmax()), heatmap.shape)])
    drop, gain = _moves(network, patch, heatmap, class_index, seed)
    holds = pointing and drop.hot > max(drop.random, drop.edge, 0.0) and within > float(inside.mean())
    return Faithfulness(
        pointing_hit=pointing,
        mass_inside=within,
        deletion_drop=drop.hot,
        random_drop=drop.random,
        trustworthy=holds and model_check != "failed",
        edge_drop=drop.edge,
        insertion_gain=gain.hot,
        random_gain=gain.random,
        edge_gain=gain.edge,
        model_check=model_check,
    )


class _Move(NamedTuple):
    """How far the probability moves by the hottest voxels, by as many at random (mean), by the steepest edges."""

    hot: float
    random: float
    edge: float


def _moves(
    network: torch.nn.Module, patch: NDArray[np.float32], heatmap: NDArray[np.float32], class_index: int, seed: int
) -> tuple[_Move, _Move]:
    """Falls by deletion and rises by insertion."""
    hot = top_voxels(heatmap, DELETED_SHARE)
    rng = np.random.default_rng(seed)
    places = [tuple(int(rng.integers(n)) for n in hot.shape) for _ in range(RANDOM_DRAWS)]
    chosen = [hot, top_voxels(edges(patch, hot.ndim), DELETED_SHARE), *(np.roll(hot, place, range(hot.ndim)) for place in places)]
    blurred = _blurred(patch, hot.ndim)
    variants = [patch, *(_blanked(patch, part) for part in chosen), blurred, *(np.where(part, patch, blurred) for part in chosen)]
    scores = np.array(_probabilities(network, variants, class_index))
    falls, rises = scores[0] - scores[1 : len(chosen) + 1], scores[len(chosen) + 2 :] - scores[len(chosen) + 1]
    return _move(falls), _move(rises)


def _move(moves: NDArray[np.float64]) -> _Move:
    return _Move(float(moves[0]), float(moves[2:].mean()), float(moves[1]))


def top_voxels(heatmap: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """The hottest share of all voxels; ties by storage order."""
    count = max(1, round(share * heatmap.size))
    chosen = np.zeros(heatmap.size, dtype=bool)
    chosen[np.argsort(heatmap, axis=None, kind="stable")[-count:]] = True
    return chosen.reshape(heatmap.shape)


def edges(patch: NDArray[np.float32], dims: int) -> NDArray[np.float32]:
    """How steep the picture is at each voxel: the map that knows nothing of the network."""
    channels = patch.reshape(-1, *patch.shape[-dims:])
    return np.asarray(np.max([ndimage.gaussian_gradient_magnitude(channel, 1.0) for channel in channels], axis=0), dtype=np.float32)


def _blurred(patch: NDArray[np.float32], dims: int) -> NDArray[np.float32]:
    sigma = (0.0,) * (patch.ndim - dims) + (BLUR_VOXELS,) * dims
    return np.asarray(ndimage.gaussian_filter(patch, sigma), dtype=np.float32)


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
