"""Has it grown? One lesion on two scans: volume change, doubling time, and whether the change exceeds what measuring alone makes.

Volumes are compared as logarithms: doubling and halving are then equally far, and errors of the two scans add up. What counts
is how well measuring repeats, not how wrong one volume may be, since the same network errs the same way twice. On CT the change is
measured with both scans on one grid (cad.measure.paired), or not at all. On MR the outlines' own volumes are compared: the noise of one
volume of diameter d has three parts: the outline a quarter of its voxels further in or out (95 %), the caps of the body within a
share of the slice spacing, both in proportion to 1 / d, and a floor that simulated pairs asked for. A change counts only when it
exceeds 1.96 standard deviations of that noise **and** a quarter of the volume, the repeatability of nodules on patients
(Marchiano et al., Radiology 2009;251:919: 95 % within +-27 %; the NELSON trial and the British Thoracic Society use 25 %). The
form of the claim is that of QIBA's profile for small lung nodules: a change is true with 95 % confidence beyond 2.77
coefficients of variation (1.96 times the root of two).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, hypot, inf, log, sqrt

import numpy as np
from scipy.optimize import linear_sum_assignment

from cad.finding import Measurement
from cad.space import FloatArray, Point

MATCH_MM = 10.0  # three times the mean landmark error of the registration on a real pair (3.4 mm)
LEAST_CHANGE = 0.25
OUTLINE_SHARE, SLICE_SHARE = 0.25 / 1.96, 0.12
NOISE_FLOOR = 0.12  # so that intervals hold 48 of the 51 solid pairs of chests 970000 to 970015 of benchmarks/growth.py
NEW, GROWN, SHRUNK, UNCHANGED, NOT_COMPARABLE = "new", "grown", "shrunk", "unchanged", "not_comparable"
OUTSIDE_PRIOR, NOT_ALIKE = "outside_prior", "not_alike"
LARGER, SMALLER = "slightly_larger", "slightly_smaller"
CHANGE_METHOD = "volume against the prior's; interval from how well outlines on such slices repeat"
ON_GRID_METHOD = "both scans on one grid, measured at one level; interval from repeated scans of unchanged lesions"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A lesion on one scan: its measurements, the distance of that scan's slices, the voxels its outline was made of."""

    measurements: Sequence[Measurement]
    slice_mm: float
    voxel_mm: float

    def value(self, name: str) -> float | None:
        """What was measured under a name, or None."""
        found = self.named(name)
        return None if found is None else found.value

    def named(self, name: str) -> Measurement | None:
        """The measurement of a name, or None."""
        return next((m for m in self.measurements if m.name == name), None)

    @property
    def mean_diameter_mm(self) -> float | None:
        """Mean of long and short axis, as Fleischner 2017 and Lung-RADS size a nodule."""
        long, short = self.value("long_axis"), self.value("short_axis")
        return None if long is None or short is None else (long + short) / 2


@dataclass(frozen=True, slots=True)
class Change:
    """The logarithm of current over prior volume, its standard deviation from measuring alone, and by what share of itself (a standard
    deviation again) a change may be told too small."""

    log_ratio: float
    log_sd: float
    told_short: float = 0.0

    @property
    def ratio(self) -> float:
        """Current over prior volume."""
        return exp(self.log_ratio)

    @property
    def least_ratio(self) -> float:
        """The smallest ratio above 1 that would count as growth."""
        return max(1 + LEAST_CHANGE, exp(1.96 * self.log_sd))

    @property
    def label(self) -> str:
        """grown, shrunk or unchanged (the change does not exceed the noise)."""
        if abs(self.log_ratio) < log(self.least_ratio):
            return UNCHANGED
        return GROWN if self.log_ratio > 0 else SHRUNK

    @property
    def fine_label(self) -> str:
        """The same, but a change beyond the noise and below a quarter of the volume is slightly_larger or slightly_smaller."""
        if self.label != UNCHANGED or abs(self.log_ratio) < 1.96 * self.log_sd:
            return self.label
        return LARGER if self.log_ratio > 0 else SMALLER

    @property
    def bounds(self) -> tuple[float, float]:
        """The 95 % interval of the logarithm: wider away from no change, where changes are told too small."""
        near, far = 1.96 * self.log_sd, 1.96 * hypot(self.log_sd, self.told_short * self.log_ratio)
        return self.log_ratio - (near if self.log_ratio > 0 else far), self.log_ratio + (far if self.log_ratio > 0 else near)


def matched(prior_mm: Sequence[Point], current_mm: Sequence[Point], radii_mm: Sequence[float]) -> dict[int, int]:
    """Current index -> prior index, one to one, nearest in sum; points in one frame, after registration.

    A pair may lie `MATCH_MM` apart, or the current lesion's radius where that is more. Unmatched ones are left out.
    """
    if not prior_mm or not current_mm:
        return {}
    apart = np.linalg.norm(np.asarray(current_mm)[:, None] - np.asarray(prior_mm)[None], axis=-1)
    reach = np.maximum(MATCH_MM, np.asarray(radii_mm, dtype=np.float64))[:, None]
    rows, columns = linear_sum_assignment(_cost(apart, reach))
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True) if apart[row, column] <= reach[row, 0]}


