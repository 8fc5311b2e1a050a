"""What a scanner does to the truth: blur in the plane, the slice profile, and noise with a kernel's grain."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cad.simulate.fields import Field

Kernel = Literal["soft", "sharp"]
_BLUR_MM = {"soft": 0.55, "sharp": 0.32}
_GRAIN_MM = {"soft": 0.62, "sharp": 0.36}


def blur(hu: Field, pixel_mm: float, kernel: Kernel) -> Field:
    """The point spread of a reconstruction kernel; the sharp one overshoots a little at edges."""
    from scipy.ndimage import gaussian_filter

    sigma = _BLUR_MM[kernel] / pixel_mm
    out = gaussian_filter(hu, sigma) if sigma > 0.2 else hu
    if kernel == "sharp":
        out = out + 0.35 * (out - gaussian_filter(out, 1.1 / pixel_mm))
    return np.asarray(out, dtype=np.float32)


def slice_profile(stack: Field) -> None:
    """A little of each neighbouring slice, in place along axis 0."""
    before = stack[0].copy()
    for k in range(len(stack)):
        here = stack[k].copy()
        after = stack[min(k + 1, len(stack) - 1)]
        stack[k] = 0.8 * here + 0.1 * before + 0.1 * after
        before = here


def noise(rng: np.random.Generator, shape: tuple[int, int], pixel_mm: float, kernel: Kernel, sigma_hu: float) -> Field:
    """Correlated noise of standard deviation `sigma_hu`, finer for the sharp kernel, with faint horizontal streaks."""
    from scipy.ndimage import gaussian_filter, gaussian_filter1d

    white = rng.standard_normal(shape, dtype=np.float32)
    grain = gaussian_filter(white, _GRAIN_MM[kernel] / pixel_mm) if _GRAIN_MM[kernel] / pixel_mm > 0.25 else white
    if kernel == "sharp":
        grain = grain - gaussian_filter(grain, 1.6 / pixel_mm)
    streaks = gaussian_filter1d(white, 6.0 / pixel_mm, axis=1)
    mixed = grain / grain.std() + 0.18 * streaks / streaks.std()
    return np.asarray(mixed * np.float32(sigma_hu / mixed.std()), dtype=np.float32)
