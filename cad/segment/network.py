"""Outlines as probability maps on the grid the network saw."""

from __future__ import annotations

import numpy as np

from cad.backends import Network
from cad.inference import dense_map
from cad.volume import Volume


def probability(image: Volume, network: Network) -> Volume:
    """Sigmoid map of a one-channel U-Net over `image` (float32 in [0, 1]); unit "1", same grid."""
    return image.like(np.ascontiguousarray(dense_map(network, np.asarray(image.voxels, dtype=np.float32))), unit="1")
