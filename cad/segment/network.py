"""Outlines as probability maps on the grid the network saw."""

from __future__ import annotations

import numpy as np

from cad.backends import Float32Array, Network
from cad.inference import dense_map
from cad.volume import Volume


def probability(image: Volume, network: Network, pixels: Float32Array | None = None) -> Volume:
    """Sigmoid map of a U-Net over `image` (float32 in [0, 1]); unit "1", same grid.

    `pixels` (channels, d, h, w) are what the network sees at that place where that is not the image itself.
    """
    shown = np.asarray(image.voxels, dtype=np.float32) if pixels is None else pixels
    return image.like(np.ascontiguousarray(dense_map(network, shown)), unit="1")
