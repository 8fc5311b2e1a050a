"""Whether a head is in the picture at all, and whether its face can be: the cases in which nothing needs to be done, proven.

CT is judged plane by plane: a ring of bone around soft tissue is a cranium, a front of bone around an airway is a jaw. MR is judged
by the outline of the body alone, which no contrast hides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonymizer.defacing.picture import Mask, Picture, Values

_BONE_HU, _AIR_HU = 250.0, -500.0
_SOFT_HU = (-20.0, 110.0)
_CRANIUM_CM2, _SOFT_SHARE = 20.0, 0.85
_FRONT_GAP_MM = 30.0  # of skin, bone and frontal sinus before the brain; at the eyes it is 40 and more
_WHOLE_FIELD_MM = 200.0  # a narrower CT may have its ring of bone outside the field
_JAW_CM2, _AIRWAY_CM2, _NARROW_MM = 4.0, 0.5, 220.0
_VAULT = 0.34  # of the cranium's length below the vertex: above the brow even when the head is tilted back by 20 degrees
_WHOLE_FIELD = 0.92
_TORSO_MM, _TORSO_MM_DEEP = 245.0, 290.0


@dataclass(frozen=True, slots=True)
class View:
    """What a picture shows: `head` and `face` are True unless the pixels exclude it; `evidence` says by what.

    `vertex` is whether the body ends below the upper edge of the view, as the top of a head does.
    """

    head: bool
    face: bool
    evidence: str
    vertex: bool = False


def ct_view(picture: Picture, body: Mask) -> View:
    """A CT in HU, by bone and air."""
    planes = [plane for plane in range(body.shape[0]) if body[plane].sum() * picture.step_mm**2 > 500]
    rings = {plane: ring for plane in planes if (ring := _cranium(picture.values[plane], picture.step_mm)) is not None}
    if rings:
        only_vault = all(_is_vault(body[p], rings.get(p), picture.step_mm) for p in planes if p <= max(rings))
        return View(True, not only_vault, "cranium_by_bone")
    if any(_has_jaw(picture.values[p], body[p], picture.step_mm) for p in planes):
        return View(True, True, "lower_face_without_brain")
    wide = min(np.ptp(np.flatnonzero(picture.seen.any(axis=axes))) * picture.step_mm for axes in ((0, 1), (0, 2)))
    return View(
        bool(wide < _WHOLE_FIELD_MM), bool(wide < _WHOLE_FIELD_MM), "field_too_narrow" if wide < _WHOLE_FIELD_MM else "no_head_in_view"
    )


def mr_view(picture: Picture, body: Mask) -> View:
    """An MR of any contrast, by the outline of the body."""
    step = picture.step_mm
    planes = np.flatnonzero(body.any(axis=(1, 2)))
    if not planes.size:
        return View(True, True, "nothing_found")
    widths, depths = (body.any(axis=axis).sum(axis=1)[planes] * step for axis in (1, 2))
    fills = float(body[planes].sum()) / max(1, int(picture.seen[planes].sum())) > _WHOLE_FIELD  # noise or wrapping, not an outline
    if not fills and (np.median(widths) > _TORSO_MM or np.median(depths) > _TORSO_MM_DEEP):
        return View(False, False, "no_head_in_view")
    vertex = _ends_above(picture, body, int(planes[-1]))
    if vertex and len(planes) * step < _VAULT * depths.max():
        return View(True, False, "vault_only", vertex)
    return View(True, True, "outline_of_a_head", vertex)


def _cranium(hu: Values, step: float) -> Mask | None:
    """What a ring of bone in one plane closes in, when it is soft and large; else None."""
    from scipy.ndimage import binary_closing, binary_fill_holes, label

    bone = binary_closing(np.pad(hu > _BONE_HU, 2), np.ones((3, 3)))[2:-2, 2:-2]
    labels, count = label(binary_fill_holes(bone) & ~bone)
    if not count:
        return None
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    inside: Mask = labels == int(np.argmax(sizes))
    soft = float(np.mean((hu[inside] > _SOFT_HU[0]) & (hu[inside] < _SOFT_HU[1])))
    return inside if inside.sum() * step**2 > 100 * _CRANIUM_CM2 and soft > _SOFT_SHARE else None


def _is_vault(body: Mask, ring: Mask | None, step: float) -> bool:
    """Whether one plane is cranium right behind the skin, so that neither eyes nor nose are in it."""
    if ring is None:
        return False
    front = np.flatnonzero(body.any(axis=1))[0]
    return bool((np.flatnonzero(ring.any(axis=1))[0] - front) * step < _FRONT_GAP_MM)


def _has_jaw(hu: Values, body: Mask, step: float) -> bool:
    """Much bone in the front 40 percent of a narrow section with an airway in it."""
    rows, columns = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
    if np.ptp(columns) * step > _NARROW_MM:
        return False
    front = np.zeros_like(body)
    front[rows[0] : rows[0] + int(0.4 * (np.ptp(rows) + 1))] = True
    bone, air = _cm2((hu > _BONE_HU) & front & body, step), _cm2((hu < _AIR_HU) & body, step)
    return bone > _JAW_CM2 and air > _AIRWAY_CM2


def _cm2(mask: NDArray[np.bool_], step: float) -> float:
    return float(mask.sum()) * step**2 / 100


def _ends_above(picture: Picture, body: Mask, top: int) -> bool:
    """Whether the body ends below the upper edge of the view: the vertex is in it."""
    return top + 1 < body.shape[0] and bool(picture.seen[top + 1][body[top]].all())
