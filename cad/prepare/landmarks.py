"""Grey values of another hospital's MR brought to those that a model learned from, by landmarks of the tissue's histogram.

The scale of cad.prepare.intensity takes gain and offset out of an MR. What a scanner does beside these (the curve from signal to
grey, a sequence's own contrast) moves the quantiles of normal tissue against each other. They are mapped, each to the model's own,
piecewise linearly (Nyul & Udupa, Magn Reson Med 1999;42:1072). It happens only where a scan lies outside all but 1 % of what was
learned from, so that a scan like those stays as it was, and it is never silent (see `Curve.moved`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.space import FloatArray

PERCENTILES = (5, 15, 30, 50, 70, 85, 95)  # beyond these lie fluid and vessels, whose share differs from head to head
LEAST_STEP = 0.005  # of the window, between two landmarks: a flat histogram has no curve
FAMILIAR = 0.99
FEWEST_VOXELS = 1000


@dataclass(frozen=True, slots=True)
class Curve:
    """A rising piecewise linear curve from a scan's landmarks to a model's, both in windows; beyond the ends it goes on as steeply as
    from the middle to that end."""

    found: tuple[float, ...]
    wanted: tuple[float, ...]

    @property
    def moved(self) -> float:
        """The farthest that a landmark is moved, in windows."""
        return float(np.abs(np.subtract(self.found, self.wanted)).max())

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values in windows, mapped, clipped to [0, 1]; the shape stays."""
        x, y, middle = np.asarray(self.found), np.asarray(self.wanted), len(self.found) // 2
        below = y[0] + (values - x[0]) * ((y[middle] - y[0]) / (x[middle] - x[0]))
        above = y[-1] + (values - x[-1]) * ((y[-1] - y[middle]) / (x[-1] - x[middle]))
        within = np.interp(values, x, y)
        mapped = np.where(values < x[0], below, np.where(values > x[-1], above, within))
        return np.asarray(mapped.clip(0, 1), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Where PERCENTILES of the organ's grey values lie in one sequence, in windows: the mean over what a model learned from, and how far
    any of them may be off (`tolerance`: all but 1 % of those scans are nearer)."""

    sequence: str
    values: tuple[float, ...]
    tolerance: float

    @classmethod
    def learned(cls, sequence: str, scans: Sequence[FloatArray]) -> Landmarks:
        """From the landmarks of each scan (see `measured`)."""
        rows = np.asarray(scans, dtype=np.float64)
        mean = rows.mean(axis=0)
        return cls(sequence, tuple(mean.tolist()), float(np.quantile(np.abs(rows - mean).max(axis=1), FAMILIAR)))

    def curve(self, values: NDArray[np.float32]) -> Curve | None:
        """What brings an organ's values to these landmarks; None where they lie near enough, or are too few to tell."""
        if len(values) < FEWEST_VOXELS:
            return None
        found = measured(values)
        curve = Curve(tuple(found.tolist()), self.values)
        return curve if curve.moved > self.tolerance else None


def measured(values: NDArray[np.float32]) -> FloatArray:
    """The landmarks of an organ's grey values, in windows, rising by LEAST_STEP at least."""
    found = np.percentile(values, PERCENTILES)
    steps = np.maximum(np.diff(found), LEAST_STEP)
    return np.asarray(np.concatenate([found[:1], found[0] + np.cumsum(steps)]), dtype=np.float64)
