"""Lung-PET-CT-Dx: chest CT with tumour boxes in VOC files named after the image they lie on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad.datasets.dicom_folders import Read, by_folder, is_dicom, volumes
from cad.datasets.layout import Book, DataSetError, Wanted
from cad.datasets.nifti_files import lesions_in
from cad.datasets.scan import LabelledScan
from cad.datasets.shapes import ellipse
from cad.datasets.xml_files import read_xml, text_at
from cad.errors import Refusal
from cad.volume import Volume

CLASSES = {"A": "adenocarcinoma", "B": "small_cell_carcinoma", "E": "large_cell_carcinoma", "G": "squamous_cell_carcinoma"}
_Box = tuple[str, tuple[int, int, int, int]]


@dataclass(frozen=True, slots=True)
class LungPetCtDx:
    """The importer; see cad.datasets.layout.Layout."""

    name: str = "lung_pet_ct_dx"
    licence: str = "CC BY 4.0 (TCIA Lung-PET-CT-Dx)"
    expects: str = (
        "Lung_Dx-<patient>/<study>/<series>/*.dcm   CT (PET is refused)\n"
        "<anywhere>/<SOPInstanceUID>.xml   VOC boxes in pixels; classes A, B, E, G\n"
        "A series without any box is refused: every patient has a tumour. Masks are ellipses in the boxes."
    )

    def scans(self, book: Book, _wanted: Wanted) -> Iterator[LabelledScan]:
        """Every CT series with at least one box."""
        boxes = {path.stem: path for path in book.open_files() if path.suffix.lower() == ".xml"}
        if not boxes:
            raise DataSetError("holds no box files", subject=str(book.root), accepted=self.expects)
        for _, paths in by_folder(path for path in book.open_files() if is_dicom(path)):
            for read in volumes(paths, book, public=self.name):
                masks, used = _masks(read.volume, boxes, book)
                if masks:
                    book.use(*read.paths, *used)
                    yield _scan(read, masks)
                else:
                    for path in read.paths:
                        book.refuse(path, "not_annotated", "no box lies on this series, and its patient has a tumour somewhere")
        for path in boxes.values():
            if path not in book.used:
                book.refuse(path, "no_image", "the image that this file is named after is not here or could not be read")


def _scan(read: Read, masks: dict[str, NDArray[np.uint8]]) -> LabelledScan:
    lesions = lesions_in({name: Volume(mask, read.volume.grid, "1") for name, mask in masks.items()})
    return LabelledScan(read.patient, read.study, read.series, read.volume, lesions, ("reference",), "boxes")


def _masks(volume: Volume, boxes: dict[str, Path], book: Book) -> tuple[dict[str, NDArray[np.uint8]], list[Path]]:
    """A mask for each class that has boxes on these slices, and the files they came from."""
    masks: dict[str, NDArray[np.uint8]] = {}
    used = []
    for k, ref in enumerate(volume.sources):
        path = boxes.get(ref.sop_instance_uid)
        found = _boxes(path, volume.grid.shape[1:]) if path else ()
        if path and isinstance(found, Refusal):
            book.refuse(path, found.reason, found.detail)
        elif path and not isinstance(found, Refusal):
            used.append(path)
            for name, box in found:
                mask = masks.setdefault(name, np.zeros(volume.grid.shape, dtype=np.uint8))
                mask[k] |= ellipse(box, volume.grid.shape[1:])
    return masks, used


def _boxes(path: Path, shape: tuple[int, ...]) -> tuple[_Box, ...] | Refusal:
    root = read_xml(path)
    if isinstance(root, Refusal):
        return root
    if root.tag != "annotation":
        return Refusal("", "not_a_box_file", "no VOC annotation")
    try:
        found = tuple(
            (CLASSES.get(text_at(item, "name"), "unknown"), tuple(int(float(text_at(item, f"bndbox/{edge}"))) for edge in _EDGES))
            for item in root.iter("object")
        )
    except ValueError:
        return Refusal("", "broken_box", "a box without four numbers")
    for _, (top, left, bottom, right) in found:
        if not (0 <= top <= bottom <= shape[0] and 0 <= left <= right <= shape[1]):
            return Refusal("", "box_outside", "a box that does not lie in its image")
    return tuple((name, (box[0], box[1], box[2], box[3])) for name, box in found)


_EDGES = ("ymin", "xmin", "ymax", "xmax")
LAYOUT = LungPetCtDx()
