"""Findings of several tasks as one ranked list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import accumulate

from cad.finding import Finding
from cad.tasks.task import TaskResult


def ranked(results: Iterable[TaskResult]) -> tuple[Finding, ...]:
    """All findings by falling calibrated confidence, ranks from 1 over the case; ties by task name.

    A task's findings keep their order among themselves, so that (task, n-th finding) still leads to the exhibit.
    """
    keyed = [pair for result in results for pair in _keyed(result)]
    return tuple(replace(finding, rank=rank) for rank, (_, finding) in enumerate(sorted(keyed, key=lambda pair: pair[0]), 1))


def _keyed(result: TaskResult) -> Iterator[tuple[tuple[float, str, int], Finding]]:
    findings = sorted(result.findings, key=lambda finding: finding.rank)
    ceilings = accumulate((finding.confidence for finding in findings), min)
    for finding, ceiling in zip(findings, ceilings, strict=True):
        yield (-ceiling, finding.task, finding.rank), finding
