"""The aorta's picture: along the vessel (ascending, arch, descending in one plane) and across it where it is widest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cad.finding import CrossSection, Exhibit
from cad.space import FloatArray
from cad.volume import Volume
from cad.write import drawing, planes
from cad.write.drawing import Window
from cad.write.planes import Plane

PIXELS = 330
ANGIOGRAPHY = Window("angiography", -150.0, 550.0)  # centre 200, width 700: enhanced blood is not all white
_ENHANCED_HU = 160.0


def aorta_picture(exhibit: Exhibit) -> Image.Image:
    """Both views side by side, outlined; where sections were measured, the widest one with its diameter.

    Raises ValueError for an exhibit without a mask: there is nothing to outline.
    """
    if exhibit.mask is None or not exhibit.mask.voxels.any():
        raise ValueError("the aorta's picture needs its mask")
    inside, window = _inside(exhibit.mask), window_of(exhibit.image, exhibit.mask)
    widest = max(exhibit.sections, key=lambda section: section.diameter_mm, default=None)
    views = [_along(exhibit.mask, exhibit.image, inside, window, widest)]
    if widest is not None:
        title = f"across, at the widest place: {widest.diameter_mm:.1f} mm"
        views.append(across(exhibit.image, window, widest, PIXELS, max(80.0, 2.2 * widest.diameter_mm), title))
    return drawing.beside(views)


def window_of(image: Volume, mask: Volume) -> Window:
    """The mediastinal window, or a wider one where the blood is enhanced, so that it is not all white."""
    return ANGIOGRAPHY if float(np.median(_values_at(image, _inside(mask)[::7]))) > _ENHANCED_HU else drawing.MEDIASTINUM


def across(image: Volume, window: Window, section: CrossSection, pixels: int, field_mm: float, title: str) -> Image.Image:
    """One cut at right angles to the vessel, outlined, with its diameter drawn as long as it was measured."""
    plane = planes.across(_normal(section), section.centre_mm, field_mm, pixels)
    picture = drawing.grey_picture(planes.sample(image, plane, drawing.AIR_HU), window)
    outline = np.array([plane.to_pixel(point)[::-1] for point in section.outline_mm])
    drawing.strokes(picture, [[(float(x), float(y)) for x, y in (*outline, outline[0])]], drawing.ORANGE)
    _diameter(picture, outline, section.diameter_mm / plane.pixel_mm)
    return _furnished(picture, plane, title)


def diameter_curve(sections: Sequence[CrossSection]) -> tuple[tuple[float, float], ...]:
    """(mm along the centreline, diameter in mm), in the order of the line."""
    return tuple(sorted((section.arc_mm, section.diameter_mm) for section in sections))


def _along(mask: Volume, image: Volume, inside: FloatArray, window: Window, widest: CrossSection | None) -> Image.Image:
    axes = axes_of(inside)
    field = float(np.ptp(inside @ axes[:2].T, axis=0).max()) * 1.1 + 20
    normal: FloatArray = axes[2] if abs(axes[2][2]) < 0.7 else np.array([1.0, 0.0, 0.0])
    middle: FloatArray = (inside.min(axis=0) + inside.max(axis=0)) / 2
    if widest is not None:  # slide the plane sideways until it passes through the widest place
        middle = middle + normal * ((np.asarray(widest.centre_mm) - middle) @ normal)
    plane = planes.across(normal, middle, field, PIXELS)
    picture = drawing.grey_picture(planes.sample(image, plane, drawing.AIR_HU), window)
    drawing.outline(picture, planes.sample(mask, plane, 0.0))
    if widest is not None:
        _cut(picture, plane, widest)
    return _furnished(picture, plane, f"along the vessel, {window.name} {window.level} HU")


def _inside(mask: Volume) -> FloatArray:
    return np.asarray(mask.grid.to_mm(np.argwhere(mask.voxels > 0)), dtype=np.float64)


def _furnished(picture: Image.Image, plane: Plane, title: str) -> Image.Image:
    drawing.side_letters(picture, plane, size=13 if picture.width > 200 else 11)
    drawing.scale_bar(picture, plane, size=12 if picture.width > 200 else 10)
    return drawing.below([drawing.tape(picture.width, title, drawing.INK, drawing.CASING), picture], gap=0)


def _diameter(picture: Image.Image, outline: FloatArray, length: float) -> None:
    """A line with end ticks, as long as the measured diameter (pixels), where the section is longest."""
    middle, (towards, sideways) = outline.mean(axis=0), axes_of(outline)
    ends = [middle - towards * length / 2, middle + towards * length / 2]
    ticks = [[end - sideways * 6, end + sideways * 6] for end in ends]
    drawing.strokes(picture, [[(float(x), float(y)) for x, y in line] for line in (ends, *ticks)], drawing.CYAN)


def _cut(picture: Image.Image, plane: Plane, widest: CrossSection) -> None:
    """Two ticks outside the wall, in line with the section that the other view shows."""
    direction = _normal(widest)
    flat = np.array([-(direction @ plane.down), direction @ plane.right])  # at right angles to the vessel, (x, y) in the picture
    sideways = flat / max(float(np.linalg.norm(flat)), 1e-9)
    row, column = plane.to_pixel(widest.centre_mm)
    near = widest.diameter_mm / plane.pixel_mm / 2 + 5
    ends = [[np.array([column, row]) + sign * reach * sideways for reach in (near, near + 16)] for sign in (-1, 1)]
    drawing.strokes(picture, [[(float(x), float(y)) for x, y in line] for line in ends], drawing.CYAN, 2.0)


def _normal(section: CrossSection) -> FloatArray:
    """The vessel's direction: at right angles to the outline's plane."""
    normal: FloatArray = axes_of(section.outline_mm)[2]
    return normal


def _values_at(image: Volume, points_mm: FloatArray) -> NDArray[np.float32]:
    index = np.rint(image.grid.to_index(points_mm)).astype(int)
    slices, rows, columns = np.clip(index, 0, np.asarray(image.grid.shape) - 1).T
    return np.asarray(image.voxels[slices, rows, columns], dtype=np.float32)


def axes_of(points: FloatArray) -> FloatArray:
    """Principal axes of a cloud (n, d) as rows, longest first, each with a sign that does not depend on the solver."""
    _, vectors = np.linalg.eigh(np.cov(points.T))
    axes = vectors.T[::-1]
    largest = np.take_along_axis(axes, np.argmax(np.abs(axes), axis=1)[:, None], axis=1)
    return np.asarray(axes * np.sign(largest), dtype=np.float64)
