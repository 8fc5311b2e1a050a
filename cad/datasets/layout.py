"""What an importer is, and the book in which every input file ends up used or refused."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cad.datasets.scan import LabelledScan
from cad.errors import Refusal, ShokenError

USED, REFUSED = "used", "refused"
NOT_IN_LAYOUT = "not_in_layout"
_BLOCK = 1 << 20


class DataSetError(ShokenError):
    """A data set that is not there, not whole, or not what it was called."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to take from a source: `regions` are names of segments that count as lesions; empty: the layout's own rule."""

    regions: tuple[str, ...] = ()


class Layout(Protocol):
    """One way in which a data set lies on disk.

    Contract: `scans` yields every scan it can label and notes in `book` what became of the files it touched; bad data
    become refusals there, never exceptions. It keeps nothing of a header but geometry and `handle`s.
    """

    @property
    def name(self) -> str:
        """As given on the command line."""
        ...

    @property
    def expects(self) -> str:
        """Files and folders, a line each."""
        ...

    @property
    def licence(self) -> str:
        """Under what the public data set is given out; "" where that depends on the source."""
        ...

    def scans(self, book: Book, wanted: Wanted) -> Iterator[LabelledScan]:
        """Labelled scans, one in memory at a time. Raises DataSetError where the folder is not of this layout at all."""
        ...


@dataclass(frozen=True, slots=True)
class FileRow:
    """One input file by its place in the sorted source and the digest of its bytes; its name may identify and is not kept."""

    index: int
    sha256: str
    status: str
    reason: str = ""
    detail: str = ""


@dataclass(slots=True, eq=False)
class Book:
    """Files below `root` and what became of each; a file that nobody spoke for was not in the layout."""

    root: Path
    files: tuple[Path, ...] = ()
    used: set[Path] = field(default_factory=set)
    refused: dict[Path, Refusal] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> Book:
        """Every file below a folder, sorted; links are not followed. Raises DataSetError for an empty or missing folder."""
        if not root.is_dir():
            raise DataSetError("there is no such folder", subject=str(root), accepted="the folder of a data set")
        files = tuple(sorted(Path(folder) / name for folder, _, names in os.walk(root) for name in names))
        if not files:
            raise DataSetError("there is not one file in it", subject=str(root), accepted="the folder of a data set")
        book = cls(root, files)
        for path in files:
            if path.is_symlink() or not path.is_file():
                book.refuse(path, "link_not_followed", "a link or device, not a file")
        return book

    def open_files(self) -> tuple[Path, ...]:
        """Files that nothing has been said of yet."""
        return tuple(path for path in self.files if path not in self.used and path not in self.refused)

    def use(self, *paths: Path) -> None:
        """These files went into a scan or its labels."""
        self.used.update(paths)

    def refuse(self, path: Path, reason: str, detail: str) -> None:
        """This file was not used; what was said first stays, except where it is used after all."""
        self.refused.setdefault(path, Refusal("", reason, detail))

    def rows(self) -> tuple[FileRow, ...]:
        """One row a file: files in = used + refused."""
        return tuple(self._row(index, path) for index, path in enumerate(self.files))

    def _row(self, index: int, path: Path) -> FileRow:
        if path in self.used:
            return FileRow(index, digest_of(path), USED)
        refusal = self.refused.get(path) or Refusal("", NOT_IN_LAYOUT, "no part of this layout")
        digest = "" if refusal.reason == "link_not_followed" else digest_of(path)
        return FileRow(index, digest, REFUSED, refusal.reason, refusal.detail)


def reasons(rows: tuple[FileRow, ...]) -> dict[str, int]:
    """How many files were refused for which reason."""
    return dict(sorted(Counter(row.reason for row in rows if row.status == REFUSED).items()))


def digest_of(path: Path) -> str:
    """sha256 of a file; "" where it cannot be read."""
    state = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                state.update(block)
    except OSError:
        return ""
    return state.hexdigest()
