"""What a DICOMDIR refers to (PS3.10 section 8, PS3.3 annex F): the files of a medium in its order, and what is not there.

A file ID is a list of components; a component never becomes more than the name of an entry that was found in its
folder, and links are not followed, so nothing outside the medium can be meant. Media are written in capitals and read
on systems that show small letters, version numbers (`IM1.;1`) or both; a component matches whatever the case.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from anonymizer import reading
from anonymizer.gate import Verdict

INDEX = "dicomdir"
MAX_INDEX_BYTES = 2**28
_RECORDS, _FILE_ID, _IN_USE = 0x00041220, 0x00041500, 0x00041410
_INACTIVE = 0


@dataclass(frozen=True, slots=True)
class Reference:
    """One file that a DICOMDIR refers to: `wanted` as it is written there, `place` where it lies under the folder, or ""."""

    wanted: str
    place: str


def is_index_name(name: str) -> bool:
    """Whether a file is called DICOMDIR, however the medium is shown."""
    return _folded(name) == INDEX


def is_index(path: Path) -> bool:
    """Whether a file is a DICOMDIR by its name or by its content."""
    if is_index_name(path.name):
        return True
    headers = reading.read_headers(path)
    return not isinstance(headers, Verdict) and _RECORDS in headers


def references(folder: Path, index: str) -> tuple[Reference, ...]:
    """Each file once, in the order of the records in use; none when the DICOMDIR cannot be read."""
    path = folder / index
    if path.stat().st_size > MAX_INDEX_BYTES:
        return ()
    medium, found = _Medium(folder), dict[str, Reference]()
    for components in _file_ids(path):
        reference = Reference("/".join(components), medium.place(components))
        found.setdefault(reference.place or f"\0{reference.wanted}", reference)
    return tuple(found.values())


def _file_ids(path: Path) -> Iterator[tuple[str, ...]]:
    dataset = reading.read(path)
    if isinstance(dataset, Verdict):
        return
    with reading.quietly():
        try:
            records = dataset[_RECORDS].value if _RECORDS in dataset else ()
            for record in records:
                if _FILE_ID in record and not _is_inactive(record):
                    yield _components(record[_FILE_ID].value)
        except reading.PARSE_ERRORS:
            return


def _is_inactive(record: Dataset) -> bool:
    return _IN_USE in record and record[_IN_USE].value == _INACTIVE


def _components(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return tuple(str(part).strip(" \0") for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class _Medium:
    """The folders below one DICOMDIR as they are listed, each read once."""

    root: Path
    _listings: dict[str, dict[str, tuple[str, bool]]] = field(default_factory=dict)

    def place(self, components: tuple[str, ...]) -> str:
        """Where a file ID leads, relative to the root with slashes; "" when it leads nowhere, to a folder, or through a link."""
        here, is_folder = "", True
        for component in components:
            entry = self._listing(here).get(component) or self._listing(here).get(_folded(component)) if is_folder else None
            if entry is None:
                return ""
            name, is_folder = entry
            here = f"{here}/{name}" if here else name
        return "" if is_folder else here

    def _listing(self, below: str) -> dict[str, tuple[str, bool]]:
        """Names as they are and folded, each with the real name and whether it is a folder (a link is none)."""
        if below not in self._listings:
            entries: dict[str, tuple[str, bool]] = {}
            try:
                with os.scandir(self.root / below) as scanned:
                    found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in scanned)
            except OSError:
                found = []
            for name, is_folder in found:
                entries.setdefault(_folded(name), (name, is_folder))
            self._listings[below] = entries | {name: (name, is_folder) for name, is_folder in found}
        return self._listings[below]


def _folded(name: str) -> str:
    return name.casefold().split(";")[0].rstrip(".")
