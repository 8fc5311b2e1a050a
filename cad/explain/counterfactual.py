"""What the classifier would say of the same place, had the lesion another density or size, or were it not there.

The close-up is repainted inside the outline and scored again by the classifier alone; the proposal's score stays as it was, so
this answers for one network and one picture, not for a patient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.explain.features import pooled_features

if TYPE_CHECKING:
    import torch

FAT_HU, CALCIUM_HU = -90.0, 600.0
SMALL_MM = 5.0  # below the 6 mm where follow-up of a solid nodule begins
LEAST_VOXELS = 4
RIM_VOXELS = 4

Patch = NDArray[np.float32]


def rescored(
    patch: Patch, outline: NDArray[np.uint8], spacing_mm: float, reducer: torch.nn.Module, window_hu: tuple[float, float] | None
) -> tuple[tuple[str, float], ...]:
    """(change, how much the classifier's logit moves) for "erased", "small", and on CT (`window_hu` given) "fat" and "calcium".

    `patch` is (channels, d, h, w) or (d, h, w) in [0, 1], `outline` 0/1; none where the outline is too small to repaint, no "small"
    where it is small already.
    """
    inside = np.asarray(outline) > 0
    if inside.sum() < LEAST_VOXELS:
        return ()
    made = _changes(np.asarray(patch, dtype=np.float32), inside, spacing_mm, window_hu)
    _, logits = pooled_features(np.stack([patch, *made.values()]), reducer)
    return tuple((name, round(float(after - logits[0]), 4)) for name, after in zip(made, logits[1:], strict=True))


def _changes(patch: Patch, inside: NDArray[np.bool_], spacing_mm: float, window_hu: tuple[float, float] | None) -> dict[str, Patch]:
    grown = ndimage.binary_dilation(inside, iterations=2)
    rim = ndimage.binary_dilation(grown, iterations=RIM_VOXELS) & ~grown
    levels = np.median(patch[..., rim], axis=-1) if rim.any() else np.quantile(patch, 0.25, axis=(-3, -2, -1))
    around = np.asarray(levels, dtype=np.float32)[..., None, None, None]
    depth_mm = ndimage.distance_transform_edt(inside) * spacing_mm
    made = {"erased": _blended(patch, grown, around)}
    if depth_mm.max() > SMALL_MM / 2 + spacing_mm:
        made["small"] = _blended(patch, grown & (depth_mm <= depth_mm.max() - SMALL_MM / 2), around)
    if window_hu is not None:
        low, high = window_hu
        made |= {
            name: _blended(patch, inside, min(max((hu - low) / (high - low), 0.0), 1.0))
            for name, hu in (("fat", FAT_HU), ("calcium", CALCIUM_HU))
        }
    return made


def _blended(patch: Patch, where: NDArray[np.bool_], value: Patch | float) -> Patch:
    """The voxels painted over, with an edge as soft as a scanner's."""
    share = ndimage.gaussian_filter(where.astype(np.float32), 0.7)
    return np.asarray(patch * (1 - share) + value * share, dtype=np.float32)
