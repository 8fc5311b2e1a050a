"""LUNA16: chest CT as MetaImage, nodules that three of four LIDC readers agreed on as centres and diameters."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cad.datasets.layout import Book, DataSetError, Wanted
from cad.datasets.scan import OUTLINED, LabelledScan, Lesion, Mark, handle
from cad.datasets.shapes import sphere
from cad.errors import GridError, Refusal
from cad.space import Grid, Point
from cad.volume import Volume

AGREED = 3
_AIR_HU = -1024
_MOST_VOXELS = 1 << 31
_NODULES, _CANDIDATES = "annotations.csv", ("candidates.csv", "candidates_V2.csv")
_READER = "consensus"


@dataclass(slots=True)
class _Truth:
    """Places by series."""

    nodules: dict[str, list[tuple[Point, float]]] = field(default_factory=lambda: defaultdict(list))
    look_alikes: dict[str, list[Point]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class Luna16:
    """The importer; see cad.datasets.layout.Layout."""

    name: str = "luna16"
    licence: str = "CC BY-NC-SA 4.0 annotations (LUNA16), CC BY 3.0 images (LIDC-IDRI)"
    expects: str = (
        "subset0 ... subset9/<SeriesInstanceUID>.mhd and .raw   CT\n"
        "<anywhere>/annotations.csv   seriesuid,coordX,coordY,coordZ,diameter_mm (LPS mm)\n"
        "<anywhere>/candidates.csv or candidates_V2.csv   seriesuid,coordX,coordY,coordZ,class (optional)\n"
        "No patient is named: each series counts as a patient, and the pixel digests find the ones that are not."
    )

    def scans(self, book: Book, _wanted: Wanted) -> Iterator[LabelledScan]:
        """Every MetaImage below a subset folder; one without a nodule is a normal scan."""
        truth = _truth(book, self.expects)
        for path in book.open_files():
            if path.suffix.lower() != ".mhd" or not path.parent.name.startswith("subset"):
                continue
            outcome = _volume(path)
            raw = [other for other in (path.with_suffix(".raw"), path.with_suffix(".zraw")) if other in book.files]
            if isinstance(outcome, Refusal):
                for each in (path, *raw):
                    book.refuse(each, outcome.reason, outcome.detail)
            else:
                book.use(path, *raw)
                yield _scan(path.stem, outcome, truth)


def _truth(book: Book, expects: str) -> _Truth:
    truth, nodules = _Truth(), False
    for path in book.open_files():
        if path.name != _NODULES and path.name not in _CANDIDATES:
            continue
        rows = _rows(path)
        if isinstance(rows, Refusal):
            book.refuse(path, rows.reason, rows.detail)
            continue
        book.use(path)
        nodules |= path.name == _NODULES
        for uid, point, value in rows:
            if path.name == _NODULES:
                truth.nodules[uid].append((point, value))
            elif value == 0:
                truth.look_alikes[uid].append(point)
    if not nodules:
        raise DataSetError(f"holds no readable {_NODULES}", subject=str(book.root), accepted=expects)
    return truth


def _rows(path: Path) -> list[tuple[str, Point, float]] | Refusal:
    """(series UID, point, diameter or class) a row."""
    last = "diameter_mm" if path.name == _NODULES else "class"
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return [
                (row["seriesuid"], (float(row["coordX"]), float(row["coordY"]), float(row["coordZ"])), float(row[last]))
                for row in csv.DictReader(stream)
            ]
    except (KeyError, TypeError, ValueError, OSError, csv.Error) as error:
        return Refusal("", "broken_csv", f"columns seriesuid, coordX, coordY, coordZ, {last} cannot be read ({type(error).__name__})")


def _scan(uid: str, volume: Volume, truth: _Truth) -> LabelledScan:
    lesions: list[Lesion] = []
    outside = 0
    for centre, diameter in sorted(truth.nodules[uid], key=lambda item: item[0][::-1]):
        patch = sphere(centre, diameter, volume.grid)
        outside += patch is None
        if patch is not None:
            mark = Mark(_READER, OUTLINED, centre, diameter, (), patch)
            lesions.append(Lesion(len(lesions) + 1, (mark,), agreed=AGREED))
    notes = (f"{outside} nodules lie outside the volume",) if outside else ()
    return LabelledScan(
        patient=handle("patient", uid),
        study=handle("study", uid),
        series=handle("series", uid),
        volume=volume,
        lesions=tuple(lesions),
        readers=(_READER,),
        outlines="sphere",
        look_alikes_mm=np.asarray(truth.look_alikes[uid], dtype=np.float32).reshape(-1, 3),
        notes=notes,
    )


def _volume(path: Path) -> Volume | Refusal:
    """A MetaImage as HU int16; what lies below air is padding."""
    import SimpleITK as sitk

    if _leaves(path):
        return Refusal("", "data_elsewhere", "the header names other data than the .raw or .zraw file beside it")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        if len(reader.GetSize()) != 3 or int(np.prod(reader.GetSize(), dtype=np.int64)) > _MOST_VOXELS:
            return Refusal("", "size_refused", "not a volume of fewer than 2**31 voxels")
        image = reader.Execute()
        voxels = np.clip(sitk.GetArrayFromImage(image), _AIR_HU, 32767).astype(np.int16)
        return Volume(voxels, _grid(image, voxels.shape))
    except (RuntimeError, ValueError, OverflowError) as error:
        return Refusal("", "unreadable", f"the MetaImage cannot be read ({type(error).__name__})")
    except GridError as error:
        return Refusal("", "not_a_grid", error.problem)


def _leaves(path: Path) -> bool:
    """Whether the header sends the reader to another place than the file beside it."""
    for line in path.read_bytes()[:65536].decode("latin-1").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "ElementDataFile":
            return value.strip() not in (f"{path.stem}.raw", f"{path.stem}.zraw", "LOCAL")
    return True


def _grid(image: Any, shape: tuple[int, ...]) -> Grid:
    """ITK's (column, row, slice) frame, LPS already, in index order (slice, row, column)."""
    axes = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes[:, ::-1], image.GetOrigin()
    return Grid((shape[0], shape[1], shape[2]), affine)


LAYOUT = Luna16()
