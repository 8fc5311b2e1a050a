"""Branching trees that fill a volume: pulmonary arteries, veins and airways.

The space is shared out again and again: a branch grows part of the way to the middle of the points it must supply, the
points are split across their widest direction, and each half goes to one daughter. Radii follow Murray's law.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cad.simulate.tubes import Tubes
from cad.space import FloatArray


@dataclass(frozen=True, slots=True)
class Habit:
    """How a tree grows: radius of a twig, Murray's exponent, share of the way to the middle per branch,
    waviness of a branch, and how much a daughter keeps its parent's heading (0 to 1)."""

    twig_mm: float
    exponent: float = 2.75
    reach: tuple[float, float] = (0.35, 0.6)
    bend: float = 0.06
    straight: float = 0.3
    thickest_mm: float = 9.0


def grow_tree(rng: np.random.Generator, root_mm: FloatArray, leaves_mm: FloatArray, habit: Habit) -> Tubes:
    """The tubes of a tree from `root_mm` (3,) that ends in every row of `leaves_mm` (n, 3); no leaves, no tubes."""
    rows: list[FloatArray] = []
    if not len(leaves_mm):
        return Tubes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros(0))
    root = np.asarray(root_mm, dtype=np.float64)
    todo = [(root, _unit(leaves_mm.mean(axis=0) - root), leaves_mm, np.inf)]
    while todo:
        here, heading, points, parent_mm = todo.pop()
        radius = min(habit.twig_mm * len(points) ** (1 / habit.exponent) * rng.uniform(0.85, 1.12), parent_mm, habit.thickest_mm)
        middle = points.mean(axis=0)
        far = float(np.linalg.norm(middle - here))
        course = _unit((1 - habit.straight) * _unit(middle - here) + habit.straight * heading)
        there = points[0] if len(points) == 1 else here + rng.uniform(*habit.reach) * far * course
        rows.append(_curved(rng, here, there, radius, habit.bend))
        if len(points) > 1:
            left = _side(rng, points, there - here)
            todo.extend((there, course, points[side], radius) for side in (left, ~left))
    table = np.concatenate(rows)
    return Tubes(table[:, 0:3], table[:, 3:6], table[:, 6], table[:, 7])


def _curved(rng: np.random.Generator, here: FloatArray, there: FloatArray, radius: float, bend: float) -> FloatArray:
    """A branch as three straight pieces on an arc, rows (start, end, radius, radius)."""
    run = there - here
    bow = rng.normal(0, bend, 3) * np.linalg.norm(run)
    t = np.array([0, 1 / 3, 2 / 3, 1])[:, None]
    path = here + t * run + 4 * t * (1 - t) * bow
    thick = radius * np.linspace(1.05, 0.92, 4)[:, None]
    return np.hstack([path[:-1], path[1:], thick[:-1], thick[1:]])


def _side(rng: np.random.Generator, points: FloatArray, direction: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which half of the points each goes to: split near the median along the widest direction across the branch."""
    spread = points - points.mean(axis=0)
    unit = _unit(direction)
    across = spread - 0.7 * np.outer(spread @ unit, unit) + rng.normal(0, 1e-3, spread.shape)
    axis = np.linalg.eigh(across.T @ across)[1][:, -1]
    order = np.argsort(spread @ axis)
    cut = int(np.clip(round(len(points) * rng.uniform(0.25, 0.75)), 1, len(points) - 1))
    left = np.zeros(len(points), dtype=bool)
    left[order[:cut]] = True
    return left


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), dtype=np.float64)
