"""A mask without what is thinner than a ball: spicules, vessels that leave a lesion, the thin beside a wall."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


def opened(body: Mask, spacing: tuple[float, ...], radius_mm: float, slack_mm: float = 0.0) -> Mask:
    """What a ball of the radius, rolling inside, can reach; the array's border is no edge. `slack_mm` forgives lattice steps."""
    core = ndimage.distance_transform_edt(body, sampling=spacing) > radius_mm
    if not core.any():
        return np.zeros_like(body)
    return np.asarray(body & (ndimage.distance_transform_edt(~core, sampling=spacing) <= radius_mm + slack_mm))


def opened_on(body: Mask, spacing: tuple[float, ...], radius_mm: float, slack_mm: float = 0.0) -> Mask:
    """The same where the body goes straight on beyond the array: the ball may roll there too."""
    width = 1 + int(radius_mm / min(spacing))
    wide = opened(np.pad(body, width, mode="edge"), spacing, radius_mm, slack_mm)
    return np.asarray(wide[width:-width, width:-width, width:-width])
