"""Grey values a network can use: HU windows, MR bias field and normalisation. Pure functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.errors import ShokenError
from cad.prepare.resample import to_itk
from cad.volume import Volume

_CLIP_Z = (-5.0, 10.0)  # bright lesions on T1c and FLAIR reach 6 to 8; beyond are vessels and artefacts
_NORMAL_IQR = 1.349  # interquartile range of the standard normal distribution


def window(voxels: NDArray[Any], low: float, high: float) -> NDArray[np.float32]:
    """Linear map of [low, high] to [0, 1], clipped; float32, the shape stays. Raises ShokenError unless low < high."""
    if not low < high:
        raise ShokenError(f"window is empty: low {low}, high {high}", subject="window", accepted="low < high")
    out: NDArray[np.float32] = np.subtract(voxels, np.float32(low), dtype=np.float32)
    out *= np.float32(1 / (high - low))
    np.clip(out, 0, 1, out=out)
    return out


def normalise_mr(volume: Volume, brain: Volume) -> Volume:
    """MR intensities as robust z-scores of the tissue inside `brain`; float32, unit "z", clipped to [-5, 10].

    Centre is the median and scale the interquartile range over 1.349 inside the mask, so a lesion or a
    bright vessel hardly moves them. An empty mask falls back on the voxels above the mean; a constant
    image becomes zeros.
    """
    inside = volume.voxels[brain.voxels > 0]
    if inside.size == 0:
        inside = volume.voxels[volume.voxels >= volume.voxels.mean()]
    low, middle, high = np.percentile(inside.astype(np.float32), (25, 50, 75))
    scale = float(high - low) / _NORMAL_IQR or float(inside.std()) or 1.0
    out = np.subtract(volume.voxels, np.float32(middle), dtype=np.float32)
    out *= np.float32(1 / scale)
    return volume.like(np.clip(out, *_CLIP_Z, out=out), unit="z")


def correct_bias(volume: Volume, mask: Volume, spacing_mm: float = 4.0) -> Volume:
    """N4 bias field correction (Tustison 2010, SimpleITK), fitted at about `spacing_mm`, applied at full resolution.

    `mask` is the head, on the same grid. float32 in the volume's unit; the mean inside the mask stays.
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
