"""Intervals of a share k of n: Clopper-Pearson (guaranteed) and Wilson (short)."""

from __future__ import annotations

from math import sqrt

from scipy.stats import beta, norm

from cad.errors import ShokenError


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval: it covers the true share at least `level` of the time (Biometrika 1934;26:404-413)."""
    _checked(k, n)
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(1 - tail, k + 1, n - k))
    return low, high


def lower_bound(k: int, n: int, level: float = 0.95) -> float:
    """The exact one-sided lower bound: with confidence `level` the true share is at least this (299 of 299 give 0.99)."""
    _checked(k, n)
    return 0.0 if k == 0 else float(beta.ppf(1 - level, k, n - k + 1))


def wilson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (J Am Stat Assoc 1927;22:209-212)."""
    _checked(k, n)
    z = float(norm.ppf((1 + level) / 2))
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * sqrt(k * (n - k) / n + z * z / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def _checked(k: int, n: int) -> None:
    if n < 1 or not 0 <= k <= n:
        raise ShokenError(f"{k} of {n}", subject="share", accepted="0 <= k <= n and n >= 1")
