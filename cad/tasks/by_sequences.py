"""Held-out figures of a cascade by which MR sequences a study has: all of them, and one alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cad.detect.cascade import Fusion, Thresholds
from cad.tasks.figures import Figure
from cad.tasks.held_out import brief_figures
from cad.tasks.looking import CaseScores

MOST = 30  # studies: each is prepared and looked through once a set of sequences

Scored = Callable[[tuple[str, ...]], Sequence[CaseScores]]


def sequence_figures(sets: Sequence[tuple[str, ...]], scored: Scored, fusion: Fusion, thresholds: Thresholds) -> tuple[Figure, ...]:
    """What matters most of the same studies with each of the sets of sequences; `scored` looks through them with one set."""
    told: list[Figure] = []
    for shown in sets:
        label = f"{shown[0]} alone" if len(shown) == 1 else f"all of {', '.join(shown)}"
        told += [replace(figure, name=f"{label}: {figure.name}") for figure in brief_figures(scored(shown), fusion, thresholds)]
    return tuple(told)
