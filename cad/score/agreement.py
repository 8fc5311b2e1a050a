"""Agreement of two measurements: bias, limits of agreement, mean absolute error (Bland & Altman, Lancet 1986;1:307-310)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from cad.errors import ShokenError
from cad.score.bootstrap import Interval, bootstrap, grouped


@dataclass(frozen=True, slots=True)
class Agreement:
    """Bias (measured - reference), 95 % limits of agreement, MAE, each with a 95 % interval, in the measurements' unit.

    `missing` pairs had a measurement without value; they are counted, not scored.
    """

    n: int
    missing: int
    bias: float
    bias_interval: Interval
    limits: Interval
    lower_limit_interval: Interval
    upper_limit_interval: Interval
    mae: float
    mae_interval: Interval


def agreement(
    measured: ArrayLike, reference: ArrayLike, groups: Sequence[str] | None = None, *, resamples: int = 1000, seed: int = 0
) -> Agreement:
    """Compare (n,) measured with (n,) reference; NaN in `measured` is a value that could not be measured.

    Intervals of bias and limits are Bland and Altman's; with `groups` (a patient per pair) bias and MAE are bootstrapped by group.
    Raises ShokenError for fewer than two pairs or unequal lengths.
    """
    a, b = np.asarray(measured, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    present = np.isfinite(a)
    if a.shape != b.shape or present.sum() < 2:
        raise ShokenError(f"{a.shape} measured, {b.shape} reference", subject="agreement", accepted="two or more pairs")
    error = (a - b)[present]
    n, bias, spread = len(error), float(error.mean()), float(error.std(ddof=1))
    lower, upper = bias - 1.96 * spread, bias + 1.96 * spread
    factor = float(t.ppf(0.975, n - 1))
    half, limit_half = factor * spread / n**0.5, factor * spread * (3 / n) ** 0.5
    keys = [str(i) for i in range(n)] if groups is None else [g for g, p in zip(groups, present, strict=True) if p]
    parts = grouped(error.tolist(), keys)
    mae_interval = bootstrap(lambda chosen: _mean([abs(e) for part in chosen for e in part]), parts, resamples=resamples, seed=seed)
    bias_interval = (bias - half, bias + half)
    if groups is not None:
        bias_interval = bootstrap(lambda chosen: _mean([e for part in chosen for e in part]), parts, resamples=resamples, seed=seed)
    return Agreement(
        n=n,
        missing=int((~present).sum()),
        bias=bias,
        bias_interval=bias_interval,
        limits=(lower, upper),
        lower_limit_interval=(lower - limit_half, lower + limit_half),
        upper_limit_interval=(upper - limit_half, upper + limit_half),
        mae=float(np.abs(error).mean()),
        mae_interval=mae_interval,
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
