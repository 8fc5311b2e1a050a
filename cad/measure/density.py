"""How dense: HU inside the outline, solid and calcified share, and the texture class of a lung nodule.

The solid part of a subsolid nodule starts at -300 HU (Scholten et al., Eur Radiol 2015;25:488-496: sensitivity 90 %,
specificity 88 % against readers). Calcification starts at 164 HU, above every malignant nodule of Siegelman et al.,
AJR 1980;135:1-13; both on values smoothed by a 3x3x3 median so that noise is not mistaken for calcium.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.errors import GridError
from cad.finding import Measurement
from cad.volume import Volume

SOLID_HU = -300.0
CALCIFIED_HU = 164.0
GROUND_GLASS_BELOW = 0.06
SOLID_FROM = 0.8
CALCIFIED_FROM = 0.1
HU = "[hnsf'U]"
STATISTICS = ("mean_hu", "sd_hu", "median_hu", "p05_hu", "p95_hu")

RATIO_METHOD = "mean inside over the median 2 to 6 voxels outside"


def measure_density(image: Volume, mask: Volume) -> tuple[Measurement, ...]:
    """Mean, SD, median and 5th/95th percentile HU, solid and calcified share, inside `mask` on the same grid.

    Statistics leave out the outermost voxel layer (partial volume) where at least 20 voxels remain. The interval
    of the mean counts one independent value in eight voxels, since neighbours share noise. MR images keep their
    arbitrary unit "1". Raises GridError when the grids differ.
    """
    unit = HU if image.unit == "HU" else "1"
    window = _window(image, mask)
    if window is None:
        return tuple(Measurement(name, None, unit, "voxels inside the outline", outcome="empty_mask") for name in STATISTICS)
    values, inside = window
    core = _core(inside)
    measured = _statistics(values[core], unit)
    return measured if unit != HU else (*measured, *_shares(values, inside, core))


def contrast_ratio(image: Volume, mask: Volume) -> Measurement:
    """Mean inside `mask` over the median of the tissue 2 to 6 voxels outside it, on one grid; for MR, whose unit is arbitrary."""
    inside = np.asarray(mask.voxels) >= 0.5
    near, far = (ndimage.binary_dilation(inside, iterations=n) for n in (2, 6))
    around = np.asarray(image.voxels)[far & ~near]
    if not inside.any() or not around.size or float(np.median(around)) <= 0:
        return Measurement("contrast_ratio", None, "1", RATIO_METHOD, outcome="empty_mask")
    value = float(np.asarray(image.voxels)[inside].mean() / np.median(around))
    return Measurement("contrast_ratio", value, "1", RATIO_METHOD)


def nodule_texture(density: Sequence[Measurement]) -> Measurement:
    """The texture class in `label`: solid, part_solid, ground_glass or calcified, from `measure_density`'s shares.

    Below 6 % solid a nodule is ground glass (102 subsolid nodules gave the cut-off 6.14 % of the volume at -300 HU:
    "Threshold segmentation of pulmonary subsolid nodules on CT images"); from 80 % solid it is solid, the rest being
    partial volume at its rim.
    """
    shares = {m.name: m.value for m in density}
    solid, calcified = shares.get("solid_fraction"), shares.get("calcified_fraction")
    method = f"solid share at {SOLID_HU:g} HU, calcium at {CALCIFIED_HU:g} HU"
    if solid is None or calcified is None:
        return Measurement("texture", None, "", method, outcome="no_density")
    return Measurement("texture", None, "", method, label=_texture(solid, calcified))


def _texture(solid: float, calcified: float) -> str:
    if calcified >= CALCIFIED_FROM:
        return "calcified"
    if solid >= SOLID_FROM:
        return "solid"
    return "part_solid" if solid >= GROUND_GLASS_BELOW else "ground_glass"


def _window(image: Volume, mask: Volume) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    """Values and mask in the box around the mask, two voxels wider."""
    if image.grid != mask.grid:
        raise GridError("image and mask lie on different grids", subject="mask.grid", accepted="the image's grid")
    inside = np.asarray(mask.voxels) >= 0.5
    if not inside.any():
        return None
    box = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in ndimage.find_objects(inside.astype(np.uint8))[0])
    return np.asarray(image.voxels)[box].astype(np.float32), inside[box]


def _core(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    eroded = ndimage.binary_erosion(inside)
    return eroded if eroded.sum() >= 20 else inside


def _statistics(values: NDArray[np.float32], unit: str) -> tuple[Measurement, ...]:
    mean, spread = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    half = 1.96 * spread / max(values.size / 8, 1) ** 0.5
    low, middle, high = (float(v) for v in np.percentile(values, (5, 50, 95)))
    method = f"{values.size} voxels inside the outline"
    return (
        Measurement("mean_hu", mean, unit, method, (mean - half, mean + half)),
        Measurement("sd_hu", spread, unit, method),
        Measurement("median_hu", middle, unit, method),
        Measurement("p05_hu", low, unit, method),
        Measurement("p95_hu", high, unit, method),
    )


def _shares(values: NDArray[np.float32], inside: NDArray[np.bool_], core: NDArray[np.bool_]) -> tuple[Measurement, ...]:
    """Solid share of the whole mask (a rim of partial volume belongs to it), calcified share of its core."""
    calm = ndimage.median_filter(values, 3)
    solid = float((calm[core] >= SOLID_HU).mean())
    calcified = float((calm[core] >= CALCIFIED_HU).mean())
    whole = float((values[inside] >= SOLID_HU).mean())
    spread = (min(solid, whole), max(solid, whole))
    return (
        Measurement("solid_fraction", solid, "1", f"share of voxels from {SOLID_HU:g} HU, 3x3x3 median", spread),
        Measurement("calcified_fraction", calcified, "1", f"share of voxels from {CALCIFIED_HU:g} HU, 3x3x3 median"),
    )
