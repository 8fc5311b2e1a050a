"""Two short jobs on an export: de-identify it, or write its series as NIfTI (from de-identified files only)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cad.errors import Refusal
from cad.read.assemble import assemble
from cad.read.headers import read_headers
from cad.read.nifti import write_nifti
from cad.study import Series
from cad.write.folder import write_file
from pipelines import wiring
from pipelines.config import Settings
from pipelines.desk import Desk
from pipelines.exchange.folders import is_empty, walk
from pipelines.outfolder import OutError, check_apart, full_disk_named, require_new

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FileRow:
    """What became of one input file: `status` deidentified, converted, archive or refused; `output` relative to OUT."""

    file: str
    index: int
    status: str
    reason: str = ""
    detail: str = ""
    output: str = ""


def deidentify_export(source: Path, out: Path | None, settings: Settings, say: Say) -> tuple[FileRow, ...]:
    """De-identify every file into OUT/files, with `manifest.jsonl`. Without OUT nothing is kept. Raises ShokenError."""
    _check(source, out)
    desk = wiring.desk(settings)
    with tempfile.TemporaryDirectory(dir=out, prefix=".shoken-") as private, full_disk_named(out or Path(private)):
        kept = out / "files" if out else Path(private, "files")
        rows = tuple(_deidentified(source, kept, Path(private), desk, say))
        if out:
            _write_manifest(out, rows)
    return rows


def convert_export(source: Path, out: Path, settings: Settings, say: Say) -> tuple[FileRow, ...]:
    """Write every series that is a volume as OUT/<series>[-n].nii.gz, with `manifest.jsonl`. Raises ShokenError."""
    _check(source, out)
    desk = wiring.desk(settings)
    with tempfile.TemporaryDirectory(dir=out, prefix=".shoken-") as private, full_disk_named(out):
        rows = tuple(_deidentified(source, Path(private, "files"), Path(private), desk, say))
        fates = dict(_converted(Path(private, "files"), out, rows, say))
        settled = tuple(fates.get(row.file, row) for row in rows)
        _write_manifest(out, settled)
    return settled


def _check(source: Path, out: Path | None) -> None:
    check_apart(source, out or Path(tempfile.gettempdir(), "shoken-dry-run"))
    if is_empty(source):
        raise OutError("there is not one file in it", subject=f"IN {source}", accepted="a folder or zip of DICOM files")
    if out:
        require_new(out)


def _deidentified(source: Path, kept: Path, private: Path, desk: Desk, say: Say) -> Iterator[FileRow]:
    for index, found in enumerate(walk(source, private / "unpacked")):
        say(f"{index + 1} files")
        handle = desk.handle(found.name)
        if found.refusal:
            status = "archive" if found.refusal.reason == "archive" else "refused"
            yield FileRow(handle, index, status, found.refusal.reason, found.refusal.detail)
            continue
        passed, refused = desk.deidentify({handle: found.path}, kept)
        if handle in refused:
            yield FileRow(handle, index, "refused", refused[handle].reason, refused[handle].detail)
        else:
            yield FileRow(handle, index, "deidentified", output=passed[handle].relative_to(kept.parent).as_posix())


def _converted(files: Path, out: Path, rows: Sequence[FileRow], say: Say) -> Iterator[tuple[str, FileRow]]:
    """New rows by handle for the files that were de-identified."""
    by_path = {files.parent / row.output: row for row in rows if row.output}
    scan = read_headers(sorted(by_path))
    for refusal in scan.refusals:
        yield _refused(by_path[Path(refusal.path)], refusal)
    for series in (series for study in scan.studies for series in study.series):
        say(f"series with {len(series.instances)} images")
        yield from _series(series, out, by_path)


def _series(series: Series, out: Path, by_path: dict[Path, FileRow]) -> Iterator[tuple[str, FileRow]]:
    made = assemble(series)
    said = {refusal.path: refusal for refusal in made.refusals}
    written: dict[Path, str] = {}
    for number, volume in enumerate(made.volumes, 1):
        name = f"{series.series_instance_uid}{f'-{number}' if len(made.volumes) > 1 else ''}.nii.gz"
        draft = out / f".{name.removesuffix('.nii.gz')}.partial.nii.gz"
        write_nifti(volume, draft)
        draft.replace(out / name)
        written |= {ref.path: name for ref in volume.sources}
    for path in sorted({ref.path for ref in series.instances}):
        row = by_path[path]
        if path in written:
            yield row.file, replace(row, status="converted", output=written[path])
        else:
            default = Refusal("", "not_in_volume", "no volume could be made with this file")
            yield _refused(row, said.get(str(path)) or said.get(series.series_instance_uid) or default)


def _refused(row: FileRow, refusal: Refusal) -> tuple[str, FileRow]:
    return row.file, replace(row, status="refused", reason=refusal.reason, detail=refusal.detail, output="")


def _write_manifest(out: Path, rows: Sequence[FileRow]) -> None:
    lines = (json.dumps(asdict(row), ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    write_file(out / "manifest.jsonl", "".join(lines).encode())
