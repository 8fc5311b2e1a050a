"""A data set on disk: scans, a manifest with the digest of every file, and one fingerprint over all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cad.datasets.coverage import coverage, coverage_text
from cad.datasets.layout import Book, DataSetError, FileRow, Layout, Wanted, digest_of, reasons
from cad.datasets.pixels import slice_digests
from cad.datasets.scan import LabelledScan
from cad.datasets.stored import facts_of, read_scan, write_scan
from cad.write.folder import write_file

MANIFEST, FILES, SCANS = "dataset.json", "files.jsonl", "scans"
SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class DataSet:
    """An imported data set: its folder and its manifest. `case` names are `0001` and so on, in order of import."""

    root: Path
    manifest: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """sha256 over the manifest, and so over every file of the data set."""
        return str(self.manifest["fingerprint"])

    @property
    def cases(self) -> tuple[dict[str, Any], ...]:
        """The manifest's row of each scan."""
        return tuple(self.manifest["cases"])

    def scan(self, case: str) -> LabelledScan:
        """One scan with all its marks."""
        return read_scan(self.root / SCANS / case)

    def slices(self) -> dict[str, tuple[str, ...]]:
        """The pixel digests of each case."""
        return {row["case"]: tuple(row["slices"]) for row in self.cases}

    def faults(self) -> tuple[str, ...]:
        """What is not as the manifest says: one sentence a file. Reads every byte."""
        found = []
        for name, digest in self._files():
            path = self.root / name
            if not path.is_file():
                found.append(f"{name} is missing")
            elif digest_of(path) != digest:
                found.append(f"{name} was changed")
        if fingerprint_of(self.manifest) != self.fingerprint:
            found.append(f"{MANIFEST} was changed")
        return tuple(found)

    def _files(self) -> list[tuple[str, str]]:
        scans = [(f"{SCANS}/{row['case']}/{name}", digest) for row in self.cases for name, digest in sorted(row["files"].items())]
        return [(FILES, self.manifest["files"]), *scans]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a data set comes from.

    `book` is what the importer reads. Where that is a copy made for it (de-identified files), `original` is the book of the
    source and `origins` the file behind each copy: what became of a copy became of its original.
    """

    layout: Layout
    book: Book
    wanted: Wanted
    licence: str = ""
    original: Book | None = None
    origins: Mapping[Path, Path] = field(default_factory=dict)

    def rows(self) -> tuple[FileRow, ...]:
        """One row a file of the source."""
        if self.original is None:
            return self.book.rows()
        for copy, path in self.origins.items():
            if copy in self.book.used:
                self.original.use(path)
            elif refusal := self.book.refused.get(copy):
                self.original.refuse(path, refusal.reason, refusal.detail)
        return self.original.rows()


def import_data(source: Source, out: Path, progress: Callable[[str], None]) -> DataSet:
    """Read a source into an empty folder. Raises DataSetError when no scan could be used, ShokenError when the disk refuses.

    A run that is killed leaves no `dataset.json`: what has none is no data set.
    """
    cases: list[dict[str, Any]] = []
    for scan in source.layout.scans(source.book, source.wanted):
        case = f"{len(cases) + 1:04d}"
        names = write_scan(scan, out / SCANS / case)
        digests = {name: digest_of(out / SCANS / case / name) for name in names}
        cases.append({"case": case, "files": digests, "slices": slice_digests(scan.volume), **facts_of(scan)})
        progress(f"scan {len(cases)}: {len(scan.lesions)} lesions")
    progress("digests of the source")
    rows = source.rows()
    if not cases:
        raise DataSetError(f"gave no scan that can be used: {reasons(rows)}", subject=source.layout.name, accepted=source.layout.expects)
    lines = "".join(json.dumps(asdict(row), sort_keys=True) + "\n" for row in rows).encode()
    write_file(out / FILES, lines)
    manifest = _manifest(source, cases, rows, hashlib.sha256(lines).hexdigest())
    report = coverage(cases)
    write_file(out / "coverage.json", _json(report))
    write_file(out / "coverage.txt", coverage_text(report).encode())
    write_file(out / MANIFEST, _json(manifest))
    return open_data(out)


def open_data(root: Path) -> DataSet:
    """An imported data set. Raises DataSetError for a folder that is none, or whose manifest was changed."""
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        whole = manifest["fingerprint"] == fingerprint_of(manifest) and manifest["schema_version"] == SCHEMA_VERSION
    except (OSError, ValueError, KeyError, TypeError):
        raise DataSetError("is no imported data set", subject=str(root), accepted="what `shoken data import` wrote") from None
    if not whole:
        raise DataSetError("has a manifest that was changed", subject=str(root), accepted="the data set as it was imported")
    return DataSet(root, manifest)


def fingerprint_of(manifest: dict[str, Any]) -> str:
    """sha256 over the manifest in canonical form, its own field left out."""
    rest = {key: value for key, value in manifest.items() if key != "fingerprint"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _manifest(source: Source, cases: list[dict[str, Any]], rows: tuple[FileRow, ...], files: str) -> dict[str, Any]:
    refused = reasons(rows)
    manifest: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "layout": source.layout.name,
        "regions": list(source.wanted.regions),
        "licence": source.licence or source.layout.licence or "not stated",
        "files_in": len(rows),
        "used": len(rows) - sum(refused.values()),
        "refused": refused,
        "files": files,
        "patients": len({case["patient"] for case in cases}),
        "studies": len({case["study"] for case in cases}),
        "scans": len(cases),
        "lesions": sum(lesion["agreement"] > 0 for case in cases for lesion in case["lesions"]),
        "places_marked": sum(len(case["lesions"]) for case in cases),
        "cases": json.loads(json.dumps(cases)),
    }
    return {**manifest, "fingerprint": fingerprint_of(manifest)}


def _json(document: Any) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
