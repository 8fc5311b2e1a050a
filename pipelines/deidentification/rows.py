"""One row an input file, and how the ledger keeps a job's rows in few bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

DEIDENTIFIED, REFUSED, ARCHIVE = "deidentified", "refused", "archive"
FILES = "files"


class FileRow(NamedTuple):
    """What became of one input file.

    `file` is its pseudonymous handle; `status` deidentified, refused or archive (its members have rows of their own);
    `study` and `series` are pseudonymous UIDs, empty where not known; `size` in bytes of what was written, `receipt` the
    sha256 of the receipt that says what was done. A named tuple: an export has millions of them.
    """

    file: str
    status: str
    reason: str = ""
    detail: str = ""
    study: str = ""
    series: str = ""
    size: int = 0
    receipt: str = ""

    @property
    def output(self) -> str:
        """The path relative to OUT, empty where nothing was written."""
        return f"{FILES}/{self.study}/{self.series}/{self.file}.dcm" if self.status == DEIDENTIFIED else ""


def manifest_line(row: FileRow, index: int) -> str:
    """The row as one line of JSON; `index` is its place in the walk, from 0."""
    shown = {name: getattr(row, name) for name in ("file", "status", "reason", "detail", "study", "series", "output", "receipt")}
    return json.dumps({**shown, "index": index}, ensure_ascii=False, sort_keys=True) + "\n"


def packed(rows: Iterable[FileRow]) -> str:
    """Rows as JSON in which places and fates, which many rows share, are written once."""
    places: dict[tuple[str, str], int] = {}
    fates: dict[tuple[str, str, str, str], int] = {}
    short = [
        (
            row.file,
            places.setdefault((row.study, row.series), len(places)),
            fates.setdefault((row.status, row.reason, row.detail, row.receipt), len(fates)),
            row.size,
        )
        for row in rows
    ]
    return json.dumps({"places": list(places), "fates": list(fates), "rows": short}, ensure_ascii=False, separators=(",", ":"))


def unpacked(document: str) -> list[FileRow]:
    """The rows that `packed` wrote, in their order."""
    held = json.loads(document)
    places, fates = held["places"], held["fates"]
    rows = []
    for file, place, fate, size in held["rows"]:
        status, reason, detail, receipt = fates[fate]
        study, series = places[place]
        rows.append(FileRow(file, status, reason, detail, study, series, size, receipt))
    return rows
