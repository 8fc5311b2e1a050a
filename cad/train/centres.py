"""Batches for maps of lesion centres: tiles of a few planes for triage, blocks for propose, with Gaussians as targets."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from cad.centre_net import CELL
from cad.detect.triage import context_offsets
from cad.train.augment import ONE_PICTURE, Draw, Float32Array, anywhere, as_scanned, cut, cut_all
from cad.train.loop import Batch

LEAST_SIGMA_CELLS = 0.7
CENTRAL_SHARE = 0.35  # of a lesion's diameter: planes this near to its centre must find it
DISTANCE_UNIT = 5.0  # voxels of the crop: distances are learned in this unit, near 1
PASTED_REACH = 4
HARD_SHARE = 0.75  # of the negatives, as soon as hard ones are known


@dataclass(frozen=True, slots=True)
class Spot:
    """A lesion on the crop's grid: its centre's index (not rounded), diameter in voxels, label."""

    centre: tuple[float, float, float]
    diameter: float
    label: int


@dataclass(slots=True, eq=False)
class Scenes:
    """One crop a case (sequences, d, h, w), its labels, organ mask and lesions; `hard[c]` are places that a network took for lesions."""

    images: list[NDArray[np.float16]] = field(default_factory=list)
    labels: list[NDArray[np.uint8]] = field(default_factory=list)
    regions: list[NDArray[np.uint8]] = field(default_factory=list)
    spots: list[tuple[Spot, ...]] = field(default_factory=list)
    hard: list[list[tuple[int, int, int]]] = field(default_factory=list)

    def draw(self, rng: np.random.Generator, positive: bool) -> int:
        """A case to cut from: any, or for most negatives one in which a network took something for a lesion."""
        mined = [number for number, places in enumerate(self.hard) if places]
        if not positive and mined and rng.random() < HARD_SHARE:
            return mined[int(rng.integers(len(mined)))]
        return int(rng.integers(len(self.images)))


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """3D blocks: half hold a lesion, the others a hard negative or any place in the organ.

    `pasted` is the share of the negatives that get a lesion of another case pasted in; with `distance` the targets get
    a second channel, the depth inside a lesion.
    """

    scenes: Scenes
    voxels: int = 48
    batch: int = 6
    pasted: float = 0.0
    distance: bool = False
    draw: Draw = ONE_PICTURE

    def __call__(self, rng: np.random.Generator) -> Batch:
        """(batch, sequences, d, h, w) in [0, 1] and (batch, 1 or 2, d/2, h/2, w/2)."""
        drawn = [self._draw(rng, n % 2 == 0) for n in range(self.batch)]
        return np.stack([image for image, _ in drawn]), np.stack([target for _, target in drawn])

    def _draw(self, rng: np.random.Generator, positive: bool) -> tuple[Float32Array, Float32Array]:
        case = self.scenes.draw(rng, positive)
        shape = (self.voxels,) * 3
        start = focus(self.scenes, case, rng, positive, self.voxels // 3) - self.voxels // 2
        image, labels = cut_all(self.scenes.images[case], start, shape), cut(self.scenes.labels[case], start, shape)
        spots = [_moved(spot, start) for spot in self.scenes.spots[case]]
        if not positive and rng.random() < self.pasted:
            spots += _paste(image, labels, self.scenes, rng)
        target = _heat(spots, shape)
        depth = _depth(labels) if self.distance else np.zeros((0, *target.shape), dtype=np.float32)
        image, target = _turned(rng, image, np.concatenate([target[None], depth]))
        return as_scanned(image, self.draw, rng), target


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """Tiles of one plane with context planes as channels, `channels` of all sequences together; half hold a lesion."""

    scenes: Scenes
    channels: int
    pixels: int = 64
    batch: int = 32
    draw: Draw = ONE_PICTURE

    def __call__(self, rng: np.random.Generator) -> Batch:
        """(batch, channels, h, w) in [0, 1] and (batch, 1, h/2, w/2)."""
        drawn = [self._draw(rng, n % 2 == 0) for n in range(self.batch)]
        return np.stack([image for image, _ in drawn]), np.stack([target for _, target in drawn])

    def _draw(self, rng: np.random.Generator, positive: bool) -> tuple[Float32Array, Float32Array]:
        case = self.scenes.draw(rng, positive)
        middle = focus(self.scenes, case, rng, positive, self.pixels // 3, central=True)
        start = np.array([middle[0], middle[1] - self.pixels // 2, middle[2] - self.pixels // 2])
        pictures = self.scenes.images[case]
        offsets = context_offsets(self.channels // len(pictures))
        first = start + np.array([offsets[0], 0, 0])
        slabs = cut_all(pictures, first, (offsets[-1] - offsets[0] + 1, self.pixels, self.pixels))
        image = slabs[:, [offset - offsets[0] for offset in offsets]].reshape(-1, self.pixels, self.pixels)
        target = _plane_heat([_moved(spot, start) for spot in self.scenes.spots[case]], self.pixels)
        image, target = _turned(rng, image[None], target[None])
        return as_scanned(image[0], self.draw, rng), target[0]


def focus(scenes: Scenes, case: int, rng: np.random.Generator, positive: bool, jitter: int, central: bool = False) -> NDArray[np.int_]:
    """Where to cut: near a lesion, near a hard negative, or anywhere in the organ. `central` keeps a lesion's plane near its middle."""
    reach = np.array([0 if central else jitter, jitter, jitter])
    if positive and scenes.spots[case]:
        spot = scenes.spots[case][int(rng.integers(len(scenes.spots[case])))]
        along = np.array([CENTRAL_SHARE * spot.diameter * rng.uniform(-1, 1) if central else 0.0, 0, 0])
        return np.rint(spot.centre + along).astype(int) + rng.integers(-reach, reach + 1)
    pool = scenes.hard[case]
    if pool and rng.random() < HARD_SHARE:
        return np.asarray(pool[int(rng.integers(len(pool)))]) + rng.integers(-reach // 2, reach // 2 + 1)
    return anywhere(scenes.regions[case], rng)


def _moved(spot: Spot, start: NDArray[np.int_]) -> Spot:
    z, y, x = (float(c - s) for c, s in zip(spot.centre, start, strict=True))
    return Spot((z, y, x), spot.diameter, spot.label)


def _sigma(spot: Spot) -> float:
    return max(LEAST_SIGMA_CELLS, spot.diameter / CELL / 6)


def _heat(spots: list[Spot], shape: tuple[int, int, int]) -> Float32Array:
    """Gaussians of height 1 at the cells that hold the centres."""
    cells = [size // CELL for size in shape]
    heat = np.zeros(cells, dtype=np.float32)
    for spot in spots:
        middle = [int(np.floor((c + 0.5) / CELL)) for c in spot.centre]
        away = np.ix_(*((np.arange(size) - m) ** 2 for size, m in zip(cells, middle, strict=True)))
        heat = np.maximum(heat, np.exp(-sum(away) / (2 * _sigma(spot) ** 2)).astype(np.float32))
    return heat


def _plane_heat(spots: list[Spot], pixels: int) -> Float32Array:
    """The same on plane 0: full height within a lesion's central planes, falling off towards its ends."""
    heat = np.zeros((1, pixels // CELL, pixels // CELL), dtype=np.float32)
    for spot in spots:
        beyond = max(0.0, abs(spot.centre[0]) - max(1.0, CENTRAL_SHARE * spot.diameter))
        height = np.exp(-(beyond**2) / (2 * max(1.0, spot.diameter / 6) ** 2))
        y, x = (int(np.floor((c + 0.5) / CELL)) for c in spot.centre[1:])
        rows, columns = np.ogrid[: heat.shape[1], : heat.shape[2]]
        away = ((rows - y) ** 2 + (columns - x) ** 2) / (2 * _sigma(spot) ** 2)
        heat[0] = np.maximum(heat[0], (height * np.exp(-away)).astype(np.float32))
    return heat


def _depth(labels: Float32Array) -> Float32Array:
    """How deep each cell lies inside a lesion, in DISTANCE_UNIT voxels; 0 outside."""
    inside = labels > 0
    depth = distance_transform_edt(inside) if inside.any() else np.zeros(labels.shape)
    cells = [size // CELL for size in labels.shape]
    pooled = depth.reshape(cells[0], CELL, cells[1], CELL, cells[2], CELL).max(axis=(1, 3, 5))
    return np.asarray(pooled[None] / DISTANCE_UNIT, dtype=np.float32)


def _paste(image: Float32Array, labels: Float32Array, scenes: Scenes, rng: np.random.Generator) -> list[Spot]:
    """Put a lesion of any case into the block, softly and where it is whole; returns its spot (none where it is too large)."""
    case = int(rng.integers(len(scenes.images)))
    if not scenes.spots[case]:
        return []
    spot = scenes.spots[case][int(rng.integers(len(scenes.spots[case])))]
    edge = int(np.ceil(spot.diameter)) + 2 * PASTED_REACH
    room = image.shape[-1] - edge
    if room <= 0:
        return []
    source = np.rint(spot.centre).astype(int) - edge // 2
    mask = cut(scenes.labels[case], source, (edge,) * 3) == spot.label
    share = np.clip(2 * gaussian_filter(mask.astype(np.float32), 1.0), 0, 1)
    target = rng.integers(0, room + 1, size=3)
    window = tuple(slice(s, s + edge) for s in target)
    lesion, there = cut_all(scenes.images[case], source, (edge,) * 3), (slice(None), *window)
    image[there] += share * (np.maximum(lesion, image[there]) - image[there])  # a vessel in front of it stays
    labels[window] = np.where(mask, spot.label, labels[window])
    return [_moved(spot, source - target)]


def _turned(rng: np.random.Generator, image: Float32Array, target: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Flips along every axis and a transposed plane, the same for image and target (channels first)."""
    axes = tuple(axis for axis in (1, 2, 3) if rng.random() < 0.5)
    order = (0, 1, 3, 2) if rng.random() < 0.5 else (0, 1, 2, 3)
    turned = [np.ascontiguousarray(np.flip(part, axes).transpose(order)) for part in (image, target)]
    return turned[0], turned[1]
