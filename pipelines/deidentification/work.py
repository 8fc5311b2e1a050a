"""The work of one job, in whichever process: some files of an export de-identified, their rows and receipts handed back.

A job works in a private folder of its own and moves each finished file into place, so that whatever is killed leaves no
half-written file among the results, and doing a job again writes the same bytes over the same names.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from anonymizer.clean import Clean, all_entries
from anonymizer.files import Refused, clean_file
from anonymizer.gate import Reason
from anonymizer.key import ProjectKey
from anonymizer.profile import Option, Profile
from anonymizer.pseudonym import Pseudonyms
from anonymizer.receipt import Receipt
from anonymizer.vault import Entry
from anonymizer.writing import written
from cad.errors import Refusal
from pipelines.deidentification.rows import ARCHIVE, DEIDENTIFIED, REFUSED, FileRow, packed
from pipelines.exchange import folders
from pipelines.exchange.folders import FoundFile

if TYPE_CHECKING:
    from anonymizer.defacing.account import FaceAccount
    from anonymizer.pixels.account import Picture

VaultPicture = tuple[str, str, bytes]
FILE_SECONDS = 3600.0


class Kind(StrEnum):
    """How the files of a job hang together."""

    FILES = "files"
    SERIES = "series"  # faces are removed: the files are one series and pass or are refused together
    LOOSE = "loose"  # faces are removed, and the headers gave no series: nothing passes


@dataclass(frozen=True, slots=True)
class DeidJob:
    """Some files of the export. `key` is idempotent: the same files under the same project key give the same job."""

    key: str
    files: tuple[FoundFile, ...]
    kind: Kind = Kind.FILES


@dataclass(frozen=True, slots=True)
class DeidOutcome:
    """How one job ended: its rows in the order of its files (`document`, see `rows.packed`), the receipts they name.

    `entries` and `pictures` (handle, name, PNG) belong in the vault and nowhere else. `broken` is the job
    itself when it gave no rows, and `why`.
    """

    key: str
    document: str
    files: int
    refused: int
    receipts: dict[str, str] = field(default_factory=dict)
    entries: tuple[Entry, ...] = field(default=(), repr=False)
    pictures: tuple[VaultPicture, ...] = field(default=(), repr=False)
    broken: DeidJob | None = None
    why: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Deidentify:
    """The work of a `DeidJob`. `work` is OUT's private folder; `files` is where results go, None keeps none (a dry run)."""

    key: ProjectKey
    profile: Profile
    work: Path
    files: Path | None
    for_vault: bool = False
    file_seconds: float = FILE_SECONDS

    def __call__(self, job: DeidJob) -> DeidOutcome:
        """De-identify each file. Raises OSError when the disk refuses: a file that did not fit is not a refused file."""
        bench = _Bench(self, self.work / job.key[:32])
        shutil.rmtree(bench.folder, ignore_errors=True)
        bench.folder.mkdir(mode=0o700)
        try:
            rows = bench.series(job.files) if job.kind is Kind.SERIES else [bench.row(found, job.kind) for found in job.files]
        finally:
            shutil.rmtree(bench.folder, ignore_errors=True)
        refused = sum(row.status == REFUSED for row in rows)
        return DeidOutcome(job.key, packed(rows), len(rows), refused, bench.receipts, tuple(bench.entries), tuple(bench.pictures))


@dataclass(frozen=True, slots=True)
class _Clean:
    """A file that passed: its bytes, the study and series UIDs in the output, and what was done to it."""

    handle: str
    pieces: tuple[bytes, ...] = field(repr=False)
    place: tuple[str, str]
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class _Staged:
    """The same, its bytes in a file of their own for now."""

    handle: str
    path: Path
    place: tuple[str, str]
    receipt: Receipt


