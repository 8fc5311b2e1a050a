"""The aorta's centreline, moved onto the middle of its own sections, and the rays that meet its wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.measure.centreline import Tube, rough_path, smoothed
from cad.space import FloatArray

STEP_MM = 1.5
RAYS = 72
RAY_STEP_MM = 1.0
WIDEST_MM = 60.0


def course_of(tube: Tube) -> tuple[FloatArray, FloatArray] | None:
    """Centreline points and tangents (n, 3): rough path, ends trimmed by their radius, twice moved to section centres."""
    path = rough_path(tube)
    if path is None:
        return None
    course = smoothed(_trimmed(tube, path, 1.2), STEP_MM, 1.0)
    for slack in (0.5, 0.3):
        if course is None:
            return None
        points, tangents = course
        rays = cast(tube, points, *frames(tangents))
        centred = smoothed(_trimmed(tube, points + rays.shift, 0.6), STEP_MM, slack)
        course = None if centred is None else smoothed(_extended(tube, *centred), STEP_MM, slack)
    return course


def _trimmed(tube: Tube, path: FloatArray, radii: float) -> FloatArray:
    """Without the last `radii` tube radii at each end, where a path climbs from the rim and a section may meet the end's face."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    depth = tube.sample(path)
    margin = radii * float(np.median(depth[depth > 0])) if (depth > 0).any() else 0.0
    kept = path[(arc > margin) & (arc < arc[-1] - margin)]
    return kept if len(kept) >= 8 else path


def _extended(tube: Tube, points: FloatArray, tangents: FloatArray) -> FloatArray:
    """Straight on from both ends until the tube ends."""
    before = _straight(tube, points[0], -tangents[:4].mean(axis=0))
    after = _straight(tube, points[-1], tangents[-4:].mean(axis=0))
    return np.concatenate([before[::-1], points, after])


def _straight(tube: Tube, start: FloatArray, direction: FloatArray) -> FloatArray:
    ahead = start + np.arange(1, 40)[:, None] * STEP_MM * direction / np.linalg.norm(direction)
    inside = tube.sample(ahead) > 0
    return ahead[: int(inside.argmin()) if not inside.all() else len(ahead)]


def frames(tangents: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors (n, 3) each that span the plane at right angles to every tangent."""
    helper = np.where(np.abs(tangents[:, 2:3]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    first = np.cross(tangents, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return first, np.cross(tangents, first)


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """Radii (n, 72) mm, unit directions (n, 72, 3), shift of each section's centre of area (n, 3), wall slope (n,)."""

    radii: FloatArray
    directions: FloatArray
    shift: FloatArray
    closed: NDArray[np.bool_]


def cast(tube: Tube, points: FloatArray, first: FloatArray, second: FloatArray) -> Rays:
    """The first wall crossing along 72 rays of every section, placed between samples by the depth's slope."""
    angle = 2 * np.pi * np.arange(RAYS) / RAYS
    directions = np.cos(angle)[None, :, None] * first[:, None] + np.sin(angle)[None, :, None] * second[:, None]
    steps = np.arange(0, WIDEST_MM, RAY_STEP_MM)
    depth = tube.sample(points[:, None, None] + steps[None, None, :, None] * directions[:, :, None])
    outside = depth <= 0
    closed = outside.any(axis=2)
    index = np.clip(outside.argmax(axis=2), 1, len(steps) - 1)
    before = np.take_along_axis(depth, index[..., None] - 1, axis=2)[..., 0]
    after = np.take_along_axis(depth, index[..., None], axis=2)[..., 0]
    part = np.clip(before / np.maximum(before - after, 1e-6), 0, 1)
    radii = np.where(outside[:, :, 0] | ~closed, 0.0, steps[index - 1] + part * RAY_STEP_MM)
    area = np.maximum((radii**2).sum(axis=1), 1e-6)
    shift = (2 / 3) * ((radii**3)[..., None] * directions).sum(axis=1) / area[:, None]
    return Rays(radii, directions, shift, np.asarray((closed & (radii > 0)).all(axis=1)))
