"""How noisy a picture is, from its second differences: edges and anatomy are few beside what wavers from voxel to voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

THINNED_SLICES = 24


def thinned(voxels: NDArray[Any]) -> NDArray[Any]:
    """Every fourth row of about THINNED_SLICES slices, whole along rows: enough to measure noise by."""
    return voxels[:: max(1, len(voxels) // THINNED_SLICES), ::4]


def noise_along_rows(rows: NDArray[np.float32], step: int = 1) -> float:
    """Standard deviation of noise from second differences over `step` voxels (median absolute deviation), in the unit of `rows`."""
    if rows.shape[-1] <= 2 * step:
        return 0.0
    bent = rows[..., 2 * step :] - 2 * rows[..., step:-step] + rows[..., : -2 * step]
    return float(np.median(np.abs(bent)) / 0.6745 / 6**0.5)
