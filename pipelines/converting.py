"""`shoken convert`: every series of an export as NIfTI, made from de-identified files only, and what became of each file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cad.errors import Refusal
from cad.read.convert import ConvertedVolume, convert_series
from cad.read.headers import read_headers
from cad.read.limits import Limits
from cad.study import Series
from cad.write.folder import write_file
from pipelines import wiring
from pipelines.config import Settings
from pipelines.desk import Desk
from pipelines.exchange.folders import ARCHIVE, is_empty, root_of, walk
from pipelines.outfolder import OutError, check_apart, full_disk_named, require_new

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FileRow:
    """What became of one input file: `status` deidentified, converted, archive or refused.

    `output` is the volume it is in, relative to OUT; a file of many frames may be in several, separated by a comma and a space.
    """

    file: str
    index: int
    status: str
    reason: str = ""
    detail: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """What became of one series: its volumes, and what was put right on the way to them (a tilt sheared back, steps made even)."""

    series: str
    modality: str
    files: int
    refused: int
    volumes: tuple[ConvertedVolume, ...]
    warnings: tuple[Warned, ...]


@dataclass(frozen=True, slots=True)
class Warned:
    """A code and a sentence."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """One row an input file, one row a series."""

    files: tuple[FileRow, ...]
    series: tuple[SeriesRow, ...]


def convert_export(source: Path, out: Path, settings: Settings, say: Say) -> Conversion:
    """Write every series that is a volume as OUT/<series>[-n].nii.gz, with `manifest.jsonl` (a line a file) and
    `series.jsonl` (a line a series: volumes and warnings). Raises ShokenError.
    """
    check_apart(root_of(source), out)
    if is_empty(source):
        raise OutError("there is not one file in it", subject=f"IN {source}", accepted="a folder, DICOMDIR or zip of DICOM files")
    require_new(out)
    desk = wiring.desk(settings)
    with tempfile.TemporaryDirectory(dir=out, prefix=".shoken-") as private, full_disk_named(out):
        rows = tuple(_deidentified(source, Path(private, "files"), Path(private), desk, say))
        found = tuple(_converted(Path(private, "files"), out, rows, settings.reading, say))
        fates = {row.file: row for row in found if isinstance(row, FileRow)}
        done = Conversion(tuple(fates.get(row.file, row) for row in rows), tuple(row for row in found if isinstance(row, SeriesRow)))
        _write(out / "manifest.jsonl", done.files)
        _write(out / "series.jsonl", done.series)
    return done


def _write(path: Path, rows: Sequence[FileRow | SeriesRow]) -> None:
    lines = (json.dumps(asdict(row), ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    write_file(path, "".join(lines).encode())


def _deidentified(source: Path, kept: Path, private: Path, desk: Desk, say: Say) -> Iterator[FileRow]:
    for index, found in enumerate(walk(source, private / "unpacked")):
        say(f"{index + 1} files")
        handle = desk.handle(found.name)
        if found.refusal:
            status = ARCHIVE if found.refusal.reason == ARCHIVE else "refused"
            yield FileRow(handle, index, status, found.refusal.reason, found.refusal.detail)
            continue
        passed, refused = desk.deidentify({handle: found.path}, kept)
        if handle in refused:
            yield FileRow(handle, index, "refused", refused[handle].reason, refused[handle].detail)
        else:
            yield FileRow(handle, index, "deidentified", output=passed[handle].relative_to(kept.parent).as_posix())


def _converted(files: Path, out: Path, rows: Sequence[FileRow], limits: Limits, say: Say) -> Iterator[FileRow | SeriesRow]:
    """New rows for the files that were de-identified, and a row for each series."""
    by_path = {str(files.parent / row.output): row for row in rows if row.output}
    scan = read_headers(sorted(map(Path, by_path)))
    for refusal in scan.refusals:
        yield _refused(by_path[refusal.path], refusal)
    for series in (series for study in scan.studies for series in study.series):
        say(f"series with {len(series.instances)} images")
        yield from _series(series, files.parent / "volumes", out, by_path, limits)


def _series(series: Series, drafts: Path, out: Path, by_path: dict[str, FileRow], limits: Limits) -> Iterator[FileRow | SeriesRow]:
    """Volumes are written aside and moved to their places when they are whole."""
    done = convert_series(series, drafts, series.series_instance_uid, limits)
    for name in done.outputs:
        (drafts / name).replace(out / name)
    for made in done.rows:
        row = by_path[made.path]
        if made.outputs:
            yield replace(row, status="converted", reason=made.reason, detail=made.detail, output=", ".join(made.outputs))
        else:
            default = Refusal("", "not_in_volume", "no volume could be made with this file")
            yield _refused(row, Refusal("", made.reason, made.detail) if made.reason else default)
    warned = tuple(Warned(warning.reason, warning.detail) for warning in done.warnings)
    refused = sum(not made.outputs for made in done.rows)
    yield SeriesRow(series.series_instance_uid, series.modality, len(done.rows), refused, done.volumes, warned)


def _refused(row: FileRow, refusal: Refusal) -> FileRow:
    return replace(row, status="refused", reason=refusal.reason, detail=refusal.detail, output="")
