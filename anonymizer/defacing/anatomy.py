"""The head and the brain on a small picture, from the pixels alone: CT in HU, MR of any contrast.

The brain is what stays in one piece when the thin links to what looks alike (foramina, optic nerves) are cut. Two estimates of
it are made by unlike means; a removal has to spare both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from anonymizer.defacing.frames import Vector
from anonymizer.defacing.morphology import closed, depth_mm, filled, grown, largest, opened, shrunk
from anonymizer.defacing.picture import Mask, Picture, Values
from anonymizer.defacing.rays import brain_by_rays

BRAIN_ML = (350.0, 2200.0)
_SKIN_HU = -300.0
_NECKS_MM = (5.0, 7.5, 10.0)  # half the width of the links that are cut
_MR_BANDS = ((0.5, 1.9), (0.65, 1.6), (0.8, 1.4))  # of the usual signal of the middle
_HU_BANDS = ((-15.0, 110.0),)
_SCALP_MM = 4.0
_CRANIUM_MM = 100.0
_AS_GOOD, _LEAST_AGREEMENT = 0.07, 0.78
_AROUND_MM = 10.0
_BETWEEN_MM, _CERTAIN_MM = 6.0, 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Brain:
    """`mask` is planned for: the first estimate and what the second adds close to it; `certain` is the inside of the second alone.

    `agreement` is the Dice coefficient of the two estimates.
    """

    mask: Mask
    certain: Mask
    agreement: float


def head_mask(picture: Picture, modality: str) -> Mask:
    """The body in the picture without its surroundings, cavities filled; all False when there is none."""
    step = picture.step_mm
    dense = filled(closed((picture.values > skin_level(picture, modality)) & picture.seen, 5.0, step))
    solid = opened(dense, 4.0, step)
    return filled(largest(solid)) if solid.any() else solid


def skin_level(picture: Picture, modality: str) -> float:
    """The real value above which a cube is tissue.

    MR: half of Otsu's threshold, or less where a bright brain hides a dim skin (diffusion), but well above the air's noise.
    """
    if modality == "CT":
        return _SKIN_HU
    values = picture.values[picture.seen]
    first = otsu(values)
    below = values[values < first]
    second = otsu(below)
    noise = float(np.median(below[below < second])) if (below < second).any() else 0.0
    return min(0.5 * first, max(second, 3 * noise))


def air_level(picture: Picture, head: Mask) -> float:
    """MR: the usual real value around the head, or the least there is when the head fills the view."""
    around = picture.values[picture.seen & ~grown(head, _AROUND_MM, picture.step_mm)]
    return float(np.median(around)) if around.size > 100 else float(picture.values[picture.seen].min())


def otsu(values: Values) -> float:
    """Otsu's threshold (1979) on 256 bins between the minimum and the 99.5th percentile."""
    if not values.size:
        return 0.0
    low, top = float(values.min()), float(np.percentile(values, 99.5))
    if top <= low:
        return low
    counts, edges = np.histogram(np.clip(values, low, top), bins=256)
    middle = (edges[:-1] + edges[1:]) / 2
    below, mass = np.cumsum(counts), np.cumsum(counts * middle)
    above = below[-1] - below
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return float(middle[np.nanargmax(between[:-1])])


def brain_of(picture: Picture, head: Mask, modality: str) -> Brain | None:
    """The brain, or None when the two estimates do not find the same thing of a brain's size."""
    step = picture.step_mm
    rays = brain_by_rays(picture, head, modality, middle_of(picture, head))
    depth = depth_mm(head, step)
    found = [(overlap(piece, rays), piece) for piece in _pieces(picture, depth, modality) if BRAIN_ML[0] < picture.ml(piece) < BRAIN_ML[1]]
    if not found:
        return None
    best = max(agreement for agreement, _ in found)
    agreement, piece = min(((a, p) for a, p in found if a > best - _AS_GOOD), key=lambda pair: int(pair[1].sum()))
    mask = piece | (rays & grown(piece, _BETWEEN_MM, step))
    return Brain(mask, shrunk(rays, _CERTAIN_MM, step), agreement) if agreement > _LEAST_AGREEMENT else None


def middle_of(picture: Picture, head: Mask) -> Vector:
    """The middle of the upper part of the head, LPS mm: inside the cranium."""
    top = int(np.flatnonzero(head.any(axis=(1, 2)))[-1])
    upper = head.copy()
    upper[: max(0, top - round(_CRANIUM_MM / picture.step_mm))] = False
    return np.asarray(picture.points(upper).mean(axis=0))


def overlap(a: Mask, b: Mask) -> float:
    """The Dice coefficient of two masks."""
    return 2 * float(np.count_nonzero(a & b)) / max(1, int(np.count_nonzero(a)) + int(np.count_nonzero(b)))


def _pieces(picture: Picture, depth: Values, modality: str) -> Iterator[Mask]:
    """Candidates: what looks like brain, cut from what hangs on it by ever wider links."""
    step, usual = picture.step_mm, _usual(picture, depth)
    for low, high in _HU_BANDS if modality == "CT" else [(low * usual, high * usual) for low, high in _MR_BANDS]:
        alike = (picture.values > low) & (picture.values < high) & (depth > _SCALP_MM)
        inner = depth_mm(alike, step)
        for neck in _NECKS_MM:
            core = largest(inner > neck)
            if core.any():
                yield filled(closed(grown(core, neck + step, step) & alike, 8.0, step)) & (depth > _SCALP_MM)


def _usual(picture: Picture, depth: Values) -> float:
    """The median in the middle of the head."""
    return float(np.median(picture.values[depth > 0.5 * depth.max()])) if depth.any() else 0.0
