"""Who a result speaks of, in pseudonyms: read from an OUT of `shoken screen` or `shoken deid`, from DICOM files, or from lines of text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonymizer import elements, reading
from anonymizer.files import walk
from anonymizer.gate import Verdict
from anonymizer.identity import ACCESSION, PATIENT_ID, STUDY_UID
from cad.errors import Refusal, ShokenError

CASE_FILE = "case.json"
_ACCEPTED = "an OUT of `shoken screen` or `shoken deid`, a folder of DICOM files, one DICOM file, or - for pseudonyms on stdin"


class ResultError(ShokenError):
    """Something that holds no pseudonyms that could be looked up."""


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """One study (or patient, or single pseudonym) in pseudonyms; `case` is what the result calls it. Empty where not said."""

    case: str
    patient: str = ""
    study: str = ""
    accession: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a RESULT holds: subjects sorted, its DICOM files, and what could not be read."""

    subjects: tuple[Subject, ...]
    files: tuple[Path, ...] = ()
    refusals: tuple[Refusal, ...] = ()


def read_result(place: Path) -> Result:
    """The subjects and DICOM files of a folder or file. Raises ResultError when there is neither."""
    if not place.exists():
        raise ResultError("there is no such folder or file", subject=f"RESULT {place}", accepted=_ACCEPTED)
    if (place / "worklist.json").is_file():
        return _screened(place)
    files = place / "files" if (place / "manifest.jsonl").is_file() and (place / "files").is_dir() else place
    result = _dicom(walk(files) if files.is_dir() else [files], files if files.is_dir() else files.parent)
    if not result.subjects:
        raise ResultError("holds no de-identified image", subject=f"RESULT {place}", accepted=_ACCEPTED)
    return result


def read_lines(lines: Iterable[str]) -> Result:
    """Subjects from single pseudonyms, one a line: patient, accession number, study or other UID. Raises ResultError for none."""
    found = {subject for line in lines if (subject := _of_text(line.strip())) is not None}
    if not found:
        raise ResultError("no pseudonym was given", subject="stdin", accepted="one pseudonym a line")
    return Result(tuple(sorted(found)))


def _of_text(text: str) -> Subject | None:
    if not text:
        return None
    if text.startswith("P"):
        return Subject(text, patient=text)
    return Subject(text, accession=text) if text.startswith("A") else Subject(text, study=text)


def _screened(out: Path) -> Result:
    subjects, refusals = [], []
    for row in _document(out / "worklist.json").get("studies", ()):
        case = str(row.get("case", ""))
        try:
            document = _document(out / "cases" / Path(case).name / CASE_FILE)
            subjects.append(Subject(case, str(document["patient"]), str(document["study_instance_uid"])))
        except (ResultError, KeyError):
            refusals.append(Refusal(case, "no_case", "the case holds no report that names its study"))
    if not subjects:
        raise ResultError("holds no case with a report", subject=f"RESULT {out}", accepted=_ACCEPTED)
    return Result(tuple(sorted(subjects)), refusals=tuple(refusals))


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ResultError("cannot be read as JSON", subject=path.name, accepted="what `shoken screen` wrote") from None
    if not isinstance(document, dict):
        raise ResultError("is not what is written there", subject=path.name, accepted="what `shoken screen` wrote")
    return document


def _dicom(paths: Iterable[Path], root: Path) -> Result:
    subjects: set[Subject] = set()
    files, refusals = [], []
    for path in paths:
        if path.name in (".DS_Store", "manifest.jsonl"):
            continue
        subject = _header(path)
        if isinstance(subject, Refusal):
            refusals.append(Refusal(path.relative_to(root).as_posix(), subject.reason, subject.detail))
        else:
            files.append(path)
            subjects.add(subject)
    return Result(tuple(_one_a_study(subjects)), tuple(files), tuple(refusals))


def _one_a_study(subjects: Iterable[Subject]) -> Iterator[Subject]:
    """Reports of a study may lack its accession number: the row that has one stands for them."""
    held: dict[tuple[str, str], Subject] = {}
    for subject in sorted(subjects):
        if subject.accession or (subject.patient, subject.study) not in held:
            held[subject.patient, subject.study] = subject
    return iter(sorted(held.values()))


def _header(path: Path) -> Subject | Refusal:
    dataset = reading.read_headers(path)
    if isinstance(dataset, Verdict):
        return Refusal("", str(dataset.reason), dataset.detail)
    with reading.quietly():
        try:
            patient, study, accession = (elements.text_at(dataset, tag) for tag in (PATIENT_ID, STUDY_UID, ACCESSION))
        except reading.PARSE_ERRORS as error:
            return Refusal("", "unparseable", f"the headers cannot be read ({type(error).__name__})")
    return Subject(study, patient, study, accession)
