"""Triage: a 2.5D network looks at every plane and discards the benign ones.

It maps where a lesion might be, since the average over a plane drowns a nodule of three pixels; the peak is the plane's score.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.special import expit

from cad.backends import Float32Array, Network
from cad.inference import MULTIPLE, logits
from cad.prepare.inputs import NetworkInput
from cad.volume import Volume

Kind = TypeVar("Kind", np.float16, np.float32)

CONTEXT_PLANES = 2
KEEP_AROUND = 3
REGION_MARGIN = 2


def plane_scores(seen: NetworkInput, network: Network) -> Float32Array:
    """How much each plane of the crop looks as if it touched a lesion: the peak of a 2.5D map within the organ, in [0, 1]."""
    image = np.asarray(seen.image.voxels, dtype=np.float32)
    organ = binary_dilation(np.asarray(seen.region.voxels) > 0, iterations=REGION_MARGIN)
    pads = [(0, 0), *((0, -size % MULTIPLE) for size in image.shape[1:])]
    planes = (np.pad(plane_with_context(image, k), pads) for k in range(image.shape[0]))
    maps = logits(network, planes)[:, : image.shape[1], : image.shape[2]]
    peaks = np.where(organ, maps, -np.inf).max(axis=(1, 2))
    return np.asarray(expit(peaks), dtype=np.float32)


def plane_with_context(image: NDArray[Kind], k: int) -> NDArray[Kind]:
    """Plane k with a neighbour on either side as three channels (3, h, w); the ends repeat."""
    last = image.shape[0] - 1
    return image[[max(0, k - CONTEXT_PLANES), k, min(last, k + CONTEXT_PLANES)]]


def kept_planes(scores: Float32Array, threshold: float) -> NDArray[np.bool_]:
    """Planes at or above the threshold and their neighbours, which a lesion may reach into."""
    kept = scores >= threshold
    return np.asarray(binary_dilation(kept, iterations=KEEP_AROUND)) if kept.any() else kept


def source_slices_kept(volume: Volume, seen: NetworkInput, kept: NDArray[np.bool_]) -> int:
    """How many source slices pass through a kept plane: what the reader would still have to look at.

    A source slice that is not axial is counted by the planes it crosses.
    """
    if not kept.any():
        return 0
    height, width = volume.grid.shape[1:]
    corners = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]
    index = np.array([[(k, j, i) for j, i in corners] for k in range(volume.grid.shape[0])])
    z = volume.grid.to_mm(index)[..., 2]
    thickness = volume.grid.spacing_mm[0] / 2
    planes_z = seen.image.grid.to_mm([(int(k), 0, 0) for k in np.flatnonzero(kept)])[:, 2]
    touched = (planes_z >= z.min(axis=1, keepdims=True) - thickness) & (planes_z <= z.max(axis=1, keepdims=True) + thickness)
    return int(touched.any(axis=1).sum())
