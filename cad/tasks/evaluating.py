"""Held-out figures of a finished model, through the same `run` that screening uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, pstdev

import numpy as np

from cad.errors import Refusal
from cad.networks import LoadedModel
from cad.prepare.resample import resample_labels
from cad.tasks.figures import Figure, mean, share
from cad.tasks.task import Task, TaskResult
from cad.train.dataset import TrainingCase, load_cases
from cad.train.mining import lesion_at


@dataclass(slots=True)
class _Tally:
    """What happened case by case and lesion by lesion."""

    found: list[bool] = field(default_factory=list)
    first_is_lesion: list[bool] = field(default_factory=list)
    false_shown: list[float] = field(default_factory=list)
    squared: list[float] = field(default_factory=list)
    dice: list[float] = field(default_factory=list)
    diameter_error: list[float] = field(default_factory=list)
    pointing: list[bool] = field(default_factory=list)
    refused: int = 0


def detection_figures(task: Task, model: LoadedModel, paths: Sequence[Path], progress: Callable[[str], None]) -> tuple[Figure, ...]:
    """Calibration, outlines and maps of what screening shows on held-out cases (detection itself: cad.tasks.held_out)."""
    tally = _Tally()
    for number, case in enumerate(load_cases(paths), start=1):
        result = task.run(case.source, model, lang="en", progress=_silent)
        if isinstance(result, Refusal):
            tally.refused += 1
            tally.found.extend(False for _ in case.lesions)
        else:
            _count(tally, case, result)
        progress(f"held-out case {number} of {len(paths)}")
    return _figures(tally, len(paths))


def dice(a: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], b: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    """Dice overlap of two masks on one grid; 0 when both are empty, since a missed structure must not score."""
    both = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / both if both else 0.0


def _count(tally: _Tally, case: TrainingCase, result: TaskResult) -> None:
    hits = [lesion_at(case, finding.candidate.centre_mm) for finding in result.findings]
    for lesion in case.lesions:
        tally.found.append(lesion.label in hits)
    tally.false_shown.append(float(sum(hit == 0 for hit in hits)))
    if case.lesions and hits:
        tally.first_is_lesion.append(hits[0] > 0)
    tally.squared.extend((finding.confidence - (hit > 0)) ** 2 for finding, hit in zip(result.findings, hits, strict=True))
    _count_outlines(tally, case, result, hits)


def _count_outlines(tally: _Tally, case: TrainingCase, result: TaskResult, hits: Sequence[int]) -> None:
    diameters = {lesion.label: lesion.diameter_mm for lesion in case.lesions}
    exhibits = {exhibit.rank: exhibit for exhibit in result.exhibits}
    for finding, hit in zip(result.findings, hits, strict=True):
        mask = exhibits[finding.rank].mask
        if not hit or mask is None:
            continue
        truth = resample_labels(case.source_labels, mask.grid).voxels == hit
        tally.dice.append(dice(mask.voxels > 0, truth))
        effective = next((m.value for m in finding.measurements if m.name == "effective_diameter"), None)
        if effective is not None:
            tally.diameter_error.append(effective - diameters[hit])
        if finding.evidence.faithfulness is not None:
            tally.pointing.append(finding.evidence.faithfulness.pointing_hit)


def _figures(tally: _Tally, cases: int) -> tuple[Figure, ...]:
    return (
        share("lesions shown as screening shows them", sum(tally.found), len(tally.found), "lesions"),
        mean("false positives as screening shows them, a scan", tally.false_shown, "scans"),
        share("first finding is a lesion", sum(tally.first_is_lesion), len(tally.first_is_lesion), "scans with lesions"),
        mean("Brier score of shown findings", tally.squared, "findings"),
        mean("Dice of the outline, median", tally.dice, "lesions found", median),
        mean("effective diameter error, mean absolute, mm", [abs(error) for error in tally.diameter_error], "lesions found"),
        share("heat map peak inside the outline", sum(tally.pointing), len(tally.pointing), "lesions found"),
        share("scans refused", tally.refused, cases, "scans"),
    )


def _sd(values: Sequence[float]) -> float:
    return pstdev(values)


def _silent(_: str) -> None:
    """Stages of a held-out case are not news."""
