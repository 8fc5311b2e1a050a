"""What a nodule holds: the size of its solid part, and air enclosed in it (a cavity)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.errors import GridError
from cad.finding import Measurement
from cad.measure.density import SOLID_HU
from cad.measure.extent import recist_axes
from cad.volume import Volume

AIR_HU = -1000.0
SEED_HU = -800.0  # darker than lung and than any ground glass: air
LEAST_CAVITY_MM = 3.0
METHODS = {
    "solid_diameter": f"mean of long and short axis of the largest part from {SOLID_HU:g} HU, 3x3x3 median",
    "cavity_fraction": f"air (below {SEED_HU:g} HU, to half the height of its wall) enclosed in the outline, by volume",
}


def solid_diameter(image: Volume, mask: Volume) -> Measurement:
    """Mean diameter (mm) of the solid part, as Lung-RADS v2022 asks of a part-solid nodule; both volumes in HU on one grid.

    Without a voxel of that density: None, "not_solid".
    """
    inside = _inside(image, mask)
    solid = _largest(inside & (ndimage.median_filter(_hu(image), 3) >= SOLID_HU))
    axes = recist_axes(mask.like(solid.astype(np.uint8), unit="1")) if solid.any() else None
    if axes is None:
        return _coded("solid_diameter", "mm", "empty_mask" if not inside.any() else "not_solid")
    mean = (axes.long.length_mm + axes.short.length_mm) / 2
    return Measurement("solid_diameter", mean, "mm", METHODS["solid_diameter"], position_mm=axes.long.middle_mm)


def cavity_fraction(image: Volume, mask: Volume) -> Measurement:
    """Share of the filled outline that is enclosed air; `label` "cavitary" where a ball of 3 mm or more of it lies together.

    The term as in the Fleischner Society's glossary (Hansell et al., Radiology 2008;246:697): a gas-filled space within a nodule.
    """
    filled = ndimage.binary_fill_holes(_inside(image, mask))
    if filled is None or not filled.any():
        return _coded("cavity_fraction", "1", "empty_mask")
    hu, within = _hu(image), ndimage.binary_erosion(filled)
    air = _air(hu, filled, within)
    share = float(air.sum() / filled.sum())
    largest = float(_largest(air).sum()) * mask.grid.voxel_mm3
    label = "cavitary" if largest >= np.pi / 6 * LEAST_CAVITY_MM**3 else "no_cavity"
    return Measurement("cavity_fraction", share, "1", METHODS["cavity_fraction"], label=label)


def _air(hu: NDArray[np.float32], filled: NDArray[np.bool_], within: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Air that the outline encloses, to where the density is half way to that of its wall."""
    seeds = within & (ndimage.median_filter(hu, 3) < SEED_HU)
    wall = hu[filled & (hu > SOLID_HU)]
    if not seeds.any() or not wall.size:
        return np.zeros_like(filled)
    parts, _ = ndimage.label(within & (hu < (AIR_HU + float(np.median(wall))) / 2))
    return np.asarray(np.isin(parts, np.unique(parts[seeds & (parts > 0)])) & (parts > 0))


def _inside(image: Volume, mask: Volume) -> NDArray[np.bool_]:
    if image.grid != mask.grid:
        raise GridError("image and mask lie on different grids", subject="mask.grid", accepted="the image's grid")
    return np.asarray(mask.voxels) >= 0.5


def _hu(image: Volume) -> NDArray[np.float32]:
    return np.asarray(image.voxels, dtype=np.float32)


def _largest(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(part)
    if count == 0:
        return part
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(sizes.argmax()))


def _coded(name: str, unit: str, outcome: str) -> Measurement:
    return Measurement(name, None, unit, METHODS[name], outcome=outcome)
