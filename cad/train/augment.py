"""What every sampler does to a sample: cutting with padding, the scanner next door, a place to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Float32Array = NDArray[np.float32]
BLURRED = 0.2


@dataclass(frozen=True, slots=True)
class Draw:
    """With which of its MR sequences a study is shown: all of them `whole` of the time, the n-th alone `alone[n]`, else some in between.

    A study always has one of those that may come alone. () is a study of one picture.
    """

    whole: float = 1.0
    alone: tuple[float, ...] = ()

    def __call__(self, there: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
        """Which of the sequences that are there are kept; all of them where none of them may come alone."""
        shares, chance = np.where(there, self.alone, 0.0), rng.random()
        known = int(there.sum())
        if chance < self.whole or known < 2 or not shares.any():
            return there
        kept = np.zeros_like(there)
        kept[rng.choice(len(there), p=shares / shares.sum())] = True
        if known > 2 and chance >= self.whole + sum(self.alone):
            further = rng.integers(1, known - 1)
            kept[rng.choice(np.flatnonzero(there & ~kept), size=further, replace=False)] = True
        return kept


ONE_PICTURE = Draw()


def cut(array: NDArray[np.generic], start: Sequence[int] | NDArray[np.int_], shape: Sequence[int]) -> Float32Array:
    """The window of `shape` at `start` as float32, zero where it leaves the array."""
    first = np.asarray(start)
    out = np.zeros(tuple(shape), dtype=np.float32)
    low, high = np.maximum(first, 0), np.minimum(first + shape, array.shape)
    if (high > low).all():
        source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        out[tuple(slice(a, b) for a, b in zip(low - first, high - first, strict=True))] = array[source]
    return out


def cut_all(channels: NDArray[np.generic], start: Sequence[int] | NDArray[np.int_], shape: Sequence[int]) -> Float32Array:
    """The same window of every channel: (channels, *shape)."""
    return np.stack([cut(channel, start, shape) for channel in channels])


def anywhere(region: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int_]:
    """A voxel of the region, by trying: listing all of them at every draw would cost more than training on one."""
    for _ in range(1000):
        index = rng.integers(0, region.shape)
        if region[tuple(index)]:
            return np.asarray(index)
    return np.asarray(region.shape) // 2


def as_scanned(image: Float32Array, draw: Draw, rng: np.random.Generator) -> Float32Array:
    """What another scanner, and another hospital's choice of sequences, would have made of (channels, ...); see `intensity`, `Draw`.

    A sequence that is left out is zero in all its channels.
    """
    if not draw.alone:
        return intensity(image, rng)
    parts = image.reshape(len(draw.alone), -1, *image.shape[1:])
    kept = draw(np.asarray(parts.any(axis=tuple(range(1, parts.ndim)))), rng)
    changed = [intensity(part, rng) if keep else np.zeros_like(part) for part, keep in zip(parts, kept, strict=True)]
    return np.concatenate(changed)


def intensity(image: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Changes of offset, gain, sharpness and noise: the scanner next door. `image` is (channels, ...) in [0, 1]."""
    if rng.random() < BLURRED:
        image = np.stack([gaussian_filter(part, rng.uniform(0.3, 0.8)) for part in image])
    gain, offset = rng.normal(1, 0.05), rng.normal(0, 0.02)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(0, 0.03))
    return np.ascontiguousarray(np.clip(image * np.float32(gain) + np.float32(offset) + noise, 0, 1), dtype=np.float32)
