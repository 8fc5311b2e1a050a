"""Branching trees that fill a volume: pulmonary arteries, veins and airways.

The space is shared out again and again: a branch grows part of the way to the middle of the points it must supply, the
points are split across their widest direction, and each half goes to one daughter. Radii follow Murray's law.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    """The tubes of a tree from `root_mm` (3,) that ends in every row of `leaves_mm` (n, 3); no leaves, no tubes.

    All branches of one generation grow at once: `points` holds the leaves sorted by branch, `count` how many each supplies.
    """
    rows: list[FloatArray] = []
    if not len(leaves_mm):
        return Tubes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros(0))
    points = np.asarray(leaves_mm, dtype=np.float64)
    here = np.asarray(root_mm, dtype=np.float64)[None]
    heading, parent_mm, count = _unit(points.mean(axis=0) - here), np.full(1, np.inf), np.array([len(points)])
    while len(count):
        first = np.cumsum(count) - count
        wished = habit.twig_mm * count ** (1 / habit.exponent) * rng.uniform(0.85, 1.12, len(count))
        radius = np.minimum(np.minimum(wished, parent_mm), habit.thickest_mm)
        middle = np.add.reduceat(points, first) / count[:, None]
        course = _unit((1 - habit.straight) * _unit(middle - here) + habit.straight * heading)
        reach = rng.uniform(*habit.reach, len(count)) * np.linalg.norm(middle - here, axis=1)
        there = np.where((count == 1)[:, None], points[first], here + reach[:, None] * course)
        rows.append(_curved(rng, here, there, radius, habit.bend))
        forked = count > 1
        points, count = _split(rng, points[np.repeat(forked, count)], count[forked], (there - here)[forked], middle[forked])
        here, heading, parent_mm = (np.repeat(a[forked], 2, axis=0) for a in (there, course, radius))
    table = np.concatenate(rows)
    return Tubes(table[:, 0:3], table[:, 3:6], table[:, 6], table[:, 7])


def _curved(rng: np.random.Generator, here: FloatArray, there: FloatArray, radius: FloatArray, bend: float) -> FloatArray:
    """Each branch as three straight pieces on an arc, rows (start, end, radius, radius)."""
    run = there - here
    bow = rng.normal(0, bend, run.shape) * np.linalg.norm(run, axis=1, keepdims=True)
    t = np.array([0, 1 / 3, 2 / 3, 1])[:, None, None]
    path = here + t * run + 4 * t * (1 - t) * bow
    thick = radius[:, None] * np.linspace(1.05, 0.92, 4)[:, None, None]
    return np.concatenate([path[:-1], path[1:], thick[:-1], thick[1:]], axis=2).reshape(-1, 8)


def _split(
    rng: np.random.Generator, points: FloatArray, count: NDArray[np.int64], direction: FloatArray, middle: FloatArray
) -> tuple[FloatArray, NDArray[np.int64]]:
    """The leaves sorted by daughter and how many each daughter gets: cut near the median along the widest direction
    across the branch."""
    if not len(count):
        return points, count
    first, owner = np.cumsum(count) - count, np.repeat(np.arange(len(count)), count)
    spread = points - middle[owner]
    unit = _unit(direction)[owner]
    across = spread - 0.7 * (spread * unit).sum(axis=1, keepdims=True) * unit + rng.normal(0, 1e-3, spread.shape)
    products = np.add.reduceat(across[:, :, None] * across[:, None, :], first)
    widest = np.linalg.eigh(products)[1][:, :, -1]
    points = points[np.lexsort(((spread * widest[owner]).sum(axis=1), owner))]
    cut = np.clip(np.rint(count * rng.uniform(0.25, 0.75, len(count))).astype(np.int64), 1, count - 1)
    return points, np.stack([cut, count - cut], axis=1).reshape(-1)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6), dtype=np.float64)
