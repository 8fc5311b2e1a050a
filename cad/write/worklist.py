"""The list of studies a reader opens first: one row each, as data (`worklist.json`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cad.errors import Refusal, ShokenError
from cad.report import SCHEMA_VERSION, CaseReport

SCREENED = "screened"


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of a study was used and found; files and series as the export held them."""

    files: int = 0
    series: int = 0
    series_screened: int = 0
    findings: int = 0
    refusals: int = 0
    warnings: int = 0


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """One study. `priority` in [0, 1] orders the list; None means not screened, which a page shows first.

    It rests on claimed findings alone. `unclaimed` findings have a confidence that their calibration does not cover, for the doubts in
    `unclaimed_why`; `unclaimed_score` is what their confidences would come to, which orders studies that have nothing else.

    `report` and `thumbnail` are paths relative to the output folder, empty when there is none;
    `notes` say in one line each what a reader must know before trusting the row.
    Raises ShokenError when only one of "screened" and a priority is there.
    """

    case: str
    status: str
    priority: float | None
    counts: Counts = Counts()
    top_task: str = ""
    top_kind: str = ""
    top_diameter_mm: float | None = None
    top_confidence: float | None = None
    thumbnail: str = ""
    report: str = ""
    notes: tuple[Refusal, ...] = ()
    top_calibrated: bool = True
    unclaimed: int = 0
    unclaimed_why: tuple[str, ...] = ()
    unclaimed_score: float = 0.0

    @property
    def ranked(self) -> bool:
        """Whether a number can order it: screened, and not all it shows is without a claim."""
        return self.priority is not None and not 0 < self.counts.findings <= self.unclaimed

    def __post_init__(self) -> None:
        if (self.status == SCREENED) != (self.priority is not None):
            raise ShokenError(
                "status and priority disagree", subject=f"worklist row {self.case}", accepted="a priority if screened, else None"
            )


def row_of(report: CaseReport, *, files: int = 0, series: int = 0, thumbnail: str = "") -> WorklistRow:
    """The row of one report, linked as `cases/<case>/report.html`."""
    screened = report.status == SCREENED
    top = min(report.findings, key=lambda finding: finding.rank, default=None)
    claimed, unclaimed = ([f for f in report.findings if f.claim.calibrated is told] for told in (True, False))
    chosen = {choice.series_instance_uid for choice in report.choices if choice.chosen}
    return WorklistRow(
        case=report.case,
        status=report.status,
        priority=priority([f.confidence for f in claimed]) if screened else None,
        counts=Counts(files, series, len(chosen), len(report.findings), len(report.refusals), len(report.warnings)),
        top_task=top.task if top else "",
        top_kind=top.kind if top else "",
        top_diameter_mm=top.diameter_mm if top else None,
        top_confidence=top.confidence if top else None,
        thumbnail=thumbnail,
        report=f"cases/{report.case}/report.html",
        notes=report.warnings if screened else report.refusals + report.warnings,
        top_calibrated=top.claim.calibrated if top else True,
        unclaimed=len(unclaimed),
        unclaimed_why=tuple(dict.fromkeys(doubt for f in unclaimed for doubt in f.claim.doubts)),
        unclaimed_score=priority([f.confidence for f in unclaimed]),
    )


def priority(confidences: Sequence[float]) -> float:
    """The chance that at least one finding is real, were they independent: 1 - prod(1 - c); 0 without findings."""
    return 1.0 - math.prod(1.0 - confidence for confidence in confidences)


def in_order(rows: Iterable[WorklistRow]) -> tuple[tuple[int | None, WorklistRow], ...]:
    """Every row with its rank. First, and without one, studies that nothing can be claimed of; then by falling priority from 1.

    Nothing can be claimed of what was not screened, and of what shows findings that no calibration covers: those come after, by the
    score that is not to be believed. Of equal priority the study with more unclaimed findings is first, then by case.
    """
    ordered = sorted(rows, key=_place)
    unranked = sum(not row.ranked for row in ordered)
    return tuple((place - unranked if row.ranked else None, row) for place, row in enumerate(ordered, 1))


def _place(row: WorklistRow) -> tuple[bool, bool, float, int, float, str]:
    return row.priority is not None, row.ranked, -(row.priority or 0.0), -row.unclaimed if row.ranked else 0, -row.unclaimed_score, row.case


def worklist_document(rows: Iterable[WorklistRow]) -> dict[str, Any]:
    """`worklist.json` (docs/schemas/worklist.schema.json): one row a study, in the order of `in_order`."""
    ranked = in_order(rows)
    ordered = [row for _, row in ranked]
    return {
        "schema_version": SCHEMA_VERSION,
        "totals": {
            "studies": len(ordered),
            "screened": sum(row.status == SCREENED for row in ordered),
            "not_screened": sum(row.status != SCREENED for row in ordered),
            "findings": sum(row.counts.findings for row in ordered),
        },
        "studies": [{"rank": rank, **asdict(row)} for rank, row in ranked],
    }
