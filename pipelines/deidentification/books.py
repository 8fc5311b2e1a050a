"""What is done, kept so that it survives `kill -9`: finished jobs with their rows in the ledger, originals in the vault only.

The ledger holds pseudonyms, sizes and receipts, never a name of the export. A job is recorded after its files lie in
their places and its entries in the vault; several at a time, since each transaction waits for the disk.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from anonymizer.vault import Entry
from pipelines.deidentification.rows import DEIDENTIFIED, FileRow, unpacked
from pipelines.deidentification.work import DeidOutcome
from pipelines.outfolder import DiskFullError
from pipelines.runners.ledger import JobLedger, Record

SCANNED = "scanned"
SECONDS_BETWEEN, MOST_WAITING = 1.0, 256


class Entries(Protocol):
    """Where originals go (`anonymizer.vault.Vault`). Contract: what was added is on disk when the call returns."""

    def add(self, entries: Iterable[Entry]) -> int:
        """Put entries in, all or none."""
        ...

    def add_picture(self, handle: str, name: str, png: bytes) -> None:
        """Keep a picture of a file; the same one twice is kept once."""
        ...


class Books:
    """The account of one run, open. `places` of every job are kept in the order in which the jobs came."""

    def __init__(self, root: Path, ledger: JobLedger, vault: Entries | None = None) -> None:
        self.root = root
        self.ledger = ledger
        self.vault = vault
        self.jobs: list[tuple[str, Sequence[int]]] = []
        self._present: set[str] = set()
        self._waiting: list[DeidOutcome] = []
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None or not issubclass(kind, OSError | DiskFullError | sqlite3.Error):
            self.flush()

    def expect(self, key: str, places: Sequence[int]) -> None:
        """A job of the present export, done or not."""
        self.jobs.append((key, places))
        self._present.add(key)

    def done(self, key: str) -> list[FileRow] | None:
        """The rows of a finished job whose files are in place with their sizes; None when it must be done (again)."""
        document = self.ledger.document(key)
        rows = unpacked(document) if document else None
        return None if rows is None or not all(map(self._in_place, rows)) else rows

    def scanned(self, key: str) -> str:
        """What was found in the headers of a chunk, or ""."""
        self._present.add(key)
        return self.ledger.document(key)

    def record_scan(self, key: str, names: str) -> None:
        """Remember what was found in the headers of a chunk."""
        self.ledger.record(key, _digest(names), SCANNED, names)

    def record(self, outcome: DeidOutcome) -> None:
        """A job ended; written with others after a second at most."""
        self._waiting.append(outcome)
        if len(self._waiting) >= MOST_WAITING or time.monotonic() - self._written > SECONDS_BETWEEN:
            self.flush()

    def flush(self) -> None:
        """Write what waits: originals to the vault first, then the ledger."""
        if self._waiting and self.vault is not None:
            self.vault.add(dict.fromkeys(entry for outcome in self._waiting for entry in outcome.entries))
            for handle, name, png in (picture for outcome in self._waiting for picture in outcome.pictures):
                self.vault.add_picture(handle, name, png)
        receipts = {digest: text for outcome in self._waiting for digest, text in outcome.receipts.items()}
        rows = (Record(outcome.key, _digest(outcome.document), DEIDENTIFIED, outcome.document) for outcome in self._waiting)
        if self._waiting:
            self.ledger.record_all(rows, receipts)
        self._waiting.clear()
        self._written = time.monotonic()

    def rows(self) -> Iterator[tuple[int, FileRow]]:
        """(place, row) of every file, in the order of the walk."""
        follow = all(isinstance(places, range) for _, places in self.jobs)
        rows = (pair for key, places in self.jobs for pair in zip(places, unpacked(self.ledger.document(key)), strict=True))
        return rows if follow else iter(sorted(rows, key=lambda pair: pair[0]))

    def forget_the_rest(self) -> None:
        """Drop jobs that the export does not lead to any more."""
        self.ledger.forget(self.ledger.keys() - self._present)

    def _in_place(self, row: FileRow) -> bool:
        if not row.output:
            return True
        try:
            return (self.root / row.output).stat().st_size == row.size
        except OSError:
            return False


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
