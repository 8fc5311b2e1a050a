"""The aorta's picture: along the vessel (ascending, arch, descending in one plane) and across it where it is widest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.measure import find_contours

from cad.finding import Exhibit, Measurement
from cad.space import FloatArray
from cad.volume import Volume
from cad.write import drawing, planes
from cad.write.drawing import Window
from cad.write.planes import Plane

PIXELS = 420
ANGIOGRAPHY = Window("angiography", -150.0, 550.0)  # centre 200, width 700: enhanced blood is not all white
_ENHANCED_HU = 160.0


def aorta_picture(measurements: Sequence[Measurement], exhibit: Exhibit) -> Image.Image:
    """Both views side by side, outlined; the diameter is drawn where the widest positioned measurement lies.

    Raises ValueError for an exhibit without a mask: there is nothing to outline.
    """
    if exhibit.mask is None or not exhibit.mask.voxels.any():
        raise ValueError("the aorta's picture needs its mask")
    whole, widest = exhibit.image, widest_of(measurements)
    inside = exhibit.mask.grid.to_mm(np.argwhere(exhibit.mask.voxels > 0))
    views = [_along(exhibit.mask, whole, inside, widest)]
    if widest is not None:
        views.append(_across(exhibit.mask, whole, inside, widest))
    return drawing.beside(views)


def widest_of(measurements: Sequence[Measurement]) -> Measurement | None:
    """The largest diameter that has a position; None where nothing was measured."""
    placed = [m for m in measurements if m.value is not None and m.position_mm is not None and m.unit == "mm"]
    return max(placed, key=lambda m: m.value or 0.0, default=None)


def direction_at(mask: Volume, inside_mm: FloatArray, centre_mm: Sequence[float], diameter_mm: float) -> FloatArray:
    """The vessel's direction near a point: the longest axis of the piece of mask within 0.9 diameters of it (unit vector, LPS)."""
    near = np.linalg.norm(inside_mm - np.asarray(centre_mm), axis=1) < max(0.9 * diameter_mm, 3 * max(mask.grid.spacing_mm))
    index = np.rint(mask.grid.to_index(inside_mm[near])).astype(int)
    if len(index) < 10:
        return np.array([0.0, 0.0, 1.0])
    piece = np.zeros(tuple(np.ptp(index, axis=0) + 1), dtype=bool)
    local = tuple((index - index.min(axis=0)).T)
    piece[local] = True
    labels = ndimage.label(piece)[0][local]
    nearest = int(np.argmin(np.linalg.norm(inside_mm[near] - np.asarray(centre_mm), axis=1)))
    longest: FloatArray = _axes(inside_mm[near][labels == labels[nearest]])[0]
    return longest


def _along(mask: Volume, whole: Volume, inside: FloatArray, widest: Measurement | None) -> Image.Image:
    axes = _axes(inside)
    middle = (inside.min(axis=0) + inside.max(axis=0)) / 2
    field = float(np.ptp(inside @ axes[:2].T, axis=0).max()) * 1.15 + 20
    normal: FloatArray = axes[2] if abs(axes[2][2]) < 0.7 else np.array([1.0, 0.0, 0.0])
    through: FloatArray = inside.mean(axis=0) if widest is None else _foot(middle, widest, normal)
    plane = planes.across(normal, through, field, PIXELS)
    picture = _view(mask, whole, plane, "along the vessel")
    if widest is not None:
        _cut(picture, plane, widest, direction_at(mask, inside, widest.position_mm or (0, 0, 0), widest.value or 0.0))
    return picture


def _cut(picture: Image.Image, plane: Plane, widest: Measurement, direction: FloatArray) -> None:
    """Two ticks outside the wall, in line with the cross-section that the other view shows."""
    flat = np.array([-(direction @ plane.down), direction @ plane.right])  # at right angles to the vessel, (x, y) in the picture
    sideways = flat / max(float(np.linalg.norm(flat)), 1e-9)
    row, column = plane.to_pixel(widest.position_mm or (0, 0, 0))
    near = (widest.value or 0.0) / plane.pixel_mm / 2 + 5
    ends = [[np.array([column, row]) + sign * reach * sideways for reach in (near, near + 18)] for sign in (-1, 1)]
    drawing.strokes(picture, [[(float(x), float(y)) for x, y in line] for line in ends], drawing.CYAN, 2.0)


