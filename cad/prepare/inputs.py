"""One rule for what every network of a task sees, the same in training and in screening.

A volume becomes a canonical axial isotropic crop around the organ, scaled to [0, 1]; patches around
a point are cut from the source at a finer spacing with the same scale. Where a rule names MR sequences, each is one channel, scaled
by itself; a missing one is zero everywhere (see cad.availability). Where a rule holds landmarks of what a model learned from, a scan
that lies far from them is brought to them (see cad.prepare.landmarks); where it holds the scanners, a CT that is off is (see
cad.prepare.scanners).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.errors import Refusal
from cad.prepare import regions
from cad.prepare.intensity import scale, tissue_window
from cad.prepare.landmarks import Curve, Landmarks
from cad.prepare.resample import resample, resample_labels
from cad.prepare.scanners import Correction, Scanners
from cad.space import Grid
from cad.volume import Volume

REGIONS = {"lungs": regions.lungs, "brain": regions.brain}


@dataclass(frozen=True, slots=True)
class InputRule:
    """How a task's networks see a volume.

    `low`/`high` are the intensities that become 0 and 1 (HU for CT); None for MR, where they come
    from the organ's own median and spread. `sequences` are the MR types that become channels, the best reference first; () for one
    picture of any kind. `landmarks` of the sequences ("" for one picture of any kind) are what scans are aligned to; () for none.
    `scanners` are what a CT of the chest is held against; None for nothing.
    """

    region: str
    spacing_mm: float
    margin_mm: float
    low: float | None
    high: float | None
    patch_voxels: int
    patch_spacing_mm: float
    sequences: tuple[str, ...] = field(default=(), repr=False)
    landmarks: tuple[Landmarks, ...] = field(default=(), repr=False)
    scanners: Scanners | None = field(default=None, repr=False)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> InputRule:
        """Back from a model's header, where tuples are lists."""
        marks = tuple(Landmarks(**{**one, "values": tuple(one["values"])}) for one in stored.get("landmarks", ()))
        scanners = Scanners.from_dict(stored["scanners"]) if stored.get("scanners") else None
        return cls(**{**stored, "sequences": tuple(stored.get("sequences", ())), "landmarks": marks, "scanners": scanners})


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One channel: `source` in its own unit and on its own grid, `image` of it on the crop in [0, 1], and what becomes 0 and 1.

    `curve` is what the grey values went through after that; None for most.
    """

    source: Volume
    image: NDArray[np.float32]
    low: float
    high: float
    curve: Curve | None = None

    def grey(self, voxels: NDArray[Any]) -> NDArray[np.float32]:
        """Voxels in the source's unit as the networks see them."""
        window = scale(voxels, self.low, self.high)
        return window if self.curve is None else self.curve(window)


@dataclass(frozen=True, slots=True, eq=False)
class NetworkInput:
    """`image` float32 in [0, 1] and the organ mask `region` (uint8) on one canonical axial grid; `low` and `high` became 0 and 1.

    These, and `curve`, are of the reference. `pictures` are all channels in the rule's order, None for a missing one; () where the
    reference is the only one there ever is, and seen as it was scanned. `correction` is what a CT that was off went through.
    """

    image: Volume
    region: Volume
    low: float
    high: float
    pictures: tuple[Picture | None, ...] = ()
    curve: Curve | None = None
    correction: Correction | None = None

    def stack(self) -> NDArray[np.float32]:
        """All channels (channels, slices, rows, columns) in [0, 1]; a missing one is zero."""
        if not self.pictures:
            return np.asarray(self.image.voxels, dtype=np.float32)[None]
        blank = np.zeros(self.image.grid.shape, dtype=np.float32)
        return np.stack([blank if picture is None else picture.image for picture in self.pictures])

    def closely(
        self, volume: Volume, centre_mm: Sequence[float], voxels: int, rule: InputRule, spacing_mm: float | None = None
    ) -> tuple[Volume, NDArray[np.float32]]:
        """A cube around a point (see `close_up`): of the reference `volume` in its own unit, and all channels of it in [0, 1]."""
        rule = replace(rule, low=self.low) if self.correction else rule
        cut = close_up(volume, centre_mm, voxels, rule, spacing_mm)
        pixels = np.zeros((max(1, len(self.pictures)), *cut.grid.shape), dtype=np.float32)
        for channel, picture in enumerate(self.pictures or (Picture(volume, cut.voxels, self.low, self.high, self.curve),)):
            if picture is not None:
                same = picture.source.voxels is volume.voxels
                there = cut if same else close_up(picture.source, centre_mm, voxels, rule, spacing_mm)
                pixels[channel] = picture.grey(there.voxels)
        return cut, pixels

    def aligned(self, rule: InputRule) -> tuple[tuple[str, float], ...]:
        """The sequences whose grey values went through a curve, and how far a landmark was moved, in windows."""
        if not rule.sequences:
            return () if self.curve is None else (("", self.curve.moved),)
        channels = zip(rule.sequences, self.pictures, strict=True)
        return tuple((name, picture.curve.moved) for name, picture in channels if picture and picture.curve)

    def lacks(self, rule: InputRule) -> tuple[str, ...]:
        """The rule's sequences that are missing."""
        return tuple(name for name, picture in zip(rule.sequences, self.pictures, strict=False) if picture is None)

    def only(self, sequences: Sequence[str]) -> NetworkInput:
        """The same crop with these sequences alone; the first that is there becomes the reference."""
        kept = tuple(picture if picture and picture.source.sequence in sequences else None for picture in self.pictures)
        first = next(picture for picture in kept if picture is not None)
        return replace(self, image=self.image.like(first.image), low=first.low, high=first.high, pictures=kept, curve=first.curve)


