"""Grey values a network can use: a window in HU, the same from the tissue itself for MR, and the MR bias field. Pure functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.errors import ShokenError
from cad.prepare.resample import to_itk
from cad.volume import Volume


def scale(voxels: NDArray[Any], low: float, high: float) -> NDArray[np.float32]:
    """Linear map of [low, high] to [0, 1], clipped; float32, the shape stays. Raises ShokenError unless low < high."""
    if not low < high:
        raise ShokenError(f"window is empty: low {low}, high {high}", subject="window", accepted="low < high")
    fraction = (np.asarray(voxels, dtype=np.float32) - np.float32(low)) / np.float32(high - low)
    return fraction.clip(0, 1)


def tissue_window(volume: Volume, organ: Volume) -> tuple[float, float]:
    """The window (low, high) of an MR from its own tissue inside the organ's mask: median - 6 and + 12 robust spreads.

    The spread is 1.4826 times the median absolute deviation, so that neither lesions nor vessels nor the scanner's gain move
    what normal tissue becomes. 1 where the tissue is constant.
    """
    inside = volume.voxels[organ.voxels > 0]
    median = float(np.median(inside))
    spread = 1.4826 * float(np.median(np.abs(inside - median))) or 1.0
    # Tissue lies within a few spreads of the median; enhancing lesions reach far above it.
    return median - 6 * spread, median + 12 * spread


def correct_bias(volume: Volume, mask: Volume, spacing_mm: float = 4.0) -> Volume:
    """N4 bias field correction (Tustison 2010, SimpleITK), fitted at about `spacing_mm`, applied at full resolution.

    `mask` is the head (`regions.body`), on the same grid. float32 in the volume's unit; the mean inside the mask stays. No shipped
    network was trained on corrected images, so none is given them; for models that were, and for measurements of signal.
    """
    import SimpleITK as sitk

    image = to_itk(np.maximum(volume.voxels.astype(np.float32), 0), volume.grid)
    where = to_itk((mask.voxels > 0).astype(np.uint8), volume.grid)
    shrink = [max(1, min(round(spacing_mm / s), n // 8)) for s, n in zip(image.GetSpacing(), image.GetSize(), strict=True)]
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([30, 20, 10])
    if not (mask.voxels > 0).any() or min(sitk.Shrink(image, shrink).GetSize()) < 4:
        return volume.like(volume.voxels.astype(np.float32))
    n4.Execute(sitk.Shrink(image, shrink), sitk.Shrink(where, shrink))
    field = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image)).astype(np.float32)
    out = volume.voxels.astype(np.float32) * np.exp(-field)
    inside = mask.voxels > 0
    gain = float(volume.voxels[inside].mean(dtype=np.float64)) / max(float(out[inside].mean(dtype=np.float64)), 1e-6)
    return volume.like(out * np.float32(gain))
