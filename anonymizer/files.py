"""The edge: a folder of anything in, de-identified files out, exactly one outcome for every file.

Names and folders of the source never reach the output: a file is known by the keyed hash of its relative path, and its
output's name is made of pseudonymous UIDs and that hash. The input is only read. Writing is atomic.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset, FileDataset

from anonymizer import bytewalk, elements, pixel_data, reading
from anonymizer.clean import Clean, EntriesOf, all_entries
from anonymizer.deidentify import SCREENING_PROFILE, SERIES_UID, cleaned, verdict_on_file
from anonymizer.errors import AnonymizerError, InputRefusedError
from anonymizer.gate import Reason, Verdict
from anonymizer.identity import STUDY_UID
from anonymizer.key import ProjectKey
from anonymizer.profile import Profile
from anonymizer.pseudonym import Pseudonyms
from anonymizer.reading import Source
from anonymizer.receipt import Receipt
from anonymizer.writing import encoded, written

if TYPE_CHECKING:
    from anonymizer.pixels.account import Picture
    from anonymizer.vault import Entry

_UID = r"(?=[0-9.]{1,64}(?:/|$))[0-9]+(\.[0-9]+)*"
_PLACE = re.compile(f"{_UID}/{_UID}")  # 64 characters each; UIDs that a profile keeps are as the file states them, and ".." is a folder
DEIDENTIFIED = "deidentified"
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file.

    `file` is the pseudonymous handle, `index` its place in the sorted walk (from 0), `status` `deidentified` or
    `refused`, `reason` a code of `gate.Reason` (empty when de-identified), `detail` one sentence without any identified
    value, `study` and `series` pseudonymous UIDs (empty when not known), `output` the relative path written. `entries` is
    what the vault keeps of it, originals and all, and `pictures` the blanked places before and after; both are empty
    unless they were asked for.
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
    entries: tuple[Entry, ...] = field(default=(), repr=False)
    pictures: tuple[Picture, ...] = field(default=(), repr=False)


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

    A profile that removes faces gets everything but that here, and its code is not claimed: `defacing.deface_series` does
    it on the whole series. Raises AnonymizerError when pixels are to be cleaned and the extra for it is not installed.
    `root` is the folder that the handle is relative to (default: the file's own folder), `index` goes into the outcome.
    Module-level, with picklable arguments and result, for worker processes.
    """
    return _outcome(source, destination, key, profile, _handle(source, root, key), index, None)


def deidentify_for_vault(
    source: Path, destination: Path, key: ProjectKey, profile: Profile = SCREENING_PROFILE, *, root: Path | None = None, index: int = 0
) -> FileOutcome:
    """The same, and the outcome's `entries` and `pictures` say what the file adds to the vault."""
    return _outcome(source, destination, key, profile, _handle(source, root, key), index, all_entries)


def _outcome(
    source: Path, destination: Path, key: ProjectKey, profile: Profile, handle: str, index: int, vault: EntriesOf | None
) -> FileOutcome:
    clean = clean_file(source, key, profile, vault)
    if isinstance(clean, Refused):
        return _refused(handle, index, clean.verdict, clean.study, clean.series)
    name = f"{clean.place}/{handle}.dcm"
    verdict = written(f"{destination}/{name}", clean.pieces)
    if verdict is not None:
        return _refused(handle, index, verdict, clean.study, clean.series)
    return FileOutcome(handle, index, DEIDENTIFIED, "", "", clean.study, clean.series, name, clean.receipt, clean.entries, clean.pictures)


def clean_file(source: Path, key: ProjectKey, profile: Profile = SCREENING_PROFILE, vault: EntriesOf | None = None) -> Clean | Refused:
    """One file de-identified, as `deidentify_file` does it, and not written; `vault` makes its entries out of the original."""
    file = reading.opened(source)
    if isinstance(file, Verdict):
        return Refused(file)
    with file:
        clean = _cleaned(file, key, profile, vault)
    if isinstance(clean, Clean) and not _PLACE.fullmatch(clean.place):
        nameless = Verdict(Reason.MISSING_IDENTITY, "a Study or Series Instance UID that is none: it cannot name a folder")
        return Refused(nameless, clean.study, clean.series)
    return clean


