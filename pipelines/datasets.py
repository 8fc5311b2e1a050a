"""`shoken data import`: a data set from its own layout; one's own images are de-identified before they are read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cad.datasets.layout import Book, DataSetError, Wanted
from cad.datasets.layouts import layout_named
from cad.datasets.plain import IMAGE, OTHER, READER, kind_of
from cad.datasets.store import DataSet, Source, import_data
from pipelines import wiring
from pipelines.config import Settings
from pipelines.desk import Desk
from pipelines.outfolder import check_apart, full_disk_named, require_new

Say = Callable[[str], None]
PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Import:
    """What to import: the layout's name, names of segments that are lesions, and a note on the licence."""

    layout: str
    source: Path
    regions: tuple[str, ...] = ()
    licence: str = ""


def import_data_set(order: Import, out: Path, settings: Settings, say: Say) -> DataSet:
    """Import into a new or empty folder. Raises ShokenError for an unknown layout or a source that gives nothing.

    The layout `plain` is one's own data: every image passes the anonymizer under the project's key first. Masks are read as
    they are, since only their voxels are kept.
    """
    layout = layout_named(order.layout)
    book = Book.of(order.source)
    check_apart(order.source, out)
    require_new(out)
    with tempfile.TemporaryDirectory(dir=out, prefix=".shoken-") as private, full_disk_named(out):
        wanted = Wanted(order.regions)
        if order.layout != PLAIN:
            return import_data(Source(layout, book, wanted, order.licence), out, say)
        origins = _deidentified(book, Path(private, "copy"), wiring.desk(settings), say)
        if not origins:
            raise DataSetError("holds no image that may pass", subject=str(order.source), accepted=layout.expects)
        copy = Book.of(Path(private, "copy"))
        return import_data(Source(layout, copy, wanted, order.licence, book, origins), out, say)


def _deidentified(book: Book, copy: Path, desk: Desk, say: Say) -> dict[Path, Path]:
    """The original behind each file of a copy with numbers for names, one folder a patient's folder."""
    folders: dict[str, str] = {}
    origins: dict[Path, Path] = {}
    for number, path in enumerate(book.open_files()):
        say(f"file {number + 1} of {len(book.files)}")
        parts, kind = path.relative_to(book.root).parts, kind_of(path)
        place = copy / folders.setdefault(parts[0], f"{len(folders):04d}")
        if kind == OTHER or len(parts) < 2:
            book.refuse(path, "not_in_layout", "no DICOM file and no NIfTI mask in a patient's folder")
        elif kind == IMAGE:
            handle = desk.handle("/".join(parts))
            passed, refused = desk.deidentify({handle: path}, place)
            origins.update(dict.fromkeys(passed.values(), path))
            for refusal in refused.values():
                book.refuse(path, refusal.reason, refusal.detail)
        else:
            reader = [part for part in parts[1:-1] if part.lower().startswith(READER)]
            target = place.joinpath(*reader[-1:], f"{number:06d}", path.name)
            target.parent.mkdir(parents=True)
            shutil.copyfile(path, target)
            origins[target] = path
    return origins
