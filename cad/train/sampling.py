"""Balanced batches: rare positives as often as negatives, and hard negatives as soon as they are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cad.train.augment import ONE_PICTURE, Draw, Float32Array, anywhere, as_scanned, cut, intensity
from cad.train.loop import Batch

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
        start, shape = centre - self.voxels // 2, (self.voxels,) * 3
        image = cut(self.crops.images[case], start, shape)
        labels = cut(self.crops.labels[case], start, shape) > 0
        flips = [axis for axis in range(3) if rng.random() < self.mirrored[axis]]
        image, target = np.flip(image, tuple(flips)), np.flip(labels, tuple(flips))
        return intensity(image[None], rng), np.ascontiguousarray(target[None], dtype=np.float32)

    def _centre(self, case: int, rng: np.random.Generator, positive: bool) -> NDArray[np.int_]:
        pools = [self.crops.lesions[case]] if positive else [self.crops.hard[case], []]
        pool = pools[int(rng.integers(len(pools)))]
        if pool:
            return np.asarray(pool[int(rng.integers(len(pool)))])
        return anywhere(self.crops.regions[case], rng)


@dataclass(frozen=True, slots=True, eq=False)
class Cubes:
    """Close-ups (channels, d, h, w), cut larger than the network's input; random crops of them are the jitter.

    `targets[n]` is the lesion mask in the cube (all zero for a look-alike), `weights` how often each is drawn. The channels are those
    of the sequences, one after another.
    """

    images: Sequence[NDArray[np.float16]]
    targets: Sequence[NDArray[np.uint8]]
    positive: NDArray[np.bool_]
    weights: NDArray[np.float64]
    voxels: int
    batch: int = 16
    draw: Draw = ONE_PICTURE

    def classes(self, rng: np.random.Generator) -> Batch:
        """(batch, channels, d, h, w) and (batch, 1) targets, half of them lesions."""
        drawn = [self._draw(rng, n % 2 == 0) for n in range(self.batch)]
        targets = np.asarray([n % 2 == 0 for n in range(self.batch)], dtype=np.float32)
        return np.stack([image for image, _ in drawn]), targets[:, None]

    def masks(self, rng: np.random.Generator) -> Batch:
        """(batch / 2, channels, d, h, w) and masks of the same size; one in four is a look-alike without any."""
        drawn = [self._draw(rng, n % 4 != 0) for n in range(self.batch // 2)]
        return np.stack([image for image, _ in drawn]), np.stack([mask for _, mask in drawn])

    def _draw(self, rng: np.random.Generator, positive: bool) -> tuple[Float32Array, Float32Array]:
        pool = np.flatnonzero(self.positive == positive)
        pool = pool if pool.size else np.arange(len(self.images))
        share = self.weights[pool] / self.weights[pool].sum()
        chosen = int(rng.choice(pool, p=share))
        slack = self.images[chosen].shape[1] - self.voxels
        start = np.clip(np.rint(slack / 2 + rng.normal(0, slack / 6, size=3)).astype(int), 0, slack)
        window = tuple(slice(s, s + self.voxels) for s in start)
        flips = tuple(axis for axis in (1, 2, 3) if rng.random() < 0.5)
        image = np.flip(self.images[chosen][(slice(None), *window)].astype(np.float32), flips)
        mask = np.flip(self.targets[chosen][window][None] > 0, flips)
        return as_scanned(image, self.draw, rng), np.ascontiguousarray(mask, dtype=np.float32)
