"""Which part of the body the pixels show, whatever the header says: a lung model must never run on a head.

Conservative: a name other than "other" is given only when every sign of that part is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from cad.prepare.coarse import Coarse, Mask, coarsen
from cad.prepare.regions import body_coarse, lungs_coarse
from cad.volume import Volume

_COARSE_MM = 4.0
_BONE_HU = 250.0


@dataclass(frozen=True, slots=True)
class BodyPart:
    """`name` is "chest", "abdomen", "head" or "other"; `score` in [0, 1] how far the signs lie beyond their limits; `reason` in words."""

    name: str
    score: float
    reason: str


def looks_like(volume: Volume) -> str:
    """ "chest", "abdomen", "head" or "other", from the voxels alone (CT in HU, MR in any unit)."""
    return body_part(volume).name


def body_part(volume: Volume) -> BodyPart:
    """The same with a score and the reason."""
    small = coarsen(volume, _COARSE_MM)
    whole = body_coarse(small, volume.modality)
    if small.ml(whole) < 100:
        return BodyPart("other", 0.0, "no body of 100 ml or more in the picture")
    width, depth = _extent_mm(whole, small)
    if volume.modality != "CT":
        return _mr(width, depth)
    lung_ml = small.ml(lungs_coarse(small))
    if lung_ml > 600:
        return BodyPart("chest", min(1.0, lung_ml / 2000), f"lungs of {lung_ml:.0f} ml")
    share = _skull_share(small, whole)
    if share > 0.5 and 100 < width < 230 and depth < 270:
        return BodyPart("head", min(1.0, share), f"a closed ring of bone in {share:.0%} of the planes, {width:.0f} mm wide")
    if width > 220 and lung_ml < 250 and share < 0.2:
        return BodyPart("abdomen", min(1.0, (width - 220) / 100), f"{width:.0f} mm wide, {lung_ml:.0f} ml of lung")
    return BodyPart("other", 0.0, f"{width:.0f} mm wide, {lung_ml:.0f} ml of lung, skull in {share:.0%} of the planes")


def _mr(width: float, depth: float) -> BodyPart:
    if 110 < width < 220 and 130 < depth < 280:
        return BodyPart("head", 0.6, f"{width:.0f} by {depth:.0f} mm across, as heads are")
    return BodyPart("other", 0.0, f"{width:.0f} by {depth:.0f} mm across, not as heads are")


def _extent_mm(whole: Mask, small: Coarse) -> tuple[float, float]:
    """Median width (left-right) and depth (front-back) over the planes that hold the body."""
    planes = whole[whole.any(axis=(1, 2))]
    width = np.median(planes.any(axis=1).sum(axis=1)) * small.spacing_mm[2]
    depth = np.median(planes.any(axis=2).sum(axis=1)) * small.spacing_mm[1]
    return float(width), float(depth)


def _skull_share(small: Coarse, whole: Mask) -> float:
    """Share of body planes in which bone closes around most of the section."""
    closed = 0
    planes = np.flatnonzero(whole.any(axis=(1, 2)))
    for k in planes:
        bone = ndimage.binary_closing(np.pad(small.voxels[k] > _BONE_HU, 2), np.ones((3, 3)))[2:-2, 2:-2]
        closed += int(ndimage.binary_fill_holes(bone).sum() > 0.55 * whole[k].sum())
    return closed / len(planes)
