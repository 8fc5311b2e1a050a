"""The edge: a folder of anything in, de-identified files out, exactly one outcome for every file.

Names and folders of the source never reach the output: a file is known by the keyed hash of its relative path, and its
output's name is made of pseudonymous UIDs and that hash. The input is only read. Writing is atomic.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset

from anonymizer import elements, gate, pixel_data, reading
from anonymizer.deidentify import SCREENING_PROFILE, deidentify
from anonymizer.errors import AnonymizerError, InputRefusedError
from anonymizer.gate import Reason, Verdict
from anonymizer.key import ProjectKey
from anonymizer.profile import Profile
from anonymizer.pseudonym import Pseudonyms
from anonymizer.receipt import Receipt

DEIDENTIFIED = "deidentified"
REFUSED = "refused"
STUDY_UID, SERIES_UID = 0x0020000D, 0x0020000E


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file.

    `file` is the pseudonymous handle, `index` its place in the sorted walk (from 0), `status` `deidentified` or
    `refused`, `reason` a code of `gate.Reason` (empty when de-identified), `detail` one sentence without any identified
    value, `study` and `series` pseudonymous UIDs (empty when not known), `output` the relative path written.
    """

    file: str
    index: int
    status: str
    reason: str = ""
    detail: str = ""
    study: str = ""
    series: str = ""
    output: str = ""
    receipt: Receipt | None = None


def deidentify_tree(source: Path, destination: Path, key: ProjectKey, profile: Profile = SCREENING_PROFILE) -> Iterator[FileOutcome]:
    """De-identify every file under a folder, in sorted order, one outcome each as it is done.

    Raises AnonymizerError before anything is written when the source is no folder or the destination lies inside it.
    """
    check_folders(source, destination)
    return (deidentify_file(path, destination, key, profile, root=source, index=index) for index, path in enumerate(walk(source)))


def check_folders(source: Path, destination: Path) -> None:
    """Raise AnonymizerError unless the source is a folder and the destination lies outside it."""
    if not source.is_dir():
        raise AnonymizerError("not a folder", subject="source", accepted="a folder of files to de-identify")
    inside = destination.resolve()
    if inside == source.resolve() or source.resolve() in inside.parents:
        raise AnonymizerError("the output lies inside the input", subject="destination", accepted="a folder outside the source")


def walk(source: Path) -> Iterator[Path]:
    """Every entry under a folder that is not a listable folder, sorted by relative path; links are named, never followed."""
    try:
        entries = sorted(source.iterdir())
    except OSError:
        yield source
        return
    for path in entries:
        if path.is_dir() and not path.is_symlink():
            yield from walk(path)
        else:
            yield path


def deidentify_file(
    source: Path, destination: Path, key: ProjectKey, profile: Profile = SCREENING_PROFILE, *, root: Path | None = None, index: int = 0
) -> FileOutcome:
    """De-identify one file into a folder. Bad files are outcomes; nothing half-written remains.

    `root` is the folder that the handle is relative to (default: the file's own folder), `index` goes into the outcome.
    Module-level, with picklable arguments and result, for worker processes.
    """
    handle = _handle(source, root, key)
    dataset = reading.read(source)
    if isinstance(dataset, Verdict):
        return _refused(handle, index, dataset)
    study, series = "", ""
    try:
        with reading.quietly():
            study, series = (_pseudonymous_uid(dataset, tag, key) for tag in (STUDY_UID, SERIES_UID))
            verdict = _verdict(dataset, profile) or pixel_data.pixel_verdict(dataset)
            if verdict is not None:
                return _refused(handle, index, verdict, study, series)
            clean, receipt = deidentify(dataset, key, profile)
            content = encoded(clean)
    except InputRefusedError as refusal:
        return _refused(handle, index, Verdict(Reason(refusal.reason), refusal.detail), study, series)
    except reading.PARSE_ERRORS as error:
        return _refused(handle, index, Verdict(Reason.UNPARSEABLE, f"cannot be de-identified ({type(error).__name__})"), study, series)
    name = f"{clean.StudyInstanceUID}/{clean.SeriesInstanceUID}/{handle}.dcm"
    verdict = _written(destination / name, content)
    if verdict is not None:
        return _refused(handle, index, verdict, study, series)
    return FileOutcome(handle, index, DEIDENTIFIED, study=study, series=series, output=name, receipt=receipt)


def scan_identity(path: Path, key: ProjectKey, profile: Profile = SCREENING_PROFILE) -> tuple[str, str] | Verdict:
    """The pseudonymous (study, series) UIDs of a file, from its headers only; or why it will be refused."""
    dataset = reading.read_headers(path)
    if isinstance(dataset, Verdict):
        return dataset
    try:
        with reading.quietly():
            return _verdict(dataset, profile) or (_pseudonymous_uid(dataset, STUDY_UID, key), _pseudonymous_uid(dataset, SERIES_UID, key))
    except InputRefusedError as refusal:
        return Verdict(Reason(refusal.reason), refusal.detail)
    except reading.PARSE_ERRORS as error:
        return Verdict(Reason.UNPARSEABLE, f"the headers cannot be read ({type(error).__name__})")


def encoded(dataset: FileDataset) -> bytes:
    """A data set as the bytes of a DICOM file, in its own transfer syntax."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _handle(source: Path, root: Path | None, key: ProjectKey) -> str:
    relative = source.relative_to(root) if root is not None else Path(source.name)
    return Pseudonyms(key).file_handle(relative.as_posix())


def _verdict(dataset: Dataset, profile: Profile) -> Verdict | None:
    verdict = gate.verdict_on(dataset, profile)
    if verdict is None and not all(elements.text_at(dataset, tag) for tag in (STUDY_UID, SERIES_UID)):
        return Verdict(Reason.MISSING_IDENTITY, "Study or Series Instance UID is missing")
    return verdict


def _pseudonymous_uid(dataset: Dataset, tag: int, key: ProjectKey) -> str:
    original = elements.text_at(dataset, tag)
    return Pseudonyms(key).uid(original) if original else ""


def _refused(handle: str, index: int, verdict: Verdict, study: str = "", series: str = "") -> FileOutcome:
    return FileOutcome(handle, index, REFUSED, str(verdict.reason), verdict.detail, study, series)


def _written(path: Path, content: bytes) -> Verdict | None:
    """Write whole or not at all; a verdict when the disk refuses."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        return Verdict(Reason.NOT_WRITTEN, f"the output cannot be written ({error.strerror})")
    return None
