"""Whose picture it is, by its pixels: digests of slices that survive new UIDs, other files and other compression."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from cad.volume import Volume

LOW_HU, HIGH_HU = -1000, 1000
LEAST_VALUES = 32
DIGITS = 16


def slice_digests(volume: Volume) -> tuple[str, ...]:
    """One digest a slice that shows something, sorted, each once.

    Over decoded values as int16 (CT between -1000 and 1000 HU, so that padding and the reach of the stored bits do not
    matter), turned so that columns run to the left, rows to the back and slices to the head as nearly as the grid has it:
    the same slice gives the same digest whether it came from DICOM, MetaImage or NIfTI, under any UID, in any lossless
    transfer syntax. Lossy compression, resampling and cropping change it. Slices of fewer than 32 different values are
    blank and say nothing.
    """
    return tuple(sorted({digest for plane in _upright(volume) if (digest := _digest(plane))}))


def same_patients(slices: Mapping[str, Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    """Groups of scans (by name) that share a slice, directly or through others; scans alone are left out. Sorted."""
    home = {name: name for name in slices}

    def root(name: str) -> str:
        while home[name] != name:
            name = home[name]
        return name

    first: dict[str, str] = {}
    for name in sorted(slices):
        for digest in slices[name]:
            home[root(name)] = root(first.setdefault(digest, name))
    groups: dict[str, list[str]] = {}
    for name in sorted(slices):
        groups.setdefault(root(name), []).append(name)
    return tuple(sorted(tuple(group) for group in groups.values() if len(group) > 1))


def _upright(volume: Volume) -> NDArray[np.int16]:
    voxels = np.asarray(volume.voxels)
    if volume.modality == "CT":
        voxels = np.clip(voxels, LOW_HU, HIGH_HU)
    whole: NDArray[np.int16] = np.rint(np.clip(voxels, -32768, 32767)).astype(np.int16)
    axes = np.abs(volume.grid.affine[:3, :3] / volume.grid.spacing_mm)  # rows x, y, z; columns slice, row, column
    order = [int(axes[xyz].argmax()) for xyz in (2, 1, 0)]
    if sorted(order) != [0, 1, 2]:
        return whole
    turned: NDArray[np.int16] = whole.transpose(order)
    backwards = [volume.grid.affine[xyz, axis] < 0 for xyz, axis in zip((2, 1, 0), order, strict=True)]
    return np.asarray(turned[tuple(slice(None, None, -1 if back else 1) for back in backwards)])


def _digest(plane: NDArray[np.int16]) -> str:
    if np.unique(plane[::2, ::2]).size < LEAST_VALUES and np.unique(plane).size < LEAST_VALUES:
        return ""
    state = hashlib.sha256(repr(plane.shape).encode())
    state.update(np.ascontiguousarray(plane).astype("<i2").tobytes())
    return state.hexdigest()[:DIGITS]
