"""Where to look: body, lungs and brain masks, and the crop around a mask.

Classical morphology on a picture of 2 to 3 mm, brought back to the volume's grid. Each function takes
any orientation and returns uint8 0/1 on the volume's grid, unit "1"; nothing found is an empty mask.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from cad.errors import GridError
from cad.prepare.coarse import Coarse, Mask, close, coarsen, fill_planes, largest, opened
from cad.space import Grid
from cad.volume import Volume

_COARSE_MM = 2.5
_BODY_HU = -400.0
_LUNG_HU = -400.0
_LUNG_LEAST_ML = 150.0  # one small or half-imaged lung
_AIRWAY_MOST_MM2 = 750.0  # a trachea is 150 to 400 mm2, the carina somewhat more
_BRAIN_ML = (500.0, 2100.0)
_NECKS_MM = (5.0, 7.5, 10.0)  # half the width of the bridges (foramina, orbits) that are cut between brain and face, tried in turn


def body(volume: Volume) -> Volume:
    """The patient without air and table, lungs and gut included. CT in HU, or MR (threshold by Otsu)."""
    small = coarsen(volume, _COARSE_MM)
    return small.mask(body_coarse(small, volume.modality), volume)


def lungs(volume: Volume) -> Volume:
    """Both lungs of a CT in HU, vessels and juxta-pleural nodules included, trachea left out. Empty when there are none."""
    small = coarsen(volume, _COARSE_MM)
    return small.mask(lungs_coarse(small), volume)


def brain(volume: Volume) -> Volume:
    """The brain of a head MR, roughly: what stays in one piece when the thin skull and scalp are eroded away.

    Where that is no plausible brain (500 to 2,100 ml), the head less 12 mm of its border.
    """
    small = coarsen(volume, _COARSE_MM)
    return small.mask(_brain_coarse(small), volume)


def bounding_grid(mask: Volume, margin_mm: float) -> Grid:
    """The part of the mask's grid that holds its voxels and `margin_mm` around, cut at the grid's border.

    Raises GridError when the mask is empty.
    """
    low, high = [], []
    for axis, spacing in enumerate(mask.grid.spacing_mm):
        used = np.flatnonzero(mask.voxels.any(axis=tuple(a for a in range(3) if a != axis)))
        if used.size == 0:
            raise GridError("the mask is empty", subject="bounding_grid", accepted="a mask with at least one voxel set")
        reach = int(np.ceil(margin_mm / spacing))
        low.append(max(0, int(used[0]) - reach))
        high.append(min(mask.grid.shape[axis], int(used[-1]) + 1 + reach))
    return mask.grid.crop(low, [b - a for a, b in zip(low, high, strict=True)])


def body_coarse(small: Coarse, modality: str) -> Mask:
    """The body on the coarse picture: the largest thing denser than air once thin table parts are opened away."""
    if modality != "CT":
        return _tissue(small)
    dense = small.voxels > _BODY_HU
    thick = opened(fill_planes(dense), small.ball(6.0))
    return fill_planes(largest(thick)) if thick.any() else thick


def lungs_coarse(small: Coarse) -> Mask:
    """Both lungs on the coarse picture; all False when there are none."""
    inside = body_coarse(small, "CT")
    air = (small.voxels < _LUNG_HU) & inside
    airway = _airway(air, small)
    air &= ~airway
    core = _lung_pieces(opened(air, small.ball(2.6)), small)
    pieces = ndimage.binary_dilation(core, iterations=4, mask=air) if core.any() else core
    closed = close(pieces, small.ball(12.0)) & inside & ~airway
    return fill_planes(closed)


def _lung_pieces(air: Mask, small: Coarse) -> Mask:
    """The large air spaces; bowel gas is smaller or lies below the lungs."""
    pieces = largest(air, 2)
    labels, n = ndimage.label(pieces)
    volumes = [small.ml(labels == i + 1) for i in range(n)]
    for i, ml in enumerate(volumes):
        if ml < _LUNG_LEAST_ML or ml < 0.08 * max(volumes):
            pieces = pieces & (labels != i + 1)
    return pieces


def _airway(air: Mask, small: Coarse) -> Mask:
    """Trachea and main bronchi: a small dark central patch near the top, followed downwards while it stays small."""
    pixel_mm2 = small.spacing_mm[1] * small.spacing_mm[2]
    found = np.zeros_like(air)
    for k in range(air.shape[0] - 1, -1, -1):
        labels, _ = ndimage.label(air[k])
        area_mm2 = np.bincount(labels.ravel()) * pixel_mm2
        above = np.unique(labels[found[k + 1]]) if k + 1 < air.shape[0] else np.zeros(0, dtype=int)
        for label in np.flatnonzero((area_mm2 > 25) & (area_mm2 < _AIRWAY_MOST_MM2)):
            if label and (label in above or (area_mm2[label] > 100 and _is_trachea(labels == label, small, k))):
                found[k] |= labels == label
    return found


def _is_trachea(patch: Mask, small: Coarse, k: int) -> bool:
    """Pure air, compact, within 40 mm of the body's middle, in the upper two thirds of the scan."""
    if k < small.voxels.shape[0] // 3 or small.voxels[k][patch].mean() > -780:
        return False
    rows, columns = np.nonzero(patch)
    span_mm = max(np.ptp(rows) * small.spacing_mm[1], np.ptp(columns) * small.spacing_mm[2])
    tissue = np.flatnonzero((small.voxels[k] > _BODY_HU).any(axis=0))
    middle = (tissue[0] + tissue[-1]) / 2 if tissue.size else patch.shape[1] / 2
    return bool(span_mm < 40 and abs(columns.mean() - middle) * small.spacing_mm[2] < 40)


