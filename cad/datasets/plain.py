"""A folder a patient: DICOM images and masks as DICOM SEG, RTSTRUCT or NIfTI. For one's own data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread

from cad.datasets.dicom_folders import Read, is_dicom, volumes
from cad.datasets.gathering import gather
from cad.datasets.layout import Book, DataSetError, Wanted
from cad.datasets.nifti_files import is_nifti, labels, stem
from cad.datasets.scan import OUTLINED, UNKNOWN, LabelledScan, Mark, handle
from cad.datasets.shapes import pieces
from cad.errors import Refusal, ShokenError
from cad.read.facts import BROKEN, discreet
from cad.read.rtstruct import RTSTRUCT_CLASS, read_rtstruct
from cad.read.segmentation import SEGMENTATION_CLASSES, read_segmentation
from cad.space import Grid
from cad.volume import Volume

SEG, RTSTRUCT, NIFTI, IMAGE, OTHER = "seg", "rtstruct", "nifti", "image", "other"
READER = "reader-"


@dataclass(frozen=True, slots=True)
class Plain:
    """The importer; see cad.datasets.layout.Layout. Image files must be de-identified by the caller."""

    name: str = "plain"
    licence: str = ""
    expects: str = (
        "<patient>/**/*.dcm   CT or MR images, de-identified on the way in\n"
        "<patient>/**/   masks of them: DICOM SEG, RTSTRUCT, or NIfTI (0 background) on the image's voxels\n"
        "<patient>/**/reader-<name>/   several readers: the masks of each in a folder of that name\n"
        "Every segment is a lesion unless --region names some; an empty mask says that the scan is normal."
    )

    def scans(self, book: Book, wanted: Wanted) -> Iterator[LabelledScan]:
        """Every volume that a mask fits."""
        folders = sorted({book.root / path.relative_to(book.root).parts[0] for path in book.files if path.parent != book.root})
        if not folders:
            raise DataSetError("holds no folder", subject=str(book.root), accepted=self.expects)
        for folder in folders:
            paths = [path for path in book.open_files() if folder in path.parents]
            kinds = {path: kind_of(path) for path in paths}
            masks = [path for path, kind in kinds.items() if kind in (SEG, RTSTRUCT, NIFTI)]
            images = [path for path, kind in kinds.items() if kind == IMAGE]
            for read in volumes(images, book):
                yield from _scan(read, masks, book, wanted)


def kind_of(path: Path) -> str:
    """seg, rtstruct, nifti, image (any other DICOM) or other."""
    if is_nifti(path):
        return NIFTI
    if not is_dicom(path):
        return OTHER
    with discreet():
        try:
            sop_class = str(dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"]).get("SOPClassUID", ""))
        except BROKEN:
            return IMAGE  # reading it as an image says what is wrong
    return SEG if sop_class in SEGMENTATION_CLASSES else RTSTRUCT if sop_class == RTSTRUCT_CLASS else IMAGE


def _scan(read: Read, paths: list[Path], book: Book, wanted: Wanted) -> Iterator[LabelledScan]:
    marks: list[Mark] = []
    fitting: list[Path] = []
    for path in paths:
        masks = _masks(path, read.volume.grid)
        if isinstance(masks, Refusal):
            book.refuse(path, masks.reason, masks.detail)
            continue
        fitting.append(path)
        chosen = [mask for name, mask in masks.items() if not wanted.regions or name.lower() in {r.lower() for r in wanted.regions}]
        marks += [mark for mask in chosen for mark in _marks(mask, _reader(path))]
    if not fitting:
        for path in read.paths:
            book.refuse(path, "not_labelled", "no mask fits this volume: it is not known to be normal")
        return
    book.use(*read.paths, *fitting)
    readers = tuple(sorted({_reader(path) for path in fitting}))
    yield LabelledScan(read.patient, read.study, read.series, read.volume, gather(marks, _kind), readers, "mask")


def _marks(mask: Volume, reader: str) -> Iterator[Mark]:
    for patch in pieces(mask.voxels):
        yield Mark(reader, OUTLINED, patch.centre_mm(mask.grid), patch.diameter_mm(mask.grid), (), patch)


def _reader(path: Path) -> str:
    """A handle of the nearest folder called reader-<name>, else "reference"."""
    named = [part for part in path.parent.parts if part.lower().startswith(READER)]
    return f"{READER}{handle('reader', named[-1].lower())[:8]}" if named else "reference"


def _masks(path: Path, grid: Grid) -> dict[str, Volume] | Refusal:
    """Masks by region name on the grid, or why the file does not fit it."""
    kind = kind_of(path)
    try:
        if kind == NIFTI:
            found = labels(path, grid)
            return found if isinstance(found, Refusal) else {stem(path): found}
        read = read_segmentation(path, grid) if kind == SEG else read_rtstruct(path, grid)
    except ShokenError as error:
        return Refusal("", "mask_not_on_image", error.problem)
    if read.outside and not any(mask.voxels.any() for mask in read.masks.values()):
        return Refusal("", "mask_not_on_image", "everything it outlines lies beyond this image")
    return read.masks


def _kind(_marks: object) -> str:
    return UNKNOWN


LAYOUT = Plain()