@dataclass(slots=True)
class _Bench:
    """One job being worked on."""

    order: Deidentify
    folder: Path
    receipts: dict[str, str] = field(default_factory=dict)
    entries: dict[Entry, None] = field(default_factory=dict)
    pictures: list[VaultPicture] = field(default_factory=list)
    made: set[Path] = field(default_factory=set)

    def row(self, found: FoundFile, kind: Kind) -> FileRow:
        """One file from the export to its place in OUT."""
        clean = self._cleaned(found)
        if isinstance(clean, FileRow):
            return clean
        if kind is Kind.LOOSE:
            return FileRow(
                clean.handle, REFUSED, str(Reason.FACE_NOT_REMOVED), "its headers gave no series to look for a face in", *clean.place
            )
        size = sum(map(len, clean.pieces))
        row = self._row(clean, size)
        if self.order.files is not None:
            self._write(self._made(self.order.files.parent / row.output), clean.pieces)
        return row

    def series(self, files: Sequence[FoundFile]) -> list[FileRow]:
        """Files of one series: cleaned one by one, their faces removed together, then kept or refused together."""
        from anonymizer.defacing.files import deface_series

        cleaned = [self._staged(self._cleaned(found)) for found in files]
        staged = [clean.path for clean in cleaned if isinstance(clean, _Staged)]
        if not staged:
            return [clean for clean in cleaned if isinstance(clean, FileRow)]
        with _deadline(self.order.file_seconds):
            faces = deface_series(staged)
        if faces.verdict is not None:
            _must_be_written(faces.verdict.reason, faces.verdict.detail)
            why = (str(faces.verdict.reason), faces.verdict.detail)
            return [clean if isinstance(clean, FileRow) else FileRow(clean.handle, REFUSED, *why, *clean.place) for clean in cleaned]
        return [clean if isinstance(clean, FileRow) else self._kept(clean, faces.account) for clean in cleaned]

    def _cleaned(self, found: FoundFile) -> _Clean | FileRow:
        """A clean copy in the private folder, or the row of a file that was refused."""
        handle = Pseudonyms(self.order.key).file_handle(found.name)
        here = folders.fetched(found, self.folder / "member")
        if here.refusal:
            status = ARCHIVE if here.refusal.reason == folders.ARCHIVE else REFUSED
            return FileRow(handle, status, here.refusal.reason, here.refusal.detail)
        with _deadline(self.order.file_seconds):
            clean = clean_file(here.path, self.order.key, self.order.profile, all_entries if self.order.for_vault else None)
        if found.member is not None:
            here.path.unlink()
        return self._settled(handle, clean)

    def _settled(self, handle: str, clean: Clean | Refused) -> _Clean | FileRow:
        if isinstance(clean, Refused):
            return FileRow(handle, REFUSED, str(clean.verdict.reason), clean.verdict.detail, clean.study, clean.series)
        self.entries.update(dict.fromkeys(clean.entries))
        self.pictures += [told for picture in clean.pictures for told in _for_vault(handle, picture)]
        study, series = clean.place.split("/")
        return _Clean(handle, clean.pieces, (study, series), clean.receipt)

    def _staged(self, clean: _Clean | FileRow) -> _Staged | FileRow:
        """A clean file that waits for the others of its series."""
        if isinstance(clean, FileRow):
            return clean
        path = self._made(self.folder / "series" / clean.place[0] / clean.place[1] / f"{clean.handle}.dcm")
        self._write(path, clean.pieces)
        return _Staged(clean.handle, path, clean.place, clean.receipt)

    def _kept(self, staged: _Staged, faces: FaceAccount | None) -> FileRow:
        """Move a finished file to its place; a dry run leaves it."""
        row = self._row(staged, staged.path.stat().st_size, faces)
        if self.order.files is not None:
            staged.path.replace(self._made(self.order.files.parent / row.output))
        return row

    def _row(self, clean: _Clean | _Staged, size: int, faces: FaceAccount | None = None) -> FileRow:
        digest, text = receipt_text(clean.receipt, faces)
        self.receipts[digest] = text
        return FileRow(clean.handle, DEIDENTIFIED, "", "", *clean.place, size, digest)

    def _write(self, path: Path, pieces: Sequence[bytes]) -> None:
        """Whole or not at all: what is half-written lies in the private folder. Raises OSError when the disk refuses."""
        verdict = written(path, pieces, self.folder)
        if verdict is not None:
            _must_be_written(verdict.reason, verdict.detail)

    def _made(self, path: Path) -> Path:
        """The same path, its folder there."""
        if path.parent not in self.made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.made.add(path.parent)
        return path


def _for_vault(handle: str, picture: Picture) -> tuple[VaultPicture, VaultPicture]:
    left, top, width, height = picture.box
    name = f"frame-{picture.frame}-at-{left}-{top}-{width}x{height}"
    return (handle, f"{name}-before", picture.before), (handle, f"{name}-after", picture.after)


def _must_be_written(reason: str, detail: str) -> None:
    """Raise OSError for a refusal that says nothing about the file, only that our own disk refused."""
    if reason == Reason.NOT_WRITTEN:
        full = any(os.strerror(code) in detail for code in (errno.ENOSPC, errno.EDQUOT))
        raise OSError(errno.ENOSPC if full else errno.EIO, "the private work folder cannot be written")


def rows_refused(job: DeidJob, key: ProjectKey, why: Refusal) -> list[FileRow]:
    """Rows for a job that could not be done at all."""
    return [FileRow(Pseudonyms(key).file_handle(found.name), REFUSED, why.reason, why.detail) for found in job.files]


@lru_cache(maxsize=512)
def receipt_text(receipt: Receipt, faces: FaceAccount | None = None) -> tuple[str, str]:
    """The sha256 of a receipt as one line of JSON, and that line; the slices of a series share theirs."""
    told = receipt.claiming(Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES) if faces else receipt
    document = told.to_json() | ({"defacing": faces.to_json()} if faces else {})
    text = json.dumps(document, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest(), text


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """A worker process that does not come back from a file is ended by the kernel; the file is then refused as one that crashed.

    Not a Python handler: what hangs may never come back to the interpreter. Without a process of its own nothing is ended.
    """
    if parent_process() is None or not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
