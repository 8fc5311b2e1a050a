"""Sections of the aorta at right angles to its centreline, with their diameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.measure.aorta.course import RAYS, STEP_MM, cast, frames
from cad.measure.centreline import Tube
from cad.space import FloatArray, Point

SMOOTHING_MM = 3.0
ARCH_DROP_MM = 15.0


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """One section at right angles to the centreline: centre and outline (72, 3) in LPS mm, diameters in mm.

    `arc_mm` is the position along the line, from the root end where the arch is known. `interval` is the 95 % interval of
    `area_diameter_mm`; `border_mm` the width of the border on a probability map (see border); `source` is the estimate that is said,
    `others` are the others with their mm (see estimates); `label` whether they agree; `outcome` "measured" or why the section is not.
    """

    centre_mm: Point
    arc_mm: float
    area_diameter_mm: float
    longest_mm: float
    shortest_mm: float
    interval: tuple[float, float]
    outline_mm: FloatArray
    border_mm: float = 0.0
    others: tuple[tuple[str, float], ...] = ()
    source: str = "outline"
    label: str = ""
    outcome: str = "measured"


def sections_of(tube: Tube, points: FloatArray, tangents: FloatArray) -> list[Section]:
    """Every section that is closed and lies wholly in the scan, with diameters smoothed over 3 mm of the line."""
    rays = cast(tube, points, *frames(tangents))
    outlines = points[:, None] + rays.radii[..., None] * rays.directions
    whole = rays.closed & tube.in_scan(outlines).all(axis=1) & _clear_of_ends(rays.radii)
    if not whole.any():
        return []
    runs, _ = ndimage.label(whole)
    sizes = np.bincount(runs)
    sizes[0] = 0
    kept = np.flatnonzero(runs == sizes.argmax())
    return _measured(points[kept], outlines[kept], rays.radii[kept], min(tube.grid.spacing_mm), max(tube.grid.spacing_mm))


def _clear_of_ends(radii: FloatArray) -> NDArray[np.bool_]:
    """Sections at least half a radius from the line's ends: nearer, a slightly tilted section would meet the end's face.

    An end made by the scan's edge lies `BEYOND_MM` outside and loses nothing.
    """
    arc = STEP_MM * np.arange(len(radii))
    margin = 0.5 * float(np.median(radii))
    return np.asarray((arc >= margin) & (arc <= arc[-1] - margin))


def _measured(points: FloatArray, outlines: FloatArray, radii: FloatArray, finest: float, coarsest: float) -> list[Section]:
    smooth = _low_harmonics(radii)
    area = 2 * np.sqrt((radii**2).mean(axis=1))
    longest, shortest = _calipers(smooth)
    sigma = SMOOTHING_MM / STEP_MM / 2
    calm = ndimage.gaussian_filter1d(area, sigma, mode="nearest")
    rough = np.sqrt(ndimage.gaussian_filter1d((area - calm) ** 2, 2 * sigma, mode="nearest"))
    half = 1.96 * np.hypot(rough, 0.125 * (finest + coarsest) / 2)
    long, short = (ndimage.gaussian_filter1d(d, sigma, mode="nearest") for d in (longest, shortest))
    arc = STEP_MM * np.arange(len(points))
    return [
        Section(
            (float(points[i, 0]), float(points[i, 1]), float(points[i, 2])),
            float(arc[i]),
            float(calm[i]),
            float(long[i]),
            float(short[i]),
            (float(calm[i] - half[i]), float(calm[i] + half[i])),
            outlines[i],
        )
        for i in range(len(points))
    ]


def _low_harmonics(radii: FloatArray) -> FloatArray:
    """Radii without waves shorter than a sixth of the circumference: voxel steps are not the aorta's shape."""
    spectrum = np.fft.rfft(radii, axis=1)
    spectrum[:, 7:] = 0
    return np.asarray(np.fft.irfft(spectrum, RAYS, axis=1))


def _calipers(radii: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Largest and smallest caliper width (n,) of outlines given by radii (n, 72)."""
    angle = 2 * np.pi * np.arange(RAYS) / RAYS
    support = (radii[:, None, :] * np.cos(angle[:, None] - angle[None, :])[None]).max(axis=2)
    width = support + np.roll(support, RAYS // 2, axis=1)
    return width.max(axis=1), width.min(axis=1)


def oriented(sections: list[Section]) -> tuple[list[Section], int | None]:
    """Sections from the root end on, and the index of the arch's top; None when there is no arch in the scan."""
    centres = np.array([s.centre_mm for s in sections])
    top = int(centres[:, 2].argmax())
    drop = min(centres[top, 2] - centres[0, 2], centres[top, 2] - centres[-1, 2])
    if drop < ARCH_DROP_MM:
        return sections, None
    level = centres[top, 2] - drop
    first = centres[:top][centres[:top, 2] >= level][:, 1].mean()
    last = centres[top:][centres[top:, 2] >= level][:, 1].mean()
    if first <= last:
        return sections, top
    total = sections[-1].arc_mm
    turned = [replace(s, arc_mm=total - s.arc_mm) for s in reversed(sections)]
    return turned, len(sections) - 1 - top