def _tissue(small: Coarse) -> Mask:
    """MR: what is brighter than the air around it, in one piece, cavities filled."""
    bright = small.voxels > 0.6 * _otsu(small.voxels)  # Otsu lands between grey and white tissue when fat is bright
    filled = fill_planes(close(bright, small.ball(6.0)))  # the scalp is a ring: filled before the largest piece is chosen
    thick = opened(filled, small.ball(4.0))
    return fill_planes(close(largest(thick), small.ball(10.0))) if thick.any() else thick


def _brain_coarse(small: Coarse) -> Mask:
    whole = _tissue(small)
    depth = ndimage.distance_transform_edt(np.pad(whole, 1), sampling=small.spacing_mm)[1:-1, 1:-1, 1:-1]
    deep = small.voxels[depth > 0.5 * depth.max()]
    if not deep.size:
        return whole
    usual = float(np.median(deep))
    like_brain = (small.voxels > 0.55 * usual) & (small.voxels < 1.9 * usual) & (depth > 4)  # between skull and fat
    from_border = ndimage.distance_transform_edt(np.pad(like_brain, 1), sampling=small.spacing_mm)[1:-1, 1:-1, 1:-1]
    for neck_mm in _NECKS_MM:
        core = from_border > neck_mm
        grown: Mask = ndimage.distance_transform_edt(~largest(core), sampling=small.spacing_mm) < neck_mm + 1.5 if core.any() else core
        found: Mask = fill_planes(close(grown & like_brain, small.ball(10.0))) & (depth > 4)
        if _BRAIN_ML[0] < small.ml(found) < min(_BRAIN_ML[1], 0.85 * small.ml(whole)):
            return found
    return np.asarray(depth > 12)


def _otsu(voxels: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    """Otsu's threshold (1979) on 256 bins up to the 99.5th percentile."""
    top = float(np.percentile(voxels, 99.5))
    low = float(voxels.min())
    if top <= low:
        return low
    counts, edges = np.histogram(np.clip(voxels, low, top), bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    mass = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return float(centres[np.nanargmax(between[:-1])])
