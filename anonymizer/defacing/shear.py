"""Where the face is: in front of and below every plane that touches the brain from there, a margin away.

The idea is that of Schimke and Hale, "Quickshear Defacing for Neuroimages", USENIX HealthSec (2011): the convex hull of the brain in the
sagittal projection, and one plane before it. Here a fan of such planes takes the place of the one, so the cut follows the hull
from the forehead to the base of the skull; and a coronal plane before the brain stem keeps the spine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonymizer.defacing.anatomy import Brain
from anonymizer.defacing.frames import Vector
from anonymizer.defacing.morphology import shrunk
from anonymizer.defacing.picture import Mask, Picture

MARGIN_MM = 5.0
_FAN_DEG = np.arange(-42.0, 19.0, 5.0)  # around the flat of the hull's underside
_FLAT_DEG = np.arange(15.0, 96.0, 2.5)  # where that flat is looked for, downwards from straight ahead
_FLAT_MM, _SHARPNESS = 6.0, 8
_USUAL_FLAT_DEG = 55.0  # of a level head
_STEEPEST_DEG, _LEVELLEST_DEG = 80.0, 12.0
_STEM_MM, _BEFORE_STEM_MM = 15.0, 8.0
_CHIN = 1.35  # vertex to below the chin, in lengths of the cranium
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """How the head lies: unit vectors in LPS to its front, its feet and its left, and the middle of its brain (LPS mm)."""

    front: Vector
    down: Vector
    left: Vector
    middle: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A pixel goes when it lies before `foremost` at its depth and not deeper than `lowest`; mm from the pose's middle."""

    pose: Pose
    depths: Vector
    foremost: Vector
    lowest: float

    def takes(self, front: Floats, down: Floats) -> Mask:
        """Which places are cut away, from their distances to the front and downwards."""
        return np.asarray((front > np.interp(down, self.depths, self.foremost)) & (down < self.lowest))


def pose_of(picture: Picture, brain: Mask) -> Pose:
    """The head's pose: left and right by the brain's own symmetry, nodding by the flat underside of its hull."""
    rim = picture.points(brain & ~shrunk(brain, picture.step_mm, picture.step_mm))
    middle, left = _mirror(picture, brain, rim)
    ahead = np.array([0.0, -1.0, 0.0])
    ahead = ahead - (ahead @ left) * left
    ahead /= np.linalg.norm(ahead)
    under = np.cross(ahead, left)
    under *= -np.sign(under[2])
    nod = np.deg2rad(_flat_deg((rim - middle) @ ahead, (rim - middle) @ under) - _USUAL_FLAT_DEG)
    return Pose(np.cos(nod) * ahead + np.sin(nod) * under, np.cos(nod) * under - np.sin(nod) * ahead, left, middle)


def cut_for(picture: Picture, brain: Brain, pose: Pose, top_mm: float, length_mm: float) -> Cut:
    """The cut that spares the brain by the margin; `top_mm` is the vertex (down from the middle), `length_mm` that of the cranium."""
    spared = brain.mask | brain.certain
    rim = picture.points(spared & ~shrunk(spared, picture.step_mm, picture.step_mm)) - pose.middle
    front, down = rim @ pose.front, rim @ pose.down
    spare = MARGIN_MM + picture.step_mm * np.sqrt(3) / 2 + 0.25 * picture.slice_gap_mm
    depths = np.arange(-200.0, 400.0, 1.0)
    foremost = np.full(depths.shape, np.inf)
    for angle in np.deg2rad(np.clip(_USUAL_FLAT_DEG + _FAN_DEG, _LEVELLEST_DEG, _STEEPEST_DEG)):
        reach = float((front * np.cos(angle) + down * np.sin(angle)).max()) + spare
        foremost = np.minimum(foremost, (reach - depths * np.sin(angle)) / np.cos(angle))
    stem = float(front[down > down.max() - _STEM_MM].max()) + _BEFORE_STEM_MM
    return Cut(pose, depths, np.maximum(foremost, stem), top_mm + _CHIN * length_mm)


def _flat_deg(front: Floats, down: Floats) -> float:
    """The direction in which the hull's underside is flattest: most of it lies within a few millimetres of the touching plane."""
    spans = []
    for angle in np.deg2rad(_FLAT_DEG):
        height = front * np.cos(angle) + down * np.sin(angle)
        along = (front * np.sin(angle) - down * np.cos(angle))[height > height.max() - _FLAT_MM]
        spans.append(float(np.ptp(along)))
    weights = (np.array(spans) / max(spans)) ** _SHARPNESS  # a mean rather than the best: a cube more or less must not make it jump
    return float(np.sum(weights * _FLAT_DEG) / np.sum(weights))


def _mirror(picture: Picture, brain: Mask, rim: Vector) -> tuple[Vector, Vector]:
    """The middle and the left of the brain: the plane in which its rim mirrored falls best on itself."""
    from scipy.ndimage import distance_transform_edt, map_coordinates
    from scipy.optimize import minimize

    signed = distance_transform_edt(~brain) - distance_transform_edt(brain)
    points, centre = rim[:: max(1, len(rim) // 1500)], rim.mean(axis=0)

    def misfit(state: Vector) -> float:
        left = _left(state)
        mirrored = points - 2 * ((points - centre) @ left - state[2])[:, None] * left
        index = ((mirrored - picture.origin) / picture.step_mm)[:, ::-1].T
        return float(np.abs(map_coordinates(signed, index, order=1, mode="nearest")).mean())

    starts = [np.array([yaw, roll, 0.0]) for yaw in (-0.35, 0.0, 0.35) for roll in (-0.35, 0.0, 0.35)]
    start = min(starts, key=misfit)
    best = minimize(misfit, start, method="Nelder-Mead", options={"maxiter": 120, "xatol": 0.005, "fatol": 0.002}).x
    left = _left(best)
    return centre + best[2] * left, left


def _left(state: Vector) -> Vector:
    yaw, roll = float(state[0]), float(state[1])
    return np.array([np.cos(yaw) * np.cos(roll), np.sin(yaw) * np.cos(roll), -np.sin(roll)])
