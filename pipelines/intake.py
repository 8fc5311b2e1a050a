"""What the walk through an export leaves: every file with its study, or accounted for at the door; and each study's priors.

Which earlier studies a study may be compared with is decided here, from headers (pseudonymous patient, date, modality), so that
a job and its key hold everything that decides its result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from cad.errors import Refusal
from cad.write.manifest import ManifestRow
from cad.write.worklist import SCREENED
from pipelines.desk import Admission, Desk
from pipelines.exchange.folders import FoundFile

ARCHIVE = "archive"
MOST_PRIORS = 3
"""The nearest few: the nearest may show another part of the body, and each one that is tried is de-identified anew."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of the export: its place in the walk, its pseudonymous handle, where its bytes lie and their digest."""

    index: int
    handle: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class PriorStudy:
    """An earlier study of the same patient, `days` before."""

    study: str
    days: int
    files: tuple[InputFile, ...]

    @property
    def case(self) -> str:
        """Its case in the same output."""
        return case_of(self.study)


@dataclass(slots=True)
class StudyIntake:
    """A study's files, and what their headers say of patient, date and modality (pseudonymous, shifted)."""

    files: list[InputFile] = field(default_factory=list)
    patients: set[str] = field(default_factory=set)
    dates: set[str] = field(default_factory=set)
    modalities: set[str] = field(default_factory=set)

    def add(self, file: InputFile, admitted: Admission) -> None:
        """One more file; what its header does not say adds nothing."""
        self.files.append(file)
        for known, said in ((self.patients, admitted.patient), (self.dates, admitted.date), (self.modalities, admitted.modality)):
            known.update({said} - {""})

    @property
    def day(self) -> date | None:
        """The earliest date its files give."""
        return date.fromisoformat(min(self.dates)) if self.dates else None

    def relates_to(self, other: StudyIntake) -> bool:
        """Whether both are of one patient (and each of one only) and share a modality."""
        return len(self.patients) == 1 and self.patients == other.patients and bool(self.modalities & other.modalities)


@dataclass(slots=True)
class Intake:
    """Every file of the export: grouped by study, or accounted for at the door."""

    studies: dict[str, StudyIntake] = field(default_factory=dict)
    rows: list[ManifestRow] = field(default_factory=list)

    def admit(self, index: int, found: FoundFile, desk: Desk) -> None:
        """Account for the file at `index` of the walk."""
        handle = desk.handle(found.name)
        if found.refusal:
            status = SCREENED if found.refusal.reason == ARCHIVE else "refused"
            self.rows.append(ManifestRow(handle, index, status, found.refusal.reason, found.refusal.detail))
            return
        admitted = desk.admit(found.path)
        if isinstance(admitted, Refusal):
            self.rows.append(ManifestRow(handle, index, "refused", admitted.reason, admitted.detail))
        else:
            self.studies.setdefault(admitted.study, StudyIntake()).add(InputFile(index, handle, found.path, admitted.sha256), admitted)

    def priors(self, study: str) -> tuple[PriorStudy, ...]:
        """Earlier studies of the same patient, nearest first, at most `MOST_PRIORS`; equal days go by UID. Same-day ones are none."""
        own = self.studies[study]
        if own.day is None:
            return ()
        earlier = [(uid, (own.day - other.day).days, other) for uid, other in self._related(study) if other.day is not None]
        nearest = sorted(((days, uid, other) for uid, days, other in earlier if days > 0), key=lambda found: found[:2])
        return tuple(PriorStudy(uid, days, tuple(other.files)) for days, uid, other in nearest[:MOST_PRIORS])

    def undated(self, study: str) -> int:
        """How many studies of the same patient and modality cannot be put in order, because they or this one have no date."""
        own = self.studies[study]
        return sum(own.day is None or other.day is None for _, other in self._related(study))

    def _related(self, study: str) -> Iterator[tuple[str, StudyIntake]]:
        own = self.studies[study]
        return ((uid, other) for uid, other in self.studies.items() if uid != study and own.relates_to(other))


def case_of(study: str) -> str:
    """The short name of a case, from its pseudonymous StudyInstanceUID."""
    return f"case-{hashlib.sha256(study.encode()).hexdigest()[:12]}"


def content_of(files: Sequence[InputFile]) -> list[tuple[str, str]]:
    """What a job's key says of files: handles and digests, in an order that does not depend on the walk."""
    return sorted((file.handle, file.sha256) for file in files)
