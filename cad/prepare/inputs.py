"""One rule for what every network of a task sees, the same in training and in screening.

A volume becomes a canonical axial isotropic crop around the organ, scaled to [0, 1]; patches around
a point are cut from the source at a finer spacing with the same scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cad.errors import Refusal
from cad.prepare import regions
from cad.prepare.intensity import scale, tissue_window
from cad.prepare.resample import resample, resample_labels
from cad.space import Grid
from cad.volume import Volume

REGIONS = {"lungs": regions.lungs, "brain": regions.brain}


@dataclass(frozen=True, slots=True)
class InputRule:
    """How a task's networks see a volume.

    `low`/`high` are the intensities that become 0 and 1 (HU for CT); None for MR, where they come
    from the organ's own median and spread.
    """

    region: str
    spacing_mm: float
    margin_mm: float
    low: float | None
    high: float | None
    patch_voxels: int
    patch_spacing_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class NetworkInput:
    """`image` float32 in [0, 1] and the organ mask `region` (uint8) on one canonical axial grid."""

    image: Volume
    region: Volume
    low: float
    high: float


def network_input(volume: Volume, rule: InputRule) -> NetworkInput | Refusal:
    """Crop to the organ, resample to the rule's spacing, scale. A volume without the organ is refused."""
    mask = REGIONS[rule.region](volume)
    if not mask.voxels.any():
        return Refusal("", f"no_{rule.region}_found", f"the pixels show no {rule.region} that this task could look through")
    low, high = _intensity_range(volume, mask, rule)
    grid = _canonical_grid(mask, rule)
    image = resample(volume, grid, fill=low)
    return NetworkInput(
        image=scaled(image, low, high),
        region=resample_labels(mask, grid),
        low=low,
        high=high,
    )


def close_up(volume: Volume, centre_mm: Sequence[float], voxels: int, rule: InputRule, spacing_mm: float | None = None) -> Volume:
    """A cube of `voxels` a side around `centre_mm` (LPS), float32 in the source's unit; at the rule's patch spacing unless told."""
    grid = patch_grid(centre_mm, voxels, spacing_mm or rule.patch_spacing_mm)
    outside = rule.low if rule.low is not None else 0.0
    return resample(near(volume, grid), grid, fill=outside)


def scaled(image: Volume, low: float, high: float) -> Volume:
    """The same image as a network sees it: float32 in [0, 1]."""
    return image.like(scale(image.voxels, low, high), unit="1")


def label_patch(labels: Volume, centre_mm: Sequence[float], voxels: int, rule: InputRule) -> Volume:
    """The labels in the cube that `close_up` cuts."""
    grid = patch_grid(centre_mm, voxels, rule.patch_spacing_mm)
    return resample_labels(near(labels, grid), grid)


def patch_grid(centre_mm: Sequence[float], voxels: int, spacing_mm: float) -> Grid:
    """An axial isotropic cube of `voxels` a side with its middle at `centre_mm`."""
    shape = (voxels,) * 3
    return Grid.axial(shape, (spacing_mm,) * 3).around(centre_mm, shape, spacing_mm)


def _intensity_range(volume: Volume, mask: Volume, rule: InputRule) -> tuple[float, float]:
    if rule.low is not None and rule.high is not None:
        return rule.low, rule.high
    return tissue_window(volume, mask)


def _canonical_grid(mask: Volume, rule: InputRule) -> Grid:
    occupied = np.argwhere(mask.voxels)
    low, high = occupied.min(axis=0), occupied.max(axis=0)
    corners = mask.grid.to_mm([[(low, high)[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)])
    start, stop = corners.min(axis=0) - rule.margin_mm, corners.max(axis=0) + rule.margin_mm
    shape_xyz = np.ceil((stop - start) / rule.spacing_mm).astype(int) + 1
    return Grid.axial(shape_xyz[::-1], (rule.spacing_mm,) * 3, start)


def near(volume: Volume, grid: Grid) -> Volume:
    """The part of `volume` that `grid` touches, a view on the same voxels, so that a small cut costs little."""
    box = grid.box()
    corners = volume.grid.to_index([[(box.low_mm, box.high_mm)[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)])
    start = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, np.asarray(volume.grid.shape) - 1)
    stop = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 3, start + 1, volume.grid.shape)
    voxels = volume.voxels[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    return Volume(voxels, volume.grid.crop(start, voxels.shape), volume.unit, volume.modality)
