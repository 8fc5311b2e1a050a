"""Resampling by group: patients (or scans) are drawn, never images, since lesions of one patient belong together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from cad.errors import ShokenError

Interval = tuple[float, float]
Group = TypeVar("Group")


def bootstrap(
    statistic: Callable[[Sequence[Group]], float], groups: Sequence[Group], *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile interval of `statistic` over groups drawn with replacement; draws where it is NaN are left out.

    Same groups and seed, same interval. Raises ShokenError without groups or when every draw is NaN.
    """
    if not groups:
        raise ShokenError("no groups to draw from", subject="bootstrap", accepted="at least one group")
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(groups), size=(resamples, len(groups)))
    values = np.array([statistic([groups[i] for i in draw]) for draw in draws], dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        raise ShokenError("the statistic is undefined on every draw", subject="bootstrap", accepted="groups that define it")
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def grouped(values: Sequence[Group], keys: Sequence[str]) -> list[list[Group]]:
    """Values gathered by key (patient), groups in order of first appearance. Raises ShokenError for unequal lengths."""
    if len(values) != len(keys):
        raise ShokenError(f"{len(values)} values and {len(keys)} keys", subject="bootstrap", accepted="one key a value")
    groups: dict[str, list[Group]] = {}
    for value, key in zip(values, keys, strict=True):
        groups.setdefault(key, []).append(value)
    return list(groups.values())
