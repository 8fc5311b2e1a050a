"""Held-out figures of a cascade by which MR sequences a study has: all of them, and each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from cad.detect.cascade import Fusion, Thresholds
from cad.prepare.inputs import InputRule
from cad.tasks.figures import Figure
from cad.tasks.held_out import brief_figures
from cad.tasks.looking import score_cases

MOST = 30  # studies: each is prepared and looked through once a set of sequences


def sequence_figures(
    paths: Sequence[Path],
    rule: InputRule,
    model: tuple[Path, str],
    fusion: Fusion,
    thresholds: Thresholds,
    say: Callable[[str], None],
    workers: int = 1,
) -> tuple[Figure, ...]:
    """The same MOST held-out studies with all sequences and with one, prepared anew each time; none where the task has one picture."""
    told: list[Figure] = []
    for shown in (rule.sequences, *((name,) for name in rule.sequences)) if rule.sequences else ():
        label = f"{shown[0]} alone" if len(shown) == 1 else f"all of {', '.join(shown)}"
        scores = score_cases(paths[:MOST], rule, model, thresholds.propose, partial(_said, say, label), workers, shown)
        told += [replace(figure, name=f"{label}: {figure.name}") for figure in brief_figures(scores, fusion, thresholds)]
    return tuple(told)


def _said(say: Callable[[str], None], label: str, text: str) -> None:
    say(f"{label}: {text}")
