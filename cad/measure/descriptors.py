"""What it looks like and where: shape, margin, attachment to the pleura, site in the lung or brain.

Shape indices are measured on the sub-voxel surface. An index that a structure of few voxels cannot carry is
"too_small", never a number.
"""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.finding import Measurement
from cad.measure.mesh import Mesh, mesh_of
from cad.measure.opening import opened_on
from cad.measure.surface import outline
from cad.space import Grid, as_point
from cad.volume import Volume

SMALLEST_MM = 6.0
SPICULE_RADIUS_MM = 1.5
FINE_VOXELS = 96
CONTACT_REACH_MM = 1.5
CONTACT_FROM = 0.1
VESSEL_RADIUS_MM = 2.5
WINDOW_MM = 20.0
MIDLINE_MM = 3.0
METHODS = {
    "sphericity": "surface of a ball of equal volume / surface",
    "lobulation_index": "1 - volume / volume of the convex hull",
    "spiculation_index": f"share of the volume in parts thinner than {2 * SPICULE_RADIUS_MM:g} mm",
    "margin_width": "mean edge height / steepest mean slope along surface normals",
    "pleural_contact": f"share of the rim of {CONTACT_REACH_MM:g} mm that lies outside the lung",
}


def measure_shape(mask: Volume) -> tuple[Measurement, ...]:
    """Sphericity (1 for a ball), lobulation and spiculation index (0 for a ball), unit "1"."""
    shape = outline(mask)
    surface = None if shape is None else mesh_of(shape)
    names = ("sphericity", "lobulation_index", "spiculation_index")
    if shape is None or surface is None:
        return tuple(_coded(name, "empty_mask") for name in names)
    volume = surface.volume_mm3()
    if (6 * volume / pi) ** (1 / 3) < max(SMALLEST_MM, 4 * max(shape.grid.spacing_mm)):
        return tuple(_coded(name, "too_small") for name in names)
    return (
        _number("sphericity", min(1.0, pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface.area_mm2())),
        _number("lobulation_index", max(0.0, 1 - volume / surface.hull_volume_mm3())),
        _number("spiculation_index", _thin_share(mask)),
    )


def measure_margin(image: Volume, mask: Volume) -> Measurement:
    """Width of the edge in mm: how far the mean profile along outward normals takes from inside to outside.

    A step blurred by a Gaussian of SD s has the width 2.51 s; a sharply resolved margin is about as wide as the scanner's blur.
    """
    shape = outline(mask)
    surface = None if shape is None else mesh_of(shape)
    if surface is None:
        return _coded("margin_width", "empty_mask", "mm")
    offsets = np.arange(-4.0, 4.01, 0.25)
    profile = _mean_profile(image, surface, offsets)
    height = abs(float(profile[:4].mean() - profile[-4:].mean()))
    slope = float(np.abs(np.diff(profile)).max() / 0.25)
    if height < 1e-3 or slope < 1e-6:
        return _coded("margin_width", "no_contrast", "mm")
    return Measurement("margin_width", height / slope, "mm", METHODS["margin_width"])


def pleural_contact(mask: Volume, lung: Volume) -> Measurement:
    """Share of the structure's rim that lies outside the lung; `label` "attached" from 10 %, else "free".

    `lung` (0/1, same grid) may leave the structure and vessels out: parts outside thinner than 5 mm are taken for vessels.
    """
    inside = np.asarray(mask.voxels) >= 0.5
    if not inside.any():
        return _coded("pleural_contact", "empty_mask")
    box, spacing = _window(inside, mask.grid), mask.grid.spacing_mm
    here, air = inside[box], np.asarray(lung.voxels)[box] >= 0.5
    if not air.any():
        return _coded("pleural_contact", "outside_lung")
    wall = opened_on(~(here | air), spacing, VESSEL_RADIUS_MM)
    rim = (ndimage.distance_transform_edt(~here, sampling=spacing) <= max(CONTACT_REACH_MM, 1.01 * min(spacing))) & ~here
    share = float(wall[rim].mean())
    return Measurement("pleural_contact", share, "1", METHODS["pleural_contact"], label="attached" if share >= CONTACT_FROM else "free")


