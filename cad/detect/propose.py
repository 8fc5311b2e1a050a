"""Propose: a 3D network marks places on the planes that triage kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, center_of_mass, find_objects, label, maximum_filter

from cad.backends import Float32Array, Network
from cad.detect.triage import coarsened
from cad.finding import Candidate
from cad.inference import dense_map
from cad.prepare.inputs import NetworkInput
from cad.space import Grid, as_point
from cad.volume import Volume

SLAB_MARGIN = 8
SLAB_STEP = 2  # slabs begin where a cell of the coarsest map begins
REGION_MARGIN = 2
MAX_CANDIDATES = 60
MAX_PEAKS = 1000
PEAK_MM = 7.5  # a peak is the highest within about this
APART_MM = 6.0
REACH = 14


def lesion_map(seen: NetworkInput, kept: NDArray[np.bool_], network: Network) -> Volume:
    """Probability-like map over the crop at the network's own resolution, zero outside the organ and on discarded planes."""
    image = seen.stack()
    parts = [(start, dense_map(network, image[:, start:stop])) for start, stop in _slabs(kept)]
    ratio = -(-image.shape[2] // parts[0][1].shape[1]) if parts else 1
    grid = seen.image.grid if ratio == 1 else seen.image.grid.with_spacing([ratio * mm for mm in seen.image.grid.spacing_mm])
    heat = np.zeros(grid.shape, dtype=np.float32)
    for start, part in parts:
        heat[start // ratio : start // ratio + part.shape[0]] = part
    heat[~coarsened(kept[:, None, None], (ratio, 1, 1))[:, 0, 0]] = 0
    heat[~coarsened(binary_dilation(seen.region.voxels > 0, iterations=REGION_MARGIN), (ratio,) * 3)] = 0
    return Volume(heat, grid, "1", seen.image.modality)


def candidates(found_map: Volume, threshold: float, most: int = MAX_CANDIDATES) -> tuple[Candidate, ...]:
    """Peaks at or above the threshold, best first, at least APART_MM from any better one, at most `most`.

    Peaks rather than connected blobs: at a low threshold a nodule and the vessels beside it are one blob, whose middle
    is neither.
    """
    found: list[Candidate] = []
    heat, grid = np.asarray(found_map.voxels), found_map.grid
    taken = np.empty((3, most, 3))  # centre, low and high corner of what is found
    peaks = _peaks(heat, threshold, 2 * int(PEAK_MM / 2 / min(grid.spacing_mm)) + 1)
    for peak, here in zip(peaks, grid.to_mm(peaks), strict=True):
        centres, low, high = taken[:, : len(found)]
        near = np.linalg.norm(centres - here, axis=1) < APART_MM
        if not (near | ((low <= here) & (here <= high)).all(axis=1)).any():
            found.append(_candidate(heat, peak, grid))
            taken[:, len(found) - 1] = found[-1].centre_mm, found[-1].box_mm.low_mm, found[-1].box_mm.high_mm
        if len(found) == most:
            break
    return tuple(found)


def _peaks(heat: Float32Array, threshold: float, window: int) -> NDArray[np.int_]:
    """Indices (n, 3) of local maxima, highest first; equal ones in index order."""
    index = np.argwhere((heat >= threshold) & (maximum_filter(heat, size=window) == heat))
    order = np.argsort(-heat[tuple(index.T)], kind="stable")
    return index[order[:MAX_PEAKS]]


def _candidate(heat: Float32Array, peak: NDArray[np.int_], grid: Grid) -> Candidate:
    """Centre and box of what is connected to the peak at half its height, within REACH voxels."""
    start = np.maximum(peak - REACH, 0)
    near = heat[tuple(slice(a, b) for a, b in zip(start, peak + REACH + 1, strict=True))]
    score = float(heat[tuple(peak)])
    labels, _ = label(near >= score / 2)
    number = int(labels[tuple(peak - start)])
    (part,) = find_objects((labels == number).astype(np.int8))
    corner = start + [s.start for s in part]
    local = np.where(labels[part] == number, near[part], 0)
    centre_mm = as_point(grid.to_mm(np.add(center_of_mass(local), corner)))
    bounds = grid.crop([int(c) for c in corner], local.shape).box()
    return Candidate(centre_mm, box_mm=bounds, scores=(("propose", score),))


def _slabs(kept: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of kept planes with some context on both sides; runs that then touch are one."""
    if not kept.any():
        return []
    wide = binary_dilation(kept, iterations=SLAB_MARGIN)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wide, [False]]).astype(int)))
    return [(int(a) - int(a) % SLAB_STEP, int(b)) for a, b in edges.reshape(-1, 2)]
