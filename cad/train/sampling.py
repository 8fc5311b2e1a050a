"""Balanced batches: rare positives as often as negatives, and hard negatives as soon as they are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cad.detect.triage import plane_with_context
from cad.inference import MULTIPLE
from cad.train.loop import Batch

Float32Array = NDArray[np.float32]
Index = tuple[int, int, int]


@dataclass(slots=True, eq=False)
class Crops:
    """What samplers draw from: one crop a case with its labels and organ mask, kept small in memory.

    `lesions[c]` are voxel indices of lesion centres, `hard[c]` of places a network took for lesions.
    """

    images: list[NDArray[np.float16]] = field(default_factory=list)
    labels: list[NDArray[np.uint8]] = field(default_factory=list)
    regions: list[NDArray[np.uint8]] = field(default_factory=list)
    lesions: list[list[Index]] = field(default_factory=list)
    hard: list[list[Index]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """Batches of planes with context: half touch a lesion, half do not."""

    crops: Crops
    batch: int = 16

    def __call__(self, rng: np.random.Generator) -> Batch:
        """(batch, 3, h, w) planes in [0, 1] and (batch, 1, h, w) lesion masks; h and w are multiples of 16."""
        picked = [self._plane(rng, n % 2 == 0) for n in range(self.batch)]
        height, width = (_up(max(plane.shape[axis] for plane, _ in picked)) for axis in (1, 2))
        flips = [(2,) if rng.random() < 0.5 else () for _ in picked]
        planes = [np.flip(_padded(plane, height, width), axes) for (plane, _), axes in zip(picked, flips, strict=True)]
        masks = [np.flip(_padded(mask, height, width), axes) for (_, mask), axes in zip(picked, flips, strict=True)]
        return np.stack([_intensity(plane, rng) for plane in planes]), np.stack(masks).astype(np.float32)

    def _plane(self, rng: np.random.Generator, positive: bool) -> tuple[Float32Array, Float32Array]:
        while True:
            case = int(rng.integers(len(self.crops.images)))
            touched = self.crops.labels[case].any(axis=(1, 2))
            choices = np.flatnonzero(touched if positive else ~touched)
            if choices.size:
                k = int(rng.choice(choices))
                plane = plane_with_context(self.crops.images[case], k).astype(np.float32)
                return plane, (self.crops.labels[case][k : k + 1] > 0).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """Batches of 3D patches: half around a lesion, the rest around hard negatives or anywhere in the organ.

    `mirrored` is how often each axis is flipped: a lesion has no side, an aorta has.
    """

    crops: Crops
    voxels: int = 64
    batch: int = 4
    mirrored: tuple[float, float, float] = (0.15, 0.15, 0.5)

    def __call__(self, rng: np.random.Generator) -> Batch:
        """(batch, 1, d, h, w) patches in [0, 1] and 0/1 targets of the same shape."""
        drawn = [self._patch(rng, n % 2 == 0) for n in range(self.batch)]
        return np.stack([image for image, _ in drawn]), np.stack([labels for _, labels in drawn])

    def _patch(self, rng: np.random.Generator, positive: bool) -> tuple[Float32Array, Float32Array]:
        case = int(rng.integers(len(self.crops.images)))
        centre = self._centre(case, rng, positive) + rng.integers(-self.voxels // 4, self.voxels // 4 + 1, size=3)
        image = _cut(self.crops.images[case], centre, self.voxels)
        labels = _cut(self.crops.labels[case], centre, self.voxels) > 0
        flips = [axis for axis in range(3) if rng.random() < self.mirrored[axis]]
        image, target = np.flip(image, tuple(flips)), np.flip(labels, tuple(flips))
        return _intensity(image[None], rng), np.ascontiguousarray(target[None], dtype=np.float32)

    def _centre(self, case: int, rng: np.random.Generator, positive: bool) -> NDArray[np.int_]:
        pools = [self.crops.lesions[case]] if positive else [self.crops.hard[case], []]
        pool = pools[int(rng.integers(len(pools)))]
        if pool:
            return np.asarray(pool[int(rng.integers(len(pool)))])
        return _anywhere(self.crops.regions[case], rng)


@dataclass(frozen=True, slots=True, eq=False)
class Cubes:
    """Close-ups cut larger than the network's input; random crops of them are the jitter.

    `targets[n]` is the lesion mask in the cube (all zero for a look-alike), `weights` how often each is drawn.
    """

    images: Sequence[NDArray[np.float16]]
    targets: Sequence[NDArray[np.uint8]]
    positive: NDArray[np.bool_]
    weights: NDArray[np.float64]
    voxels: int
    batch: int = 16

    def classes(self, rng: np.random.Generator) -> Batch:
        """(batch, 1, d, h, w) and (batch, 1) targets, half of them lesions."""
        drawn = [self._draw(rng, n % 2 == 0) for n in range(self.batch)]
        targets = np.asarray([n % 2 == 0 for n in range(self.batch)], dtype=np.float32)
        return np.stack([image for image, _ in drawn]), targets[:, None]

    def masks(self, rng: np.random.Generator) -> Batch:
        """(batch / 2, 1, d, h, w) and masks of the same shape; one in four is a look-alike without any."""
        drawn = [self._draw(rng, n % 4 != 0) for n in range(self.batch // 2)]
        return np.stack([image for image, _ in drawn]), np.stack([mask for _, mask in drawn])

    def _draw(self, rng: np.random.Generator, positive: bool) -> tuple[Float32Array, Float32Array]:
        pool = np.flatnonzero(self.positive == positive)
        pool = pool if pool.size else np.arange(len(self.images))
        share = self.weights[pool] / self.weights[pool].sum()
        chosen = int(rng.choice(pool, p=share))
        slack = self.images[chosen].shape[0] - self.voxels
        start = np.clip(np.rint(slack / 2 + rng.normal(0, slack / 6, size=3)).astype(int), 0, slack)
        window = tuple(slice(s, s + self.voxels) for s in start)
        flips = [axis for axis in range(3) if rng.random() < 0.5]
        image = np.flip(self.images[chosen][window].astype(np.float32), tuple(flips))
        mask = np.flip(self.targets[chosen][window] > 0, tuple(flips))
        return _intensity(image[None], rng), np.ascontiguousarray(mask[None], dtype=np.float32)


def _anywhere(region: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int_]:
    """A voxel of the region, by trying: listing all of them at every draw would cost more than training on one."""
    for _ in range(1000):
        index = rng.integers(0, region.shape)
        if region[tuple(index)]:
            return np.asarray(index)
    return np.asarray(region.shape) // 2


def _cut(array: NDArray[np.generic], centre: NDArray[np.int_], voxels: int) -> NDArray[np.float32]:
    start = np.asarray(centre) - voxels // 2
    out = np.zeros((voxels,) * 3, dtype=np.float32)
    low, high = np.maximum(start, 0), np.minimum(start + voxels, array.shape)
    if (high > low).all():
        source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        out[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))] = array[source]
    return out


def _padded(plane: Float32Array, height: int, width: int) -> Float32Array:
    down, across = height - plane.shape[1], width - plane.shape[2]
    return np.pad(plane, ((0, 0), (down // 2, down - down // 2), (across // 2, across - across // 2)))


def _up(size: int) -> int:
    return size + -size % MULTIPLE


def _intensity(image: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Small changes of offset, gain and noise: the scanner next door."""
    gain, offset = rng.normal(1, 0.05), rng.normal(0, 0.02)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(0, 0.03))
    return np.ascontiguousarray(np.clip(image * np.float32(gain) + np.float32(offset) + noise, 0, 1), dtype=np.float32)