def scan_identity(path: Path, key: ProjectKey, profile: Profile = SCREENING_PROFILE) -> tuple[str, str] | Verdict:
    """The pseudonymous (study, series) UIDs of a file, from its headers only; or why it will be refused."""
    file = reading.opened(path)
    if isinstance(file, Verdict):
        return file
    with file:
        try:
            return bytewalk.identity_of(file, key, profile) or _scanned(file, key, profile)
        except InputRefusedError as refusal:
            return Verdict(Reason(refusal.reason), refusal.detail)
        except reading.PARSE_ERRORS as error:
            return Verdict(Reason.UNPARSEABLE, f"the headers cannot be read ({type(error).__name__})")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a file does not pass, and where it would have belonged."""

    verdict: Verdict
    study: str = ""
    series: str = ""


def _cleaned(file: Source, key: ProjectKey, profile: Profile, vault: EntriesOf | None) -> Clean | Refused:
    """The fast way where it proves that it may be taken, else pydicom's."""
    try:
        clean = bytewalk.cleaned(file, key, profile, vault)
        dataset = clean or file.parsed()
    except InputRefusedError as refusal:
        return Refused(Verdict(Reason(refusal.reason), refusal.detail))
    if isinstance(dataset, Clean):
        return dataset
    return Refused(dataset) if isinstance(dataset, Verdict) else _cleaned_by_pydicom(dataset, key, profile, vault)


def _cleaned_by_pydicom(dataset: FileDataset, key: ProjectKey, profile: Profile, vault: EntriesOf | None) -> Clean | Refused:
    study, series = "", ""
    try:
        with reading.quietly():
            seen = elements.glanced(dataset)
            study, series = (_pseudonymous_uid(seen, tag, key) for tag in (STUDY_UID, SERIES_UID))
            verdict = verdict_on_file(seen, profile) or pixel_data.pixel_verdict(dataset)
            if verdict is not None:
                return Refused(verdict, study, series)
            pictures: list[Picture] = []
            clean, receipt = cleaned(dataset, key, profile, pictures.append if vault else None)
            place = f"{clean.StudyInstanceUID}/{clean.SeriesInstanceUID}"
            return Clean((encoded(clean),), receipt, study, series, place, vault(dataset, key) if vault else (), tuple(pictures))
    except InputRefusedError as refusal:
        return Refused(Verdict(Reason(refusal.reason), refusal.detail), study, series)
    except reading.PARSE_ERRORS as error:
        return Refused(Verdict(Reason.UNPARSEABLE, f"cannot be de-identified ({type(error).__name__})"), study, series)


def _scanned(file: Source, key: ProjectKey, profile: Profile) -> tuple[str, str] | Verdict:
    dataset = file.parsed_headers()
    if isinstance(dataset, Verdict):
        return dataset
    with reading.quietly():
        places = (_pseudonymous_uid(dataset, STUDY_UID, key), _pseudonymous_uid(dataset, SERIES_UID, key))
        return verdict_on_file(dataset, profile) or places


def _handle(source: Path, root: Path | None, key: ProjectKey) -> str:
    return Pseudonyms(key).file_handle(_relative(source, root) if root is not None else source.name)


def _relative(source: Path, root: Path) -> str:
    """The path below the root, with slashes; pathlib's own way takes ten times as long, for every file."""
    path, above = str(source), f"{root}/"
    return path[len(above) :] if os.sep == "/" and path.startswith(above) else source.relative_to(root).as_posix()


def _pseudonymous_uid(dataset: Dataset, tag: int, key: ProjectKey) -> str:
    original = elements.text_at(dataset, tag)
    return Pseudonyms(key).uid(original) if original else ""


def _refused(handle: str, index: int, verdict: Verdict, study: str = "", series: str = "") -> FileOutcome:
    return FileOutcome(handle, index, REFUSED, str(verdict.reason), verdict.detail, study, series)
