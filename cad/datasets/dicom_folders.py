"""DICOM folders to volumes, one folder at a time, with every file in the book."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from pydicom import dcmread

from cad.datasets.layout import Book
from cad.datasets.scan import handle
from cad.read.assemble import assemble
from cad.read.facts import BROKEN, discreet
from cad.read.headers import read_headers
from cad.study import Series, Study
from cad.volume import Volume

_DICM = 128, b"DICM"


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """One volume with the handles of what it belongs to and the files that make it; `series_uid` stays in memory."""

    volume: Volume
    series_uid: str
    patient: str
    study: str
    series: str
    paths: tuple[Path, ...]


def is_dicom(path: Path) -> bool:
    """Whether a file has the DICOM preamble, or a name that says so."""
    try:
        with path.open("rb") as stream:
            stream.seek(_DICM[0])
            return stream.read(4) == _DICM[1] or path.suffix.lower() == ".dcm"
    except OSError:
        return False


def by_folder(paths: Iterable[Path]) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    """Files by the folder that holds them."""
    for folder, group in groupby(sorted(paths, key=lambda p: (str(p.parent), p.name)), key=lambda p: p.parent):
        yield folder, tuple(group)


def volumes(paths: Iterable[Path], book: Book, *, public: str = "") -> Iterator[Read]:
    """Every volume in these files; what is in none is refused in the book. Volumes are not marked used: labels decide.

    `public` names a layout whose files must say that identity was removed (PatientIdentityRemoved, PS3.15 E.1); empty
    for files that the caller has de-identified.
    """
    scan = read_headers(paths)
    for refusal in scan.refusals:
        book.refuse(Path(refusal.path), refusal.reason, refusal.detail)
    for study, series in [(each, series) for each in scan.studies for series in each.series]:
        if public and not _says_removed(series.instances[0].path):
            detail = f"PatientIdentityRemoved is not YES, as in {public}; import such files with the layout `plain`"
            for path in {ref.path for ref in series.instances}:
                book.refuse(path, "identity_not_removed", detail)
        else:
            yield from _of_series(study, series, book)


def _of_series(study: Study, series: Series, book: Book) -> Iterator[Read]:
    read = assemble(series)
    for refusal in read.refusals:
        book.refuse(Path(refusal.path), refusal.reason, refusal.detail)
    for volume in read.volumes:
        yield Read(
            volume,
            series.series_instance_uid,
            handle("patient", study.patient or study.study_instance_uid),
            handle("study", study.study_instance_uid),
            handle("series", series.series_instance_uid),
            tuple(sorted({ref.path for ref in volume.sources})),
        )


def _says_removed(path: Path) -> bool:
    with discreet():
        try:
            dataset = dcmread(path, stop_before_pixels=True, specific_tags=["PatientIdentityRemoved"], force=True)
            return str(dataset.get("PatientIdentityRemoved", "")).upper() == "YES"
        except BROKEN:
            return False
