"""Where the marks of a small figure go: the funnel's bars and the aorta's diameter curve. Templates only draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cad.report import Funnel

FUNNEL_WIDTH = 210.0
_LEAST = 3.0
_STEPS_MM = (5, 10, 20, 25, 50, 100, 200)


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One bar: a word key, a count, a width in pixels and a style class."""

    label: str
    count: int
    width: float
    style: str


@dataclass(frozen=True, slots=True)
class FunnelFigure:
    """The bars of one task from top to bottom."""

    task: str
    steps: tuple[FunnelStep, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis, in pixels."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest value of a curve, where it is drawn and what is said there."""

    x: float
    y: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class CurveFigure:
    """A line chart of diameter over distance, in SVG user units."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    points: str
    peak: Peak
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def funnel_figure(funnel: Funnel) -> FunnelFigure:
    """Slices are drawn as a share of all slices, candidates as a share of the first stage's candidates."""
    slices, marks = max(funnel.slices_in, 1), max(funnel.candidates, funnel.candidates_kept, funnel.shown, 1)
    return FunnelFigure(
        funnel.task,
        (
            FunnelStep("slices_in", funnel.slices_in, _width(funnel.slices_in / slices), "slices"),
            FunnelStep("slices_kept", funnel.slices_kept, _width(funnel.slices_kept / slices), "slices"),
            FunnelStep("candidates", funnel.candidates, _width(funnel.candidates / marks), "marks"),
            FunnelStep("candidates_kept", funnel.candidates_kept, _width(funnel.candidates_kept / marks), "marks"),
            FunnelStep("shown", funnel.shown, _width(funnel.shown / marks), "last"),
        ),
    )


def curve_figure(curve: Sequence[tuple[float, float]]) -> CurveFigure | None:
    """(millimetres along the centreline, diameter in millimetres) pairs as a figure; None for fewer than two."""
    if len(curve) < 2:
        return None
    width, height, left, right, top, bottom = 560, 230, 40.0, 548.0, 20.0, 190.0
    along, across = (np.asarray(values, dtype=np.float64) for values in zip(*curve, strict=True))
    low, high = 0.0, float(np.ceil(across.max() * 1.12 / 10) * 10)
    x = left + (along - along.min()) / max(float(np.ptp(along)), 1e-9) * (right - left)
    y = bottom - (across - low) / (high - low) * (bottom - top)
    best = int(np.argmax(across))
    anchor = "start" if x[best] < left + 60 else "end" if x[best] > right - 60 else "middle"
    return CurveFigure(
        width=width,
        height=height,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        points=" ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)),
        peak=Peak(round(float(x[best]), 1), round(float(y[best]), 1), f"{across[best]:.1f} mm", anchor),
        x_ticks=_ticks(float(along.min()), float(along.max()), left, right),
        y_ticks=_ticks(low, high, bottom, top),
    )


def _ticks(low: float, high: float, first: float, last: float) -> tuple[Tick, ...]:
    step = next((s for s in _STEPS_MM if (high - low) / s <= 6), _STEPS_MM[-1])
    values = np.arange(np.ceil(low / step) * step, high + 1e-6, step)
    return tuple(Tick(round(first + (v - low) / max(high - low, 1e-9) * (last - first), 1), f"{v:.0f}") for v in values)


def _width(share: float) -> float:
    return max(_LEAST, share * FUNNEL_WIDTH) if share > 0 else 0.0