def lung_location(mask: Volume, lung: Volume) -> Measurement:
    """Side and zone as `label`: right|left + upper|middle|lower "_zone", by thirds of that lung's height; `position_mm` the centre.

    Sides are the patient's (LPS: left is +x of the middle between the lungs' outer borders).
    """
    centre = _centre(mask)
    method = "side of the midline, thirds of the lung's height"
    points = _points(lung)
    if centre is None or len(points) == 0:
        return Measurement("location", None, "", method, outcome="empty_mask" if centre is None else "no_lung_mask")
    middle = (points[:, 0].min() + points[:, 0].max()) / 2
    left = bool(centre[0] > middle)
    own = points[(points[:, 0] > middle) == left]
    low, high = own[:, 2].min(), own[:, 2].max()
    third = int(np.clip((centre[2] - low) / max(high - low, 1e-6) * 3, 0, 2))
    label = f"{'left' if left else 'right'}_{('lower', 'middle', 'upper')[third]}_zone"
    return Measurement("location", None, "", method, label=label, position_mm=as_point(centre))


def brain_location(mask: Volume, brain: Volume) -> Measurement:
    """Hemisphere as `label`: left_hemisphere, right_hemisphere or midline (within 3 mm of the brain's middle)."""
    centre, points = _centre(mask), _points(brain)
    method = "side of the brain's middle"
    if centre is None or len(points) == 0:
        return Measurement("location", None, "", method, outcome="empty_mask" if centre is None else "no_brain_mask")
    beyond = float(centre[0] - (points[:, 0].min() + points[:, 0].max()) / 2)
    side = "left_hemisphere" if beyond > 0 else "right_hemisphere"
    label = "midline" if abs(beyond) <= MIDLINE_MM else side
    return Measurement("location", None, "", method, label=label, position_mm=as_point(centre))


def _thin_share(mask: Volume) -> float:
    """The share of the volume that an opening with a ball of SPICULE_RADIUS_MM removes, on a fine isotropic lattice.

    Taken from the mask as it is: the blur of the sub-voxel outline would swallow the spicules.
    """
    voxels, spacing = np.asarray(mask.voxels), np.asarray(mask.grid.spacing_mm)
    box = ndimage.find_objects((voxels >= 0.5).astype(np.uint8))[0]
    near = np.pad(voxels[box].astype(np.float32), 1)
    fine = max(0.4, float((np.asarray(near.shape) * spacing).max()) / FINE_VOXELS)
    body = ndimage.zoom(near, spacing / fine, order=1, grid_mode=True, mode="grid-constant") >= 0.5
    kept = opened_on(body, (fine,) * 3, max(SPICULE_RADIUS_MM, 2 * fine), fine / 2)
    return float((body & ~kept).sum() / body.sum())


def _mean_profile(image: Volume, surface: Mesh, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    step = max(1, len(surface.vertices_mm) // 2000)
    points, normals = surface.vertices_mm[::step], surface.normals[::step]
    where = image.grid.to_index(points[None] + offsets[:, None, None] * normals[None])
    values = ndimage.map_coordinates(np.asarray(image.voxels, dtype=np.float32), np.moveaxis(where, -1, 0), order=1, mode="nearest")
    return np.asarray(values.mean(axis=1), dtype=np.float64)


def _window(inside: NDArray[np.bool_], grid: Grid) -> tuple[slice, ...]:
    margin = [int(np.ceil(WINDOW_MM / s)) for s in grid.spacing_mm]
    found = ndimage.find_objects(inside.astype(np.uint8))[0]
    return tuple(slice(max(0, s.start - m), s.stop + m) for s, m in zip(found, margin, strict=True))


def _centre(mask: Volume) -> NDArray[np.float64] | None:
    points = _points(mask)
    return points.mean(axis=0) if len(points) else None


def _points(mask: Volume) -> NDArray[np.float64]:
    """Centres (n, 3) LPS mm of the mask's voxels; a large mask is thinned to at most 128 steps an axis."""
    inside = np.asarray(mask.voxels) >= 0.5
    found = ndimage.find_objects(inside.astype(np.uint8))
    if not found:
        return np.zeros((0, 3))
    box = found[0]
    step = [1 + (s.stop - s.start) // 128 for s in box]
    thin = inside[tuple(slice(s.start, s.stop, n) for s, n in zip(box, step, strict=True))]
    return np.asarray(mask.grid.to_mm(np.argwhere(thin) * step + [s.start for s in box]))


def _number(name: str, value: float) -> Measurement:
    return Measurement(name, value, "1", METHODS[name])


def _coded(name: str, outcome: str, unit: str = "1") -> Measurement:
    return Measurement(name, None, unit, METHODS[name], outcome=outcome)
