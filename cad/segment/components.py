"""Post-processing in physical units: the component that is meant, and what is too small to be one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_edt, label

from cad.volume import Volume

SAME_SHARE = 0.5


def component_at(soft: Volume, point_mm: Sequence[float], reach_mm: float = 6.0, level: float = 0.5) -> Volume:
    """Keep the connected part of `soft` >= level nearest to a point; elsewhere the map falls to zero.

    The kept part keeps its soft border, so that contours stay sub-voxel. Empty when no part lies
    within `reach_mm` of the point.
    """
    labels, count = label(soft.voxels >= level)
    if count == 0:
        return soft.like(np.zeros_like(soft.voxels))
    index = soft.grid.to_index(point_mm)
    distance, nearest = distance_transform_edt(labels == 0, sampling=soft.grid.spacing_mm, return_indices=True)
    at = tuple(np.clip(np.rint(index), 0, np.asarray(soft.grid.shape) - 1).astype(int))
    if distance[at] > reach_mm:
        return soft.like(np.zeros_like(soft.voxels))
    return _only(soft, labels == labels[tuple(nearest[(slice(None), *at)])])


def largest_component(soft: Volume, level: float = 0.5) -> Volume:
    """Keep the largest connected part of `soft` >= level, soft border included."""
    labels, count = label(soft.voxels >= level)
    if count == 0:
        return soft.like(np.zeros_like(soft.voxels))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return _only(soft, labels == int(sizes.argmax()))


def same(one: Volume, other: Volume, level: float = 0.5) -> bool:
    """Whether two soft maps, each on a grid of its own, outline one thing: at least half of the smaller lies in the other."""
    inside = np.argwhere(one.voxels >= level)
    sizes = [(soft.voxels >= level).sum() * np.prod(soft.grid.spacing_mm) for soft in (one, other)]
    if not all(sizes):
        return False
    there = np.rint(other.grid.to_index(one.grid.to_mm(inside))).astype(int)
    held = there[((there >= 0) & (there < other.grid.shape)).all(axis=1)]
    shared = (other.voxels[tuple(held.T)] >= level).sum() * np.prod(one.grid.spacing_mm)
    return bool(shared >= SAME_SHARE * min(sizes))


def hard(soft: Volume, level: float = 0.5) -> Volume:
    """The 0/1 uint8 mask of a soft map."""
    return soft.like((soft.voxels >= level).astype(np.uint8), unit="1")


def _only(soft: Volume, part: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Volume:
    return soft.like(np.where(binary_dilation(part, iterations=2), soft.voxels, 0).astype(np.float32))
