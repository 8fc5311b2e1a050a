"""Are two CTs of one person? Asked of the pixels before a prior is compared: names get mixed up, bones do not.

After the rigid step of the registration the bones of one person lie on each other, those of two people do not; a smooth
deformation is not allowed to help, since it can make strangers look alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.prepare.register import Registration, on_current
from cad.prepare.resample import resample
from cad.space import Grid
from cad.volume import Volume

CONFIRMED_FROM = 0.40  # midway between the least alike of one simulated patient (0.45, n = 8) and the most alike of two (0.35, n = 16)
_SPACING_MM = 3.0
_BONE_HU = (120.0, 520.0)
_AIR_HU = -1000.0
_BLUR_VOXELS = 1.0  # 3 mm: ribs move that much between two breaths
_LEAST_BONE_ML = 20.0
_FAINT = 0.05


@dataclass(frozen=True, slots=True)
class Sameness:
    """`score` is Pearson's r of the bone maps where both scans reach, None when that cannot be measured.

    `confirmed` only when the score reaches `CONFIRMED_FROM`; otherwise a prior must not be compared unasked. `reason` in words.
    """

    score: float | None
    confirmed: bool
    reason: str


def same_patient(prior: Volume, current: Volume, found: Registration) -> Sameness:
    """Whether a registered prior shows the same person's skeleton as the current scan. CT only; a score, never a proof.

    Other modalities, and scans with less than 20 ml of bone in common view, are not confirmed and say why.
    """
    if (prior.modality, current.modality) != ("CT", "CT"):
        return Sameness(None, False, "bones can be compared in CT only")
    box = current.grid.box()
    shape = [int(size / _SPACING_MM) + 1 for size in reversed(box.size_mm)]
    grid = Grid.axial(shape, (_SPACING_MM,) * 3, [low + _SPACING_MM / 2 for low in box.low_mm])
    rigid = replace(found, field=None)
    here, there = _bone(resample(current, grid, _AIR_HU)), _bone(on_current(prior, rigid, grid, _AIR_HU))
    seen = ((here > _FAINT) | (there > _FAINT)) & _reached(prior, rigid, grid)
    if min(_ml(here[seen]), _ml(there[seen])) < _LEAST_BONE_ML:
        return Sameness(None, False, f"less than {_LEAST_BONE_ML:.0f} ml of bone lies in both scans")
    score = float(np.corrcoef(here[seen], there[seen])[0, 1])
    confirmed = score >= CONFIRMED_FROM
    said = "reaches" if confirmed else "does not reach"
    return Sameness(score, confirmed, f"the bones agree with r = {score:.2f}, which {said} {CONFIRMED_FROM}")


def _bone(volume: Volume) -> NDArray[np.float32]:
    low, high = _BONE_HU
    dense = np.clip((volume.voxels.astype(np.float32) - low) / (high - low), 0, 1)
    return np.asarray(ndimage.gaussian_filter(dense, _BLUR_VOXELS), dtype=np.float32)


def _ml(bone: NDArray[np.float32]) -> float:
    return float(bone.sum(dtype=np.float64)) * _SPACING_MM**3 / 1000


def _reached(prior: Volume, found: Registration, grid: Grid) -> NDArray[np.bool_]:
    """Where on `grid` the prior has voxels."""
    at = prior.grid.to_index(found.to_prior(grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))))
    return np.asarray(((at >= -0.5) & (at <= np.asarray(prior.grid.shape) - 0.5)).all(axis=-1))