def _foot(middle: FloatArray, widest: Measurement, normal: FloatArray) -> FloatArray:
    """The middle of the vessel, moved so that the plane passes through the widest place."""
    return np.asarray(middle + normal * ((np.asarray(widest.position_mm) - middle) @ normal), dtype=np.float64)


def _across(mask: Volume, whole: Volume, inside: FloatArray, widest: Measurement) -> Image.Image:
    value, centre = float(widest.value or 0.0), widest.position_mm or (0.0, 0.0, 0.0)
    plane = planes.across(direction_at(mask, inside, centre, value), centre, max(80.0, 2.2 * value), PIXELS)
    picture = _view(mask, whole, plane, "across, at the widest place")
    (x0, y0), (x1, y1) = _chord(planes.sample(mask, plane, 0.0), plane, centre, value)
    across = np.array([-(y1 - y0), x1 - x0]) / max(float(np.hypot(x1 - x0, y1 - y0)), 1e-9) * 6
    ends = [[(x - across[0], y - across[1]), (x + across[0], y + across[1])] for x, y in ((x0, y0), (x1, y1))]
    drawing.strokes(picture, [[(x0, y0), (x1, y1)], *ends], drawing.CYAN)
    drawing.text(picture, (PIXELS / 2, PIXELS - 26), f"{value:.1f} mm", size=17, anchor="mb")
    return picture


def _chord(
    mask: NDArray[np.float32], plane: Plane, centre: Sequence[float], value: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ends (x, y) of a line as long as the diameter, in the direction in which the cross-section is longest."""
    row, column = plane.to_pixel(centre)
    contours = list(find_contours(np.pad(mask, 1), 0.5))
    nearest = min(contours, key=lambda c: float(np.linalg.norm(c.mean(axis=0) - 1 - (row, column))), default=None)
    middle, towards = np.array([row, column]), np.array([0.0, 1.0])
    if nearest is not None:
        middle, towards = nearest.mean(axis=0) - 1, _axes(np.asarray(nearest, dtype=np.float64))[0]
    half = towards * value / plane.pixel_mm / 2
    low, high = middle - half, middle + half
    return (float(low[1]), float(low[0])), (float(high[1]), float(high[0]))


def _view(mask: Volume, whole: Volume, plane: Plane, title: str) -> Image.Image:
    window = ANGIOGRAPHY if float(np.median(_inside_values(mask, whole))) > _ENHANCED_HU else drawing.MEDIASTINUM
    picture = drawing.grey_picture(planes.sample(whole, plane, -1024.0), window)
    drawing.outline(picture, planes.sample(mask, plane, 0.0))
    drawing.side_letters(picture, plane)
    drawing.scale_bar(picture, plane)
    drawing.text(picture, (8, 8), title)
    return picture


def _inside_values(mask: Volume, whole: Volume) -> NDArray[np.float32]:
    index = np.rint(whole.grid.to_index(mask.grid.to_mm(np.argwhere(mask.voxels > 0)[::7]))).astype(int)
    slices, rows, columns = np.clip(index, 0, np.asarray(whole.grid.shape) - 1).T
    return np.asarray(whole.voxels[slices, rows, columns], dtype=np.float32)


def _axes(points: FloatArray) -> FloatArray:
    """Principal axes of a cloud as rows, longest first, each with a sign that does not depend on the solver."""
    _, vectors = np.linalg.eigh(np.cov(points.T))
    axes = vectors.T[::-1]
    largest = np.take_along_axis(axes, np.argmax(np.abs(axes), axis=1)[:, None], axis=1)
    return np.asarray(axes * np.sign(largest), dtype=np.float64)
