"""What every sampler does to a sample: cutting with padding, the scanner next door, a place to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Float32Array = NDArray[np.float32]
BLURRED = 0.2
ALL, ALONE = 0.3, 0.4


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


def some_of(there: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which of the sequences that are there are kept: all of them ALL of the time, one alone ALONE of it, else some in between."""
    known, chance = np.flatnonzero(there), rng.random()
    if chance < ALL or len(known) < 2:
        return there
    fewest = 1 if chance < ALL + ALONE else min(2, len(known) - 1)
    kept = np.zeros_like(there)
    kept[rng.choice(known, size=1 if fewest == 1 else rng.integers(fewest, len(known)), replace=False)] = True
    return kept


def as_scanned(image: Float32Array, sequences: int, rng: np.random.Generator) -> Float32Array:
    """What another scanner, and another hospital's choice of sequences, would have made of (channels, ...); see `intensity`, `some_of`.

    A sequence that is left out is zero in all its channels.
    """
    if sequences == 1:
        return intensity(image, rng)
    parts = image.reshape(sequences, -1, *image.shape[1:])
    kept = some_of(np.asarray(parts.any(axis=tuple(range(1, parts.ndim)))), rng)
    changed = [intensity(part, rng) if keep else np.zeros_like(part) for part, keep in zip(parts, kept, strict=True)]
    return np.concatenate(changed)


def intensity(image: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Changes of offset, gain, sharpness and noise: the scanner next door. `image` is (channels, ...) in [0, 1]."""
    if rng.random() < BLURRED:
        image = np.stack([gaussian_filter(part, rng.uniform(0.3, 0.8)) for part in image])
    gain, offset = rng.normal(1, 0.05), rng.normal(0, 0.02)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(0, 0.03))
    return np.ascontiguousarray(np.clip(image * np.float32(gain) + np.float32(offset) + noise, 0, 1), dtype=np.float32)