def network_input(volume: Volume, rule: InputRule) -> NetworkInput | Refusal:
    """Crop to the organ, resample to the rule's spacing, scale. A volume without the organ is refused."""
    mask = REGIONS[rule.region](volume)
    if not mask.voxels.any():
        return Refusal("", f"no_{rule.region}_found", f"the pixels show no {rule.region} that this task could look through")
    region = resample_labels(mask, _canonical_grid(mask, rule))
    off = rule.scanners.correction(volume, region, near(volume, region.grid).voxels) if rule.scanners else None
    rule = _of_scanner(rule, off) if off else rule
    shown = off.quietened(volume) if off else volume
    reference = _picture(replace(shown, sequence=reference_name(volume, rule)), mask, region, rule)
    others = [_picture(part, resample_labels(mask, part.grid), region, rule) for part in volume.beside if part.sequence in rule.sequences]
    named = {picture.source.sequence: picture for picture in (*others, reference)}
    pictures = tuple(named.get(name) for name in rule.sequences)
    return NetworkInput(
        image=Volume(reference.image, region.grid, "1", volume.modality),
        region=region,
        low=reference.low,
        high=reference.high,
        pictures=(reference,) if shown is not volume else pictures,
        curve=reference.curve,
        correction=off,
    )


def reference_name(volume: Volume, rule: InputRule) -> str:
    """Which of the rule's sequences a volume is; one whose type nobody knows is taken for the first of them."""
    return volume.sequence if volume.sequence in rule.sequences else next(iter(rule.sequences), "")


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


def _of_scanner(rule: InputRule, off: Correction) -> InputRule:
    """The rule with its window in the HU of a scanner that is off: the same tissue becomes 0 and 1."""
    low, high = (None if hu is None else off.own(hu) for hu in (rule.low, rule.high))
    return replace(rule, low=low, high=high)


def _picture(part: Volume, mask: Volume, region: Volume, rule: InputRule) -> Picture:
    """One channel of the crop `region`; `mask` is the organ on the part's own grid."""
    low, high = _intensity_range(part, mask, rule) if mask.voxels.any() else (0.0, 1.0)
    image = scale(resample(part, region.grid, fill=low).voxels, low, high)
    marks = next((one for one in rule.landmarks if one.sequence == (part.sequence if rule.sequences else "")), None)
    curve = marks.curve(tissue_of(image, region)) if marks else None
    return Picture(part, curve(image) if curve else image, low, high, curve)


def tissue_of(image: NDArray[np.float32], region: Volume) -> NDArray[np.float32]:
    """The grey values in [0, 1] that landmarks are measured on: inside the organ and above the window's low end, where a sequence that
    does not cover the organ is zero."""
    return image[(region.voxels > 0) & (image > 0)]


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
