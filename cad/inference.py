"""Runs a network over arrays: padding to what a U-Net halves, batches, one place for eager PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
MULTIPLE = 16


def dense_map(network: torch.nn.Module, image: Float32Array) -> Float32Array:
    """Sigmoid map of a one-channel 3D U-Net, same shape as `image` (d, h, w), in one window.

    One large window costs far less than many overlapping ones and has no seams.
    """
    pads = [(-size) % MULTIPLE for size in image.shape]
    padded = np.pad(image, [(0, pad) for pad in pads])
    with torch.inference_mode():
        output = torch.sigmoid(network(torch.from_numpy(padded)[None, None]))[0, 0].numpy()
    return np.asarray(output[tuple(slice(0, size) for size in image.shape)], dtype=np.float32)


def logits(network: torch.nn.Module, samples: Iterable[Float32Array], batch: int = 16) -> Float32Array:
    """The first output channel of each sample: one logit, or a map of them. Samples are (channels, ...) float32 of one shape."""
    with torch.inference_mode():
        parts = [network(torch.from_numpy(np.stack(group)))[:, 0].numpy() for group in _batched(samples, batch)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def _batched(samples: Iterable[Float32Array], size: int) -> Iterator[list[Float32Array]]:
    group: list[Float32Array] = []
    for sample in samples:
        group.append(sample)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
