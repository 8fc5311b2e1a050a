"""The growth of one lesion as a small chart: its volume then, now with the 95 % interval of the change, and the band that does not count.

The whisker is that of the change, not of either volume: what is wrong with both volumes alike says nothing about growth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cad.finding import Finding
from cad.measure.growth import NOT_COMPARABLE
from cad.write.charts import Tick

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 560, 190, 62.0, 520.0, 16.0, 150.0


@dataclass(frozen=True, slots=True)
class Mark:
    """One scan: where its volume is drawn, its whisker's ends (both at `y` for none), and what is said there; pixels.

    `day` counts from the current scan.
    """

    x: float
    y: float
    low: float
    high: float
    label: str
    day: str


@dataclass(frozen=True, slots=True)
class GrowthFigure:
    """Two marks and the line between them; `band` are the y of the changes that would not count (upper, lower), None if not known."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    marks: tuple[Mark, ...]
    band: tuple[float, float] | None
    label: str
    y_ticks: tuple[Tick, ...]


def growth_figure(finding: Finding) -> GrowthFigure | None:
    """The chart of a finding that was compared with a prior; None for one whose volume is not known at both times or whose volumes
    are not comparable: a line between them would tell a change."""
    by_name = {m.name: m for m in finding.measurements}
    if "comparison" in by_name and by_name["comparison"].label == NOT_COMPARABLE:
        return None
    before, now, days = (by_name.get(name) for name in ("prior_volume", "volume", "prior_interval"))
    if before is None or now is None or days is None or before.value is None or now.value is None or days.value is None:
        return None
    least, change = by_name.get("least_change"), by_name.get("volume_change")
    factor = None if least is None or least.value is None else 1 + least.value / 100
    ends = change.interval if change and change.interval else None
    span = None if ends is None else (before.value * (1 + ends[0] / 100), before.value * (1 + ends[1] / 100))
    percent = "" if change is None or change.value is None else f" ({change.value:+.0f} %)"
    edges = [before.value, now.value, *(span or ()), *((before.value * factor,) if factor else ())]
    top = float(max(edges)) * 1.12
    then = f"{before.value:.0f} mm³"
    return GrowthFigure(
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        right=_RIGHT,
        top=_TOP,
        bottom=_BOTTOM,
        marks=(
            _mark(before.value, None, _LEFT + 60, top, (then, f"−{days.value:.0f}")),
            _mark(now.value, span, _RIGHT - 60, top, (f"{now.value:.0f} mm³{percent}", "0")),
        ),
        band=None if factor is None else (_y(before.value * factor, top), _y(before.value / factor, top)),
        label=next((by_name[name].label for name in ("volume_change", "comparison") if name in by_name), ""),
        y_ticks=_ticks(top),
    )


def _mark(value: float, span: tuple[float, float] | None, x: float, top: float, said: tuple[str, str]) -> Mark:
    low, high = span or (value, value)
    return Mark(x, _y(value, top), _y(max(low, 0.0), top), _y(high, top), *said)


def _y(value: float, top: float) -> float:
    return round(_BOTTOM - value / top * (_BOTTOM - _TOP), 1)


def _ticks(top: float) -> tuple[Tick, ...]:
    rough = top / 4
    step = next(s * 10.0**e for e in range(-1, 8) for s in (1, 2, 5) if s * 10.0**e >= rough)
    return tuple(Tick(_y(value, top), f"{value:.0f}") for value in np.arange(0.0, top, step))
