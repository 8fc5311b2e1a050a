"""How good each reader is: by Dawid and Skene's consensus over all marks, and by questions whose answer is known."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.datasets.dawid_skene import NO_ANSWER, Consensus, dawid_skene
from cad.datasets.layout import DataSetError
from cad.datasets.scan import ANSWERS, NOT_MARKED, OUTLINED
from cad.score.proportion import clopper_pearson

Cases = Sequence[Mapping[str, Any]]
Item = tuple[str, int]
_LESION = ANSWERS.index(OUTLINED)


@dataclass(frozen=True, slots=True)
class Gold:
    """Questions with a known answer: `passed` of `asked`, and the 95 % Clopper-Pearson interval of the rate."""

    asked: int
    passed: int

    @property
    def rate(self) -> float | None:
        """None where nothing was asked."""
        return self.passed / self.asked if self.asked else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """None where nothing was asked."""
        return clopper_pearson(self.passed, self.asked) if self.asked else None


@dataclass(frozen=True, slots=True)
class ReaderRow:
    """One reader. `answers` counts by answer; `finds` is how often, by the consensus, a lesion is called one, `false_alarms`
    how often something else is: both only where at least two readers looked at the same scans, else None.
    """

    reader: str
    answers: dict[str, int]
    finds: float | None
    false_alarms: float | None
    gold: Gold


def reader_table(cases: Cases, gold: Mapping[Item, str] | None = None) -> tuple[ReaderRow, ...]:
    """One row a reader, sorted, over the cases of a manifest. `gold` gives the true answer of (case, lesion number)."""
    items, readers, answers = answer_table(cases)
    judged = consensus(answers, len(ANSWERS))
    return tuple(_row(n, reader, items, answers[:, n], judged, gold or {}) for n, reader in enumerate(readers))


def answer_table(cases: Cases) -> tuple[tuple[Item, ...], tuple[str, ...], NDArray[np.int_]]:
    """(items, readers, answers): the index in ANSWERS that each reader gave each lesion, -1 where he did not see the scan.

    A reader of the scan who marked nothing there answered "not_marked".
    """
    readers = tuple(sorted({reader for case in cases for reader in case["readers"]}))
    items: list[Item] = []
    rows: list[list[int]] = []
    for case in cases:
        for lesion in case["lesions"]:
            given = {mark["reader"]: mark["answer"] for mark in lesion["marks"]}
            items.append((str(case["case"]), int(lesion["number"])))
            rows.append([ANSWERS.index(given.get(reader, NOT_MARKED)) if reader in case["readers"] else NO_ANSWER for reader in readers])
    return tuple(items), readers, np.asarray(rows, dtype=np.int_).reshape(len(rows), len(readers))


def trait_consensus(cases: Cases, trait: str, classes: int = 6) -> dict[Item, int]:
    """The most probable rating of a trait for each lesion that somebody rated, readers weighed by their own errors."""
    readers = sorted({mark["reader"] for case in cases for lesion in case["lesions"] for mark in lesion["marks"]})
    items: list[Item] = []
    rows: list[list[int]] = []
    for case in cases:
        for lesion in case["lesions"]:
            given = {mark["reader"]: mark["traits"][trait] for mark in lesion["marks"] if trait in mark["traits"]}
            if given:
                items.append((str(case["case"]), int(lesion["number"])))
                rows.append([given.get(reader, NO_ANSWER) for reader in readers])
    if not rows:
        return {}
    found = dawid_skene(np.asarray(rows), max(classes, max(max(row) for row in rows) + 1))
    return dict(zip(items, (int(answer) for answer in found.answers), strict=True))


def consensus(answers: NDArray[np.int_], classes: int) -> Consensus | None:
    """The consensus, or None where no two readers answered the same question."""
    shared = answers.size and ((answers != NO_ANSWER).sum(axis=1) > 1).any()
    return dawid_skene(answers, classes) if shared else None


def gold_pass_rate(given: Sequence[str], true: Sequence[str]) -> Gold:
    """How many answers are the known ones; an answer "" was not asked."""
    asked = [(answer, truth) for answer, truth in zip(given, true, strict=True) if answer]
    return Gold(len(asked), sum(answer == truth for answer, truth in asked))


def read_gold(path: Path) -> dict[Item, str]:
    """A CSV file with the columns case, lesion, answer (lesion, small, not_a_lesion, not_marked). Raises DataSetError."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = {(row["case"], int(row["lesion"])): row["answer"] for row in csv.DictReader(stream)}
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        raise DataSetError("cannot be read", subject=path.name, accepted="CSV with the columns case, lesion, answer") from None
    if not rows or set(rows.values()) - set(ANSWERS):
        raise DataSetError("has no or unknown answers", subject=path.name, accepted=", ".join(ANSWERS))
    return rows


def _row(
    n: int, reader: str, items: Sequence[Item], answers: NDArray[np.int_], judged: Consensus | None, gold: Mapping[Item, str]
) -> ReaderRow:
    counts = {answer: int((answers == index).sum()) for index, answer in enumerate(ANSWERS)}
    asked = [(ANSWERS[answer], gold[item]) for item, answer in zip(items, answers, strict=True) if item in gold and answer != NO_ANSWER]
    finds, alarms = _quality(judged, n)
    return ReaderRow(reader, counts, finds, alarms, gold_pass_rate([a for a, _ in asked], [t for _, t in asked]))


def _quality(judged: Consensus | None, n: int) -> tuple[float | None, float | None]:
    if judged is None:
        return None, None
    others = [c for c in range(len(ANSWERS)) if c != _LESION]
    weight = judged.prior[others] / judged.prior[others].sum()
    return float(judged.confusion[n, _LESION, _LESION]), float(weight @ judged.confusion[n, others, _LESION])
