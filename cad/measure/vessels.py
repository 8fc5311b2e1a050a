"""Does a vessel reach the nodule? Thin dense structures that begin at its rim and lead away from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.finding import Measurement
from cad.measure.descriptors import VESSEL_RADIUS_MM
from cad.measure.opening import opened_on
from cad.volume import Volume

DENSE_HU = -500.0  # half way between lung and blood: half of a small vessel's width
BEGINS_MM, SHELL_MM, LEADS_MM = 2.0, (2.0, 4.0), 5.0
METHOD = (
    f"share of the shell {SHELL_MM[0]:g} to {SHELL_MM[1]:g} mm around it taken by structures from {DENSE_HU:g} HU, thinner than"
    f" {2 * VESSEL_RADIUS_MM:g} mm, that lead {LEADS_MM:g} mm away; strands count as vessels"
)


def vessel_contact(image: Volume, mask: Volume) -> Measurement:
    """Share of the shell around a nodule that vessels (or strands of that length) cross; `label` "attached" or "free".

    `image` in HU and `mask` on one grid. What is thicker than 5 mm is wall or mediastinum, not a vessel.
    """
    inside = np.asarray(mask.voxels) >= 0.5
    if not inside.any():
        return Measurement("vessel_contact", None, "1", METHOD, outcome="empty_mask")
    spacing = mask.grid.spacing_mm
    away = ndimage.distance_transform_edt(~inside, sampling=spacing)
    thin = _thin(np.asarray(image.voxels) >= DENSE_HU, inside, spacing)
    vessels = _leading(thin & (away > 0.5 * min(spacing)) & (away <= LEADS_MM + max(spacing)), away)
    shell = (away >= SHELL_MM[0]) & (away <= SHELL_MM[1])
    label = "attached" if vessels.any() else "free"
    return Measurement("vessel_contact", float(vessels[shell].mean()) if shell.any() else 0.0, "1", METHOD, label=label)


def _thin(dense: NDArray[np.bool_], inside: NDArray[np.bool_], spacing: tuple[float, ...]) -> NDArray[np.bool_]:
    """Dense voxels outside that a ball of a vessel's radius does not fit into; the wall is widened by a voxel against its rim."""
    outside = dense & ~inside
    wall = ndimage.binary_dilation(opened_on(outside, spacing, VESSEL_RADIUS_MM))
    return np.asarray(outside & ~wall)


def _leading(thin: NDArray[np.bool_], away: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Connected parts that begin at the rim and reach as far as `LEADS_MM`."""
    parts, count = ndimage.label(thin, np.ones((3, 3, 3)))
    if count == 0:
        return thin
    numbers = np.arange(1, count + 1)
    near, far = ndimage.minimum(away, parts, numbers), ndimage.maximum(away, parts, numbers)
    return np.asarray(np.isin(parts, numbers[(near <= BEGINS_MM) & (far >= LEADS_MM)]))