def _cost(apart: FloatArray, reach: FloatArray) -> FloatArray:
    """Pairs too far apart cost more than any number of allowed ones: as many as possible are matched first."""
    return np.where(apart <= reach, apart, 1e3 * (1 + reach.max()) + apart)


def change(prior: Sighting, current: Sighting) -> Change | None:
    """How the volume changed; None where one of the two has no volume."""
    before, after = prior.value("volume"), current.value("volume")
    if before is None or after is None or before <= 0 or after <= 0:
        return None
    return Change(log(after / before), sqrt(_noise(prior) ** 2 + _noise(current) ** 2))


def growth_measurements(
    prior: Sighting, current: Sighting, days: int, on_grid: Change | None = None, *, outlines_tell: bool = True
) -> tuple[Measurement, ...]:
    """What a reader is told of a matched lesion, `days` after the prior scan; `on_grid` is the change measured on one grid, where it was,
    and without `outlines_tell` the only one that is told.

    `comparison` (label), `prior_interval` (d), `prior_volume` (mm3), `volume_change` (%), `least_change` (%, what it takes to
    count), `doubling_time` (d; only of what has grown, else coded), `mean_diameter_change` (mm).
    """
    found = on_grid or (change(prior, current) if outlines_tell else None)
    told = (interval_measurement(days), _prior_volume(prior, current, on_grid), _diameter_change(prior, current))
    if found is None:
        return (comparison(NOT_COMPARABLE, _why_not(prior, current) if outlines_tell else NOT_ALIKE), *told)
    percent = tuple(100 * (exp(bound) - 1) for bound in found.bounds)
    method = ON_GRID_METHOD if on_grid else CHANGE_METHOD
    return (
        comparison(found.label),
        *told,
        Measurement("volume_change", 100 * (found.ratio - 1), "%", method, (percent[0], percent[1]), label=found.fine_label),
        Measurement("least_change", 100 * (found.least_ratio - 1), "%", "1.96 SD of that noise, at least 25 % (NELSON, BTS)"),
        _doubling_time(found, days),
    )


def comparison(label: str, outcome: str = "measured") -> Measurement:
    """How a lesion stands against the prior, as a code."""
    return Measurement("comparison", None, "", "matched one to one after registration", outcome=outcome, label=label)


def interval_measurement(days: int) -> Measurement:
    """Days since the prior scan."""
    return Measurement("prior_interval", float(days), "d", "study dates, shifted alike")


def _noise(seen: Sighting) -> float:
    """Standard deviation of the logarithm of one volume: of a ball, dV / V = 6 dr / d, and 2.12 dz / d for its two caps."""
    diameter = seen.value("effective_diameter")
    if not diameter:
        return inf
    outline, caps = 6 * OUTLINE_SHARE * seen.voxel_mm / diameter, 2.12 * SLICE_SHARE * seen.slice_mm / diameter
    return sqrt(outline**2 + caps**2 + NOISE_FLOOR**2)


def _doubling_time(found: Change, days: int) -> Measurement:
    """Schwartz, Cancer 1961;14:1272: the time in which the volume doubles were growth exponential."""
    name, method = "doubling_time", "interval x ln 2 / ln(volume ratio), exponential growth"
    if found.label != GROWN:
        within = {UNCHANGED: "change_within_noise", LARGER: "change_too_small", SMALLER: "change_too_small"}
        outcome = within.get(found.fine_label, "shrinking")
        return Measurement(name, None, "d", method, outcome=outcome)
    low, high = found.bounds
    return Measurement(name, days * log(2) / found.log_ratio, "d", method, (days * log(2) / high, days * log(2) / low))


def _prior_volume(prior: Sighting, current: Sighting, on_grid: Change | None) -> Measurement:
    seen, now = prior.named("volume"), current.named("volume")
    if on_grid and now and now.value is not None:
        low, high = now.interval or (now.value, now.value)
        back = 1 / on_grid.ratio
        return Measurement("prior_volume", now.value * back, "mm3", "today's volume less the change", (low * back, high * back))
    method = "outlined on the prior by the same network"
    if seen is None or seen.value is None:
        return Measurement("prior_volume", None, "mm3", method, outcome=seen.outcome if seen else "missing")
    return Measurement("prior_volume", seen.value, "mm3", method, seen.interval)


def _diameter_change(prior: Sighting, current: Sighting) -> Measurement:
    name, method = "mean_diameter_change", "mean of long and short axis against the prior's"
    before, after = prior.mean_diameter_mm, current.mean_diameter_mm
    if before is None or after is None:
        return Measurement(name, None, "mm", method, outcome=_why_not(prior, current))
    return Measurement(name, after - before, "mm", method)


def _why_not(prior: Sighting, current: Sighting) -> str:
    for seen in (current, prior):
        volume = seen.named("volume")
        if volume is None or volume.value is None:
            return volume.outcome if volume and volume.outcome != "measured" else "missing"
    return "missing"
