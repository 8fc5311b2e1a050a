"""Triage: a 2.5D network looks at every plane and discards the benign ones.

It maps where a lesion might be, since the average over a plane drowns a nodule of three pixels; the peak is the plane's score.
"""

from __future__ import annotations

from collections.abc import Sequence
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

TRIAGE_CHANNELS = 3
CONTEXT_PLANES = 2  # planes of the crop between one channel and the next
PLANE_STEP = 2
KEEP_AROUND = 2
REGION_MARGIN = 2


def plane_scores(seen: NetworkInput, network: Network, channels: int = TRIAGE_CHANNELS) -> Float32Array:
    """How much each plane of the crop looks as if it touched a lesion: the peak of its map, in [0, 1]."""
    peaks = np.asarray(plane_maps(seen, network, channels).voxels).max(axis=(1, 2))
    return np.repeat(peaks, PLANE_STEP)[: seen.image.grid.shape[0]]


def plane_maps(seen: NetworkInput, network: Network, channels: int = TRIAGE_CHANNELS) -> Volume:
    """The 2.5D map of every PLANE_STEP-th plane (it speaks for those up to the next), in [0, 1], zero outside the organ.

    A plane is seen with planes around it as channels, `channels` of all sequences together; the map has the network's own resolution.
    """
    pictures, grid = seen.stack(), seen.image.grid
    planes = channels // len(pictures)
    pads = [(0, 0), *((0, -size % MULTIPLE) for size in grid.shape[1:])]
    around = (np.concatenate([plane_with_context(p, k, planes) for p in pictures]) for k in range(0, grid.shape[0], PLANE_STEP))
    maps = expit(logits(network, (np.pad(plane, pads) for plane in around)))
    ratio = (PLANE_STEP, *((grid.shape[axis] + pads[axis][1]) // maps.shape[axis] for axis in (1, 2)))
    cells = coarsened(binary_dilation(np.asarray(seen.region.voxels) > 0, iterations=REGION_MARGIN), ratio)
    coarse = grid.with_spacing([step * mm for step, mm in zip(ratio, grid.spacing_mm, strict=True)])
    found = np.where(cells, maps[:, : cells.shape[1], : cells.shape[2]], 0).astype(np.float32)
    return Volume(found, coarse, "1", seen.image.modality)


def coarsened(mask: NDArray[np.bool_], ratio: Sequence[int]) -> NDArray[np.bool_]:
    """A mask at the resolution of a network's map: a cell is in where any of its voxels is; the last cells may be partial."""
    if max(ratio) == 1:
        return mask
    padded = np.pad(mask, [(0, -size % step) for size, step in zip(mask.shape, ratio, strict=True)])
    d, h, w = (size // step for size, step in zip(padded.shape, ratio, strict=True))
    return np.asarray(padded.reshape(d, ratio[0], h, ratio[1], w, ratio[2]).any(axis=(1, 3, 5)))


def context_offsets(channels: int) -> tuple[int, ...]:
    """Which planes around one are its channels: an odd number of them, CONTEXT_PLANES apart."""
    return tuple(CONTEXT_PLANES * (n - channels // 2) for n in range(channels))


def plane_with_context(image: NDArray[Kind], k: int, channels: int = TRIAGE_CHANNELS) -> NDArray[Kind]:
    """Plane k with neighbours on either side as channels (channels, h, w); the ends repeat."""
    around: NDArray[Kind] = image[np.clip(np.add(k, context_offsets(channels)), 0, image.shape[0] - 1)]
    return around


def kept_planes(scores: Float32Array, threshold: float) -> NDArray[np.bool_]:
    """Planes at or above the threshold and their neighbours, which a lesion may reach into."""
    kept = scores >= threshold
    return np.asarray(binary_dilation(kept, iterations=KEEP_AROUND)) if kept.any() else kept


def source_slices_kept(volume: Volume, seen: NetworkInput, kept: NDArray[np.bool_]) -> int:
    """How many source slices pass through a kept plane: what the reader would still have to look at."""
    return int(planes_of_slices(volume, seen)[:, kept].any(axis=1).sum())


def planes_of_slices(volume: Volume, seen: NetworkInput) -> NDArray[np.bool_]:
    """(source slices, planes of the crop): which planes each slice passes through, half its thickness on either side.

    A source slice that is not axial is counted by the planes it crosses.
    """
    height, width = volume.grid.shape[1:]
    corners = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]
    index = np.array([[(k, j, i) for j, i in corners] for k in range(volume.grid.shape[0])])
    z = volume.grid.to_mm(index)[..., 2]
    thickness = volume.grid.spacing_mm[0] / 2
    planes_z = seen.image.grid.to_mm([(k, 0, 0) for k in range(seen.image.grid.shape[0])])[:, 2]
    above = planes_z >= z.min(axis=1, keepdims=True) - thickness
    return np.asarray(above & (planes_z <= z.max(axis=1, keepdims=True) + thickness))
