"""Which part of the body the pixels show, whatever the header says: a lung model must never run on a head.

Conservative: a name other than "other" is given only when every sign of that part is there, and anything that speaks against
it leaves "other". Measured on a picture of 4 mm (MR: 2.5 mm), in any orientation of the stack.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from cad.prepare.coarse import Coarse, Mask, coarsen
from cad.prepare.regions import body_coarse, lungs_coarse
from cad.prepare.skull import ringed_planes
from cad.volume import Volume

CT_PARTS = ("chest", "abdomen", "pelvis", "head", "neck", "extremity", "other")
MR_PARTS = ("head", "body", "other")
_COARSE_MM = 4.0
_FINE_MM = 2.5  # MR: a skull is 5 to 8 mm thick
_BONE_HU = 250.0
_LUNG_ML = 600.0
_SOME_LUNG_ML = 150.0
_LUNG_HU = (-970.0, -500.0)  # bowel gas and the air of a colonography lie below, pneumonia and motion above
_NOISE = 0.4  # neighbours of a real picture correlate with 0.83 or more at 4 mm (n = 16), those of noise with 0.02 (n = 7)


@dataclass(frozen=True, slots=True)
class BodyPart:
    """`name` is one of CT_PARTS or MR_PARTS; `score` in [0, 1] how far the signs lie beyond their limits; `reason` in words.

    Where `name` is "other", `partly` names the part of which some signs are there ("chest" from 150 ml of lung on, "head"), or "".
    """

    name: str
    score: float
    reason: str
    partly: str = ""


def body_part(volume: Volume) -> BodyPart:
    """What the voxels show (CT in HU, MR in any unit), with a score and the reason."""
    small = coarsen(volume, _COARSE_MM if volume.modality == "CT" else _FINE_MM)
    if not _is_picture(small):
        return BodyPart("other", 0.0, "neighbouring voxels have nothing in common: noise, not anatomy")
    whole = body_coarse(small, volume.modality)
    if small.ml(whole) < 100:
        return BodyPart("other", 0.0, "no body of 100 ml or more in the picture")
    return _mr(_Body(small, whole)) if volume.modality != "CT" else _ct(_Body(small, whole))


@dataclass(slots=True)
class _Body:
    """What can be measured on the coarse picture of a body."""

    small: Coarse
    whole: Mask
    width: float = field(init=False)
    depth: float = field(init=False)
    planes: np.ndarray[tuple[int], np.dtype[np.intp]] = field(init=False)

    def __post_init__(self) -> None:
        self.planes = np.flatnonzero(self.whole.any(axis=(1, 2)))
        used = self.whole[self.planes]
        self.width = float(np.median(used.any(axis=1).sum(axis=1)) * self.small.spacing_mm[2])
        self.depth = float(np.median(used.any(axis=2).sum(axis=1)) * self.small.spacing_mm[1])

    @property
    def pixel_cm2(self) -> float:
        return self.small.spacing_mm[1] * self.small.spacing_mm[2] / 100

    def share(self, sign: Mask) -> float:
        """Share of the body's planes in which a sign (planes,) holds."""
        return float(np.mean(sign[self.planes])) if len(self.planes) else 0.0


def _ct(body: _Body) -> BodyPart:
    lung_ml, cut_open = _lung(body)
    skull = body.share(_skull(body))
    said = f"{body.width:.0f} mm wide, {lung_ml:.0f} ml of lung, skull in {skull:.0%} of the planes"
    if lung_ml > _LUNG_ML and skull < 0.3:
        if cut_open:
            return BodyPart("abdomen", 0.7, f"only the lowest part of the lungs at the top of the scan ({lung_ml:.0f} ml)", "chest")
        return BodyPart("chest", min(1.0, lung_ml / 2000), f"lungs of {lung_ml:.0f} ml")
    if skull > 0.5 and 100 < body.width < 230 and body.depth < 270 and lung_ml < _SOME_LUNG_ML:
        return BodyPart("head", min(1.0, skull), f"a closed ring of bone in {skull:.0%} of the planes, {body.width:.0f} mm wide")
    partly = "chest" if lung_ml >= _SOME_LUNG_ML and skull == 0 else ""
    if skull >= 0.2 or lung_ml >= 250:
        return BodyPart("other", 0.0, said, partly)
    return _trunk_or_limb(body, said, partly)


