"""What has to hold before and after a cut, measured; anything that does not is a refusal.

Before: the brain that was found is one, whole in the view, and lies as brains lie. After: no pixel of it changed, and the skin of the
face went back. The face is looked for by the skin alone, so a brain that leaked into the face cannot hide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonymizer.defacing.anatomy import Brain
from anonymizer.defacing.frames import Vector
from anonymizer.defacing.morphology import grown
from anonymizer.defacing.picture import Mask, Picture
from anonymizer.defacing.shear import Cut, Pose

CHECK_MARGIN_MM = 3.0
MOVED_MM = 5.0  # all of the skin and more; what is left is the surface of the cut
LEAST_SHARE = 0.80
DEEP_MM = 10.0
LEAST_FACE_ML = 4.0
LEAST_FACE_MM2 = 500.0
_CELL_MM = 3.0
_FACE = (0.62, 1.12)  # from below the brow to the chin, in lengths of the cranium below the vertex
_HALF_FACE = 0.24
_FOREHEAD, _LOWER_FACE, _PROFILE_MM = (0.25, 0.5), (0.78, 1.12), 18.0
_BEFORE_STEM_MM = 25.0
_CUT_BELOW_CM2, _CUT_CM2 = 40.0, 15.0  # a few millimetres of the vertex may lack
_STEM_MM = 25.0  # above the lowest of the brain: there the stem leaves the head, and the view may end
_EDGE_MM = 7.5  # nearer than skull and scalp are thick
_FRONTAL_FLOOR = 0.78  # of the length below the vertex; the floor of the frontal lobes is at 0.55 to 0.6
_ABOVE_BRAIN_MM = 45.0


@dataclass(frozen=True, slots=True)
class Size:
    """The head by its skin: the vertex (down from the pose's middle, so negative) and the length of the cranium, mm."""

    top_mm: float
    length_mm: float


def size_of(picture: Picture, head: Mask, pose: Pose) -> Size:
    """Vertex and greatest length within the upper 90 mm of the head."""
    front, down = picture.along(pose.front, pose.middle)[head], picture.along(pose.down, pose.middle)[head]
    near = np.abs(picture.along(pose.left, pose.middle)[head]) < 20
    top = float(down.min())
    bands = [front[near & (down >= top + d) & (down < top + d + 5)] for d in range(20, 90, 5)]
    return Size(top, max((float(np.ptp(band)) for band in bands if band.size), default=0.0))


def brain_fault(picture: Picture, brain: Brain, pose: Pose, size: Size) -> str | None:
    """Why what was found may not be trusted as a brain, or None."""
    rim = picture.points(brain.mask) - pose.middle
    front, down = rim @ pose.front, rim @ pose.down
    floor = float(np.percentile(down[front > 0.6 * front.max()], 99))
    if float(front[down > down.max() - 20].mean()) > 5:
        return "orientation_doubtful"  # the cerebellum and the stem lie behind the middle
    if floor - size.top_mm > _FRONTAL_FLOOR * size.length_mm or float(down.min()) - size.top_mm > _ABOVE_BRAIN_MM:
        return "brain_doubtful"
    ends = _ends_at_view(picture, brain.mask)
    below = (ends - pose.middle) @ pose.down > down.max() - _STEM_MM
    area = picture.step_mm**2 / 100
    if int(below.sum()) * area > _CUT_BELOW_CM2 or int((~below).sum()) * area > _CUT_CM2:
        return "brain_cut_by_view"
    return None


def _ends_at_view(picture: Picture, brain: Mask) -> Vector:
    """LPS places (n, 3) where brain ends right before the edge of the view, one for each face of a cube that does."""
    reach = int(np.ceil(_EDGE_MM / picture.step_mm))
    inside, seen = np.pad(brain, reach), np.pad(picture.seen, reach)
    found = []
    for axis in range(3):
        for way in (1, -1):
            last = inside & ~np.roll(inside, -way, axis)
            unseen = np.any([~np.roll(seen, -way * k, axis) for k in range(1, reach + 1)], axis=0)
            found.append(np.argwhere(last & unseen) - reach)
    return np.concatenate(found)[:, ::-1] * picture.step_mm + picture.origin


def protected(picture: Picture, brain: Brain) -> Mask:
    """Every cube within the margin of either estimate of the brain."""
    return grown(brain.mask | brain.certain, CHECK_MARGIN_MM, picture.step_mm)


def face_ml(picture: Picture, tissue: Mask, cut: Cut) -> float:
    """Tissue well before the cut: what a face has and a vault, a defaced or a skull-stripped head has not."""
    front, down = picture.along(cut.pose.front, cut.pose.middle), picture.along(cut.pose.down, cut.pose.middle)
    return picture.ml(tissue & cut.takes(front - DEEP_MM, down))


def has_profile(picture: Picture, tissue: Mask, pose: Pose, size: Size) -> bool:
    """Whether the middle of the lower face comes nearly as far forward as the forehead: told by the skin alone."""
    front, down = picture.along(pose.front, pose.middle), picture.along(pose.down, pose.middle) - size.top_mm
    middle = tissue & (np.abs(picture.along(pose.left, pose.middle)) < _HALF_FACE * size.length_mm)
    foremost = [
        float(front[band].max(initial=-1e6))
        for low, high in (_FOREHEAD, _LOWER_FACE)
        for band in (middle & (down > low * size.length_mm) & (down < high * size.length_mm),)
    ]
    return foremost[1] > foremost[0] - _PROFILE_MM


def face_moved(picture: Picture, before: Mask, after: Mask, cut: Cut, size: Size) -> tuple[float, float | None]:
    """(mm2 of facial skin seen from the front, share of it that went back by at least `MOVED_MM`); None below `LEAST_FACE_MM2`."""
    pose, stem = cut.pose, float(cut.foremost.min())
    front = picture.along(pose.front, pose.middle)
    left, down = picture.along(pose.left, pose.middle), picture.along(pose.down, pose.middle) - size.top_mm
    window = (np.abs(left) < _HALF_FACE * size.length_mm) & (down > _FACE[0] * size.length_mm) & (down < _FACE[1] * size.length_mm)
    cells = (np.rint(left / _CELL_MM).astype(np.int64) + 100) * 200 + np.rint(down / _CELL_MM).astype(np.int64)
    was, now = (_foremost(cells[window & mask], front[window & mask]) for mask in (before, after))
    skin = was > stem + _BEFORE_STEM_MM
    area = float(skin.sum()) * _CELL_MM**2
    return area, float(((was - now)[skin] >= MOVED_MM).mean()) if area >= LEAST_FACE_MM2 else None


def _foremost(cells: NDArray[np.int64], front: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    out = np.full(40_000, -1e6)
    np.maximum.at(out, np.clip(cells, 0, 39_999), front)
    return out
