"""Runs a network over arrays: padding to what a U-Net halves, batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from scipy.special import expit

from cad.backends import Eager, Float32Array, Forward, Network

MULTIPLE = 16


def dense_map(network: Network, image: Float32Array) -> Float32Array:
    """Sigmoid map (d, h, w) of a 3D network in one window: as large as `image` (d, h, w) or (channels, d, h, w), or as many times
    smaller (rounded up) as the network's map is smaller than its input.

    One large window costs far less than many overlapping ones and has no seams.
    """
    size = image.shape[-3:]
    padded = np.pad(image.reshape(-1, *size), [(0, 0), *((0, -edge % MULTIPLE) for edge in size)])
    output = expit(_forward(network)(padded[None])[0, 0])
    ratio = padded.shape[1] // output.shape[0]
    return np.asarray(output[tuple(slice(0, -(-edge // ratio)) for edge in size)], dtype=np.float32)


def logits(network: Network, samples: Iterable[Float32Array], batch: int = 16) -> Float32Array:
    """The first output channel of each sample: one logit, or a map of them. Samples are (channels, ...) float32 of one shape."""
    run = _forward(network)
    parts = [run(np.stack(group))[:, 0] for group in _batched(samples, batch)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def _forward(network: Network) -> Forward:
    """A network still in training runs as PyTorch runs it, where it lies."""
    if isinstance(network, torch.nn.Module):
        return Eager(network, str(next((p.device for p in network.parameters()), "cpu")))
    return network


def _batched(samples: Iterable[Float32Array], size: int) -> Iterator[list[Float32Array]]:
    group: list[Float32Array] = []
    for sample in samples:
        group.append(sample)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
