"""The aorta's course laid straight, and cuts across it at even distances with the diameter drawn on each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from cad.finding import CrossSection, Exhibit
from cad.space import FloatArray
from cad.volume import Volume
from cad.write import drawing, planes
from cad.write.aorta import across, axes_of, window_of
from cad.write.drawing import Window

WIDTH = 664
CUTS = 5
_GAP = 4
_HALF_MM = 36.0  # how far the straightened picture reaches to both sides of the centreline
_SMOOTH_SECTIONS = 2.0


def course_picture(exhibit: Exhibit) -> Image.Image:
    """The straightened vessel above CUTS cuts at even distances along it.

    Raises ValueError for an exhibit without a mask or with fewer than CUTS measured sections.
    """
    sections = sorted(exhibit.sections, key=lambda section: section.arc_mm)
    if exhibit.mask is None or len(sections) < CUTS:
        raise ValueError("the aorta's course needs its mask and measured sections")
    window = window_of(exhibit.image, exhibit.mask)
    shown = [sections[n] for n in np.linspace(0, len(sections) - 1, CUTS).round().astype(int)]
    return drawing.below([_straightened(exhibit.image, exhibit.mask, window, sections, shown), _cuts(exhibit.image, window, shown)])


def _straightened(
    image: Volume, mask: Volume, window: Window, sections: Sequence[CrossSection], shown: Sequence[CrossSection]
) -> Image.Image:
    """Along the centreline from left to right, inner and outer curve above and below; square pixels; ticks where it is cut."""
    along = np.array([section.arc_mm for section in sections])
    pixel = max(float(np.ptp(along)), 1.0) / WIDTH
    points = _points(sections, along[0] + (np.arange(WIDTH) + 0.5) * pixel, np.arange(-_HALF_MM, _HALF_MM, pixel))
    picture = drawing.grey_picture(planes.sample_at(image, points, drawing.AIR_HU), window)
    drawing.strokes(picture, drawing.contours(planes.sample_at(mask, points, 0.0)), drawing.ORANGE)
    for section in shown:
        x = min(max((section.arc_mm - along[0]) / pixel, 2.0), WIDTH - 3.0)
        drawing.strokes(picture, [[(x, 0.0), (x, 9.0)], [(x, picture.height - 10.0), (x, picture.height - 1.0)]], drawing.CYAN, 2.0)
    drawing.bar_of(picture, pixel)
    title = f"laid straight along its course: {along[0]:.0f} to {along[-1]:.0f} mm, {window.name} {window.level} HU"
    return drawing.below([drawing.tape(WIDTH, title, drawing.INK, drawing.CASING), picture], gap=0)


def _points(sections: Sequence[CrossSection], arc_mm: FloatArray, aside_mm: FloatArray) -> FloatArray:
    """LPS points (aside, arc, 3): sideways within the plane in which the vessel bends most, so that the bend is what is laid straight."""
    known = np.array([section.arc_mm for section in sections])
    centres = gaussian_filter1d(np.array([section.centre_mm for section in sections]), _SMOOTH_SECTIONS, axis=0, mode="nearest")
    line = np.stack([np.interp(arc_mm, known, centres[:, axis]) for axis in range(3)], axis=-1)
    tangent = gaussian_filter1d(np.gradient(line, axis=0), 12, axis=0, mode="nearest")
    sideways = np.cross(axes_of(centres)[2], tangent)
    sideways /= np.maximum(np.linalg.norm(sideways, axis=1, keepdims=True), 1e-9)
    return np.asarray(line[None] + aside_mm[:, None, None] * sideways[None], dtype=np.float64)


def _cuts(image: Volume, window: Window, shown: Sequence[CrossSection]) -> Image.Image:
    pixels = (WIDTH - _GAP * (CUTS - 1)) // CUTS
    field = max(64.0, 1.7 * max(section.diameter_mm for section in shown))
    return drawing.beside([across(image, window, section, pixels, field, _named(section)) for section in shown], _GAP)


def _named(section: CrossSection) -> str:
    return f"{section.arc_mm:.0f} mm: {section.diameter_mm:.1f} mm"
