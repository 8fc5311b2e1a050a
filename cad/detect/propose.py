"""Propose: a 3D network marks places on the planes that triage kept."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, center_of_mass, find_objects, label

from cad.finding import Candidate
from cad.inference import Float32Array, dense_map
from cad.prepare.inputs import NetworkInput
from cad.space import Box, Grid

SLAB_MARGIN = 8
REGION_MARGIN = 2
MAX_CANDIDATES = 100


def lesion_map(seen: NetworkInput, kept: NDArray[np.bool_], network: torch.nn.Module) -> Float32Array:
    """Probability-like map over the crop (d, h, w), zero outside the organ and on discarded planes."""
    image = np.asarray(seen.image.voxels, dtype=np.float32)
    heat = np.zeros(image.shape, dtype=np.float32)
    for start, stop in _slabs(kept):
        heat[start:stop] = dense_map(network, image[start:stop])
    heat[~kept] = 0
    heat[~binary_dilation(seen.region.voxels > 0, iterations=REGION_MARGIN)] = 0
    return heat


def candidates(heat: Float32Array, grid: Grid, threshold: float) -> tuple[Candidate, ...]:
    """Connected places at or above the threshold, best peak first, at most MAX_CANDIDATES."""
    labels, _ = label(heat >= threshold)
    places = [(float(heat[box][labels[box] == n].max()), n, box) for n, box in enumerate(find_objects(labels), start=1)]
    best = sorted(places, key=lambda place: (-place[0], place[1]))[:MAX_CANDIDATES]
    return tuple(_candidate(np.where(labels[box] == n, heat[box], 0), box, grid) for _, n, box in best)


def _candidate(local: Float32Array, box: tuple[slice, ...], grid: Grid) -> Candidate:
    start = [s.start for s in box]
    centre = grid.to_mm(np.add(center_of_mass(local), start))
    bounds = grid.crop(start, local.shape).box()
    return Candidate(
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        box_mm=Box(bounds.low_mm, bounds.high_mm),
        scores=(("propose", float(local.max())),),
    )


def _slabs(kept: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of kept planes with some context on both sides; runs that then touch are one."""
    if not kept.any():
        return []
    wide = binary_dilation(kept, iterations=SLAB_MARGIN)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wide, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
