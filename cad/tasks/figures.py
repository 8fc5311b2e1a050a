"""Held-out figures: one number, its 95 % interval, and over how many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from cad.score.bootstrap import bootstrap
from cad.score.proportion import clopper_pearson


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` with a 95 % `interval` over `n` of `what`; None where nothing could be measured."""

    name: str
    value: float | None
    interval: tuple[float, float] | None
    n: int
    what: str

    def row(self) -> str:
        """A row of the card's table."""
        value = "not measured" if self.value is None else f"{self.value:.3g}"
        interval = "" if self.interval is None else f"{self.interval[0]:.3g} to {self.interval[1]:.3g}"
        return f"| {self.name} | {value} | {interval} | {self.n} {self.what} |"


def share(name: str, successes: int, n: int, what: str) -> Figure:
    """A proportion with its exact (Clopper-Pearson) interval."""
    if n == 0:
        return Figure(name, None, None, 0, what)
    return Figure(name, successes / n, clopper_pearson(successes, n), n, what)


def mean(name: str, values: Sequence[float], what: str, statistic: Callable[[Sequence[float]], float] = fmean) -> Figure:
    """A mean (or another statistic) with its bootstrap interval; one value a case or lesion."""
    if not values:
        return Figure(name, None, None, 0, what)
    interval = bootstrap(statistic, values) if len(values) > 1 else None
    return Figure(name, float(statistic(values)), interval, len(values), what)