def _trunk_or_limb(body: _Body, said: str, partly: str) -> BodyPart:
    """Parts without lungs or skull, told apart by width, bone and airway."""
    if body.width > 220 and body.share(_area(body, body.whole) > 150) > 0.5:
        if body.share(_hips(body)) > 0.4:
            return BodyPart("pelvis", 0.6, f"{body.width:.0f} mm wide, much bone on both sides")
        return BodyPart("abdomen", min(1.0, (body.width - 220) / 100), said)
    airway = body.share(_airway(body))
    if airway > 0.6 and 90 < body.width < 220:
        return BodyPart("neck", airway, f"{body.width:.0f} mm wide, an airway in {airway:.0%} of the planes")
    tubular = body.share(_shafts(body))
    if tubular > 0.6 and airway < 0.1 and partly == "":
        return BodyPart("extremity", tubular, f"shafts of bone in the middle of {tubular:.0%} of the sections")
    return BodyPart("other", 0.0, said, partly)


def _mr(body: _Body) -> BodyPart:
    across = f"{body.width:.0f} by {body.depth:.0f} mm across"
    if body.width >= 250:
        return BodyPart("body", min(1.0, body.width / 350), f"{across}, wider than heads are")
    if not (110 < body.width < 220 and 130 < body.depth < 280):
        return BodyPart("other", 0.0, f"{across}, not as heads are")
    share, best = ringed_planes(body.small, body.whole)
    if share >= 0.2:
        return BodyPart("head", min(1.0, 0.5 + share / 2), f"{across}, a dark skull around {share:.0%} of the planes")
    return BodyPart("other", 0.0, f"{across}, but no skull around it", "head" if best > 0.3 else "")


def _is_picture(small: Coarse) -> bool:
    """Whether neighbours within a plane resemble each other."""
    pairs = ((small.voxels[:, 1:], small.voxels[:, :-1]), (small.voxels[:, :, 1:], small.voxels[:, :, :-1]))
    for one, other in pairs:
        if one.size < 2 or one.std() == 0 or other.std() == 0:
            continue
        if float(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < _NOISE:
            return False
    return True


def _lung(body: _Body) -> tuple[float, bool]:
    """Millilitres of lung (0 for gas that is no lung), and whether only its lower end is in view: widest where the scan begins."""
    lungs = lungs_coarse(body.small)
    if not lungs.any():
        return 0.0, False
    core = ndimage.binary_erosion(lungs)
    inside = float(np.median(body.small.voxels[core if core.any() else lungs]))
    if not _LUNG_HU[0] < inside < _LUNG_HU[1]:
        return 0.0, False
    area = lungs.sum(axis=(1, 2))
    return body.small.ml(lungs), bool(area[-1] > 0.6 * area.max() and (area > 0).mean() < 0.4)


def _skull(body: _Body) -> Mask:
    """Planes in which bone closes around most of the section."""
    closed = np.zeros(len(body.whole), dtype=bool)
    for k in body.planes:
        bone = ndimage.binary_closing(np.pad(body.small.voxels[k] > _BONE_HU, 2), np.ones((3, 3)))[2:-2, 2:-2]
        closed[k] = ndimage.binary_fill_holes(bone).sum() > 0.55 * body.whole[k].sum()
    return closed


def _area(body: _Body, mask: Mask) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Square centimetres in each plane."""
    return np.asarray(mask.sum(axis=(1, 2)) * body.pixel_cm2, dtype=np.float64)


def _hips(body: _Body) -> Mask:
    """Planes with more than 8 cm2 of bone on either side, 40 mm or more from the middle: iliac wings, hips; ribs have less."""
    bone = (body.small.voxels > _BONE_HU) & body.whole
    columns = np.arange(bone.shape[2]) * body.small.spacing_mm[2]
    tissue = np.flatnonzero(body.whole.any(axis=(0, 1)))
    middle = (columns[tissue[0]] + columns[tissue[-1]]) / 2
    right, left = bone[:, :, columns < middle - 40], bone[:, :, columns > middle + 40]
    return np.asarray((_area(body, right) > 8) & (_area(body, left) > 8))


def _airway(body: _Body) -> Mask:
    """Planes with one air space of 0.6 to 10 cm2 inside the body, not at its border."""
    inner = ndimage.binary_erosion(body.whole, np.ones((1, 5, 5)))
    found = np.zeros(len(body.whole), dtype=bool)
    for k in body.planes:
        labels, _ = ndimage.label((body.small.voxels[k] < -500) & inner[k])
        sizes = np.bincount(labels.ravel())[1:] * body.pixel_cm2
        found[k] = bool(((sizes > 0.6) & (sizes < 10)).any())
    return found


def _shafts(body: _Body) -> Mask:
    """Planes of at most 350 cm2 in which each piece holds compact bone of 3 to 40 % of its section, away from its border."""
    bone = ndimage.binary_fill_holes(body.small.voxels > _BONE_HU, np.ones((1, 3, 3))) & body.whole
    inner = ndimage.binary_erosion(body.whole, np.ones((1, 3, 3)))
    whole, within = _area(body, body.whole), _area(body, np.asarray(bone & inner))
    share = within / np.maximum(whole, 1e-6)
    return np.asarray((whole < 350) & (share > 0.03) & (share < 0.4))
