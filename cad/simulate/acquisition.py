"""What a scanner does to the truth: blur in the plane, the slice profile, and noise with a kernel's grain.

A kernel's point spread is a few pixels wide, so it is added up tap by tap; noise is filtered once on a tile that is larger
than the slice, and each slice mixes two random cuts of it: the same spectrum and spread at a fraction of the cost.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from cad.simulate.fields import Field

Kernel = Literal["soft", "standard", "sharp", "iterative"]
_BLUR_MM = {"soft": 0.55, "standard": 0.45, "sharp": 0.32, "iterative": 0.5}
_GRAIN_MM = {"soft": 0.62, "standard": 0.5, "sharp": 0.36, "iterative": 1.1}
_OVERSHOOT = {"soft": 0.0, "standard": 0.1, "sharp": 0.35, "iterative": 0.0}
_TILE_MARGIN = 96


def blur(hu: Field, pixel_mm: float, kernel: Kernel) -> Field:
    """The point spread of a reconstruction kernel; sharp ones overshoot a little at edges."""
    sigma = _BLUR_MM[kernel] / pixel_mm
    out = smoothed(hu, sigma) if sigma > 0.2 else hu
    if _OVERSHOOT[kernel]:
        out = out + np.float32(_OVERSHOOT[kernel]) * (out - smoothed(out, 1.1 / pixel_mm))
    return np.asarray(out, dtype=np.float32)


def smoothed(image: Field, sigma: float) -> Field:
    """A Gaussian of `sigma` pixels over (rows, columns), edges repeated, cut at 3 sigma."""
    radius = max(1, int(3 * sigma + 0.5))
    taps = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    taps = (taps / (taps[0] + 2 * taps[1:].sum())).astype(np.float32)
    rows, columns = image.shape
    wide = np.pad(image, radius, mode="edge").astype(np.float32, copy=False)
    down = wide[radius : radius + rows] * taps[0]
    for k in range(1, radius + 1):
        down += taps[k] * (wide[radius - k : radius - k + rows] + wide[radius + k : radius + k + rows])
    out = down[:, radius : radius + columns] * taps[0]
    for k in range(1, radius + 1):
        out += taps[k] * (down[:, radius - k : radius - k + columns] + down[:, radius + k : radius + k + columns])
    return np.asarray(out, dtype=np.float32)


class NoiseTile:
    """Correlated noise of unit standard deviation that cuts of one filtered tile give without end."""

    def __init__(self, rng: np.random.Generator, tile: Field, shape: tuple[int, int]) -> None:
        self._rng, self._shape = rng, shape
        self._tile = np.asarray((tile - tile.mean()) / tile.std(), dtype=np.float32)

    @classmethod
    def of_kernel(cls, rng: np.random.Generator, shape: tuple[int, int], pixel_mm: float, kernel: Kernel) -> NoiseTile:
        """A scanner's noise: finer for sharp kernels, blotchy for iterative reconstruction, with faint horizontal streaks."""
        from scipy.ndimage import gaussian_filter1d

        white = rng.standard_normal((shape[0] + _TILE_MARGIN, shape[1] + _TILE_MARGIN), dtype=np.float32)
        grain = smoothed(white, _GRAIN_MM[kernel] / pixel_mm) if _GRAIN_MM[kernel] / pixel_mm > 0.25 else white
        if kernel == "sharp":
            grain = grain - smoothed(grain, 1.6 / pixel_mm)
        streaks = gaussian_filter1d(white, 6.0 / pixel_mm, axis=1)
        return cls(rng, grain / grain.std() + 0.18 * streaks / streaks.std(), shape)

    @classmethod
    def of_grain(cls, rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> NoiseTile:
        """White noise through a Gaussian of `sigma` pixels."""
        white = rng.standard_normal((shape[0] + _TILE_MARGIN, shape[1] + _TILE_MARGIN), dtype=np.float32)
        return cls(rng, smoothed(white, sigma) if sigma > 0.35 else white, shape)

    def cut(self) -> Field:
        """One slice of noise, float32 (rows, columns)."""
        share = float(self._rng.uniform(0.35, 0.65))
        out = self._window()[::-1] * np.float32(share**0.5)
        out += self._window() * np.float32((1 - share) ** 0.5)
        return np.asarray(out, dtype=np.float32)

    def _window(self) -> Field:
        row, column = (int(v) for v in self._rng.integers(0, _TILE_MARGIN + 1, 2))
        return self._tile[row : row + self._shape[0], column : column + self._shape[1]]


def profiled(stack: Field, k: int) -> Field:
    """Slice `k` with a little of each neighbour: the slice profile."""
    before, after = stack[max(k - 1, 0)], stack[min(k + 1, len(stack) - 1)]
    return np.asarray(np.float32(0.8) * stack[k] + np.float32(0.1) * (before + after), dtype=np.float32)
