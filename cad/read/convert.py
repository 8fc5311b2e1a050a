"""For people who only want volumes: a series to NIfTI files, and a row for every file about what became of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cad.errors import Refusal
from cad.read.assemble import assemble
from cad.read.limits import Limits
from cad.read.nifti import write_nifti
from cad.study import Series


@dataclass(frozen=True, slots=True)
class ConvertedFile:
    """One input file: `status` is "converted" with the names of the volumes that hold it, or "refused" with a reason.

    A file of many frames may be both: then it is "converted" and `reason` says what was left out.
    """

    path: str
    status: str
    outputs: tuple[str, ...] = ()
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ConvertedVolume:
    """One file written: `shape` is (slices, rows, columns), `spacing_mm` along them, `unit` HU or a.u."""

    name: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    unit: str


@dataclass(frozen=True, slots=True)
class Converted:
    """Rows for the manifest, one a file in order of path; the volumes written; warnings about the series."""

    rows: tuple[ConvertedFile, ...]
    volumes: tuple[ConvertedVolume, ...]
    warnings: tuple[Refusal, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the files written."""
        return tuple(volume.name for volume in self.volumes)


def convert_series(series: Series, out_folder: Path, stem: str = "", limits: Limits | None = None) -> Converted:
    """Write each volume of a series as `<stem>.nii.gz` (`<stem>-1.nii.gz`, ... when there are several).

    `stem` defaults to 16 hexadecimal digits of the series UID's digest, so that no header value becomes a path.
    Raises OSError when `out_folder` cannot be written.
    """
    stem = stem or hashlib.sha256(series.series_instance_uid.encode()).hexdigest()[:16]
    read = assemble(series, limits)
    out_folder.mkdir(parents=True, exist_ok=True)
    held: dict[str, list[str]] = {}
    names = [f"{stem}.nii.gz"] if len(read.volumes) == 1 else [f"{stem}-{i + 1}.nii.gz" for i in range(len(read.volumes))]
    for name, volume in zip(names, read.volumes, strict=True):
        write_nifti(volume, out_folder / name)
        for path in dict.fromkeys(str(ref.path) for ref in volume.sources):
            held.setdefault(path, []).append(name)
    refused = {refusal.path: refusal for refusal in read.refusals}
    paths = sorted({str(ref.path) for ref in series.instances})
    rows = tuple(_row(path, held.get(path, []), refused.get(path)) for path in paths)
    made = (ConvertedVolume(n, v.grid.shape, v.grid.spacing_mm, v.unit) for n, v in zip(names, read.volumes, strict=True))
    return Converted(rows, tuple(made), read.warnings)


def _row(path: str, names: list[str], refusal: Refusal | None) -> ConvertedFile:
    status = "converted" if names else "refused"
    return ConvertedFile(path, status, tuple(names), refusal.reason if refusal else "", refusal.detail if refusal else "")
