"""Are two scans of one person? Asked of the pixels before a prior is compared: names get mixed up, anatomy does not.

After the rigid step of the registration the bones (CT) or the folds and ventricles (head MR) of one person lie on each
other, those of two people do not; a smooth deformation is not allowed to help, since it can make strangers look alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.prepare.bodypart import body_part
from cad.prepare.regions import body
from cad.prepare.register import Registration, on_current
from cad.prepare.resample import resample
from cad.space import Grid
from cad.volume import Volume

CONFIRMED_FROM = 0.40  # midway between the least alike of one simulated patient (0.45, n = 8) and the most alike of two (0.35, n = 16)
# Head MR: midway between the least alike of one simulated head (0.585) and the most alike of two (0.495), n = 24 and 24; half of
# each across sequences. benchmarks/same_head.py measures it on others.
HEADS_CONFIRMED_FROM = 0.54
_SPACING_MM = 3.0
_BONE_HU = (120.0, 520.0)
_AIR_HU = -1000.0
_BLUR_VOXELS = 1.0  # 3 mm: ribs move that much between two breaths
_LEAST_BONE_ML = 20.0
_FAINT = 0.05
_LEAST_HEAD_ML = 200.0
_DEEP_MM = 12.0


@dataclass(frozen=True, slots=True)
class Sameness:
    """`score` is Pearson's r of the bone maps (CT) or of the strength of edges within the head (MR), where both scans
    reach; None when that cannot be measured.

    `confirmed` only when the score reaches `CONFIRMED_FROM` (`HEADS_CONFIRMED_FROM`); otherwise a prior must not be compared
    unasked. `reason` in words.
    """

    score: float | None
    confirmed: bool
    reason: str


def same_patient(prior: Volume, current: Volume, found: Registration) -> Sameness:
    """Whether a registered prior shows the same person as the current scan: two CTs, or two head MRs of any two sequences.

    A score, never a proof. Other pairs, and scans with less than 20 ml of bone or 200 ml of deep head in common view, are not
    confirmed and say why.
    """
    kinds = {prior.modality, current.modality}
    if kinds == {"CT"}:
        return _judged(*_bones_alike(prior, current, replace(found, field=None)), CONFIRMED_FROM, "the bones agree")
    if kinds == {"MR"} and all(_shows_head(volume) for volume in (prior, current)):
        return _judged(*_edges_alike(prior, current, replace(found, field=None)), HEADS_CONFIRMED_FROM, "edges within the head agree")
    return Sameness(None, False, "two CTs or two head MRs can be compared")


def _shows_head(volume: Volume) -> bool:
    part = body_part(volume)
    return "head" in (part.name, part.partly)


def _judged(score: float | None, problem: str, least: float, what: str) -> Sameness:
    if score is None:
        return Sameness(None, False, problem)
    confirmed = score >= least
    return Sameness(score, confirmed, f"{what} with r = {score:.2f}, which {'reaches' if confirmed else 'does not reach'} {least}")


def _bones_alike(prior: Volume, current: Volume, rigid: Registration) -> tuple[float | None, str]:
    grid = _grid(current)
    here, there = _bone(resample(current, grid, _AIR_HU)), _bone(on_current(prior, rigid, grid, _AIR_HU))
    seen = ((here > _FAINT) | (there > _FAINT)) & _reached(prior, rigid, grid)
    if min(_ml(here[seen]), _ml(there[seen])) < _LEAST_BONE_ML:
        return None, f"less than {_LEAST_BONE_ML:.0f} ml of bone lies in both scans"
    return float(np.corrcoef(here[seen], there[seen])[0, 1]), ""


def _edges_alike(prior: Volume, current: Volume, rigid: Registration) -> tuple[float | None, str]:
    """Edges are where tissues meet, whichever of them is brighter; those of skull and scalp, much alike in all, are left out."""
    grid = _grid(current)
    pair = (resample(current, grid, 0.0), on_current(prior, rigid, grid, 0.0))
    both = np.logical_and.reduce([_reached(prior, rigid, grid), *(body(volume).voxels > 0 for volume in pair)])
    deep = ndimage.distance_transform_edt(np.pad(both, 1))[1:-1, 1:-1, 1:-1] * _SPACING_MM > _DEEP_MM
    if _ml(deep) < _LEAST_HEAD_ML:
        return None, f"less than {_LEAST_HEAD_ML:.0f} ml of the head's inside lies in both scans"
    here, there = (ndimage.gaussian_gradient_magnitude(volume.voxels.astype(np.float32), _BLUR_VOXELS)[deep] for volume in pair)
    return (
        (float(np.corrcoef(here, there)[0, 1]), "")
        if here.std() > 0 and there.std() > 0
        else (None, "one scan has no edges within the head")
    )


def _grid(current: Volume) -> Grid:
    box = current.grid.box()
    shape = [int(size / _SPACING_MM) + 1 for size in reversed(box.size_mm)]
    return Grid.axial(shape, (_SPACING_MM,) * 3, [low + _SPACING_MM / 2 for low in box.low_mm])


def _bone(volume: Volume) -> NDArray[np.float32]:
    low, high = _BONE_HU
    dense = np.clip((volume.voxels.astype(np.float32) - low) / (high - low), 0, 1)
    return np.asarray(ndimage.gaussian_filter(dense, _BLUR_VOXELS), dtype=np.float32)


def _ml(share: NDArray[Any]) -> float:
    return float(share.sum(dtype=np.float64)) * _SPACING_MM**3 / 1000


def _reached(prior: Volume, found: Registration, grid: Grid) -> NDArray[np.bool_]:
    """Where on `grid` the prior has voxels."""
    at = prior.grid.to_index(found.to_prior(grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))))
    return np.asarray(((at >= -0.5) & (at <= np.asarray(prior.grid.shape) - 0.5)).all(axis=-1))
