"""LIDC-IDRI: chest CT with an XML reading of up to four radiologists a series, kept apart.

The marking rules are those of Armato et al., Med Phys 38(2), 2011: contours are the first pixels *outside* a nodule of
3 mm or more, so they are not part of the mask; an exclusion contour lies within one and is not part of it either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from cad.datasets.dicom_folders import Read, by_folder, is_dicom, volumes
from cad.datasets.gathering import gather
from cad.datasets.layout import Book, DataSetError, Wanted
from cad.datasets.scan import NOT_A_LESION, OUTLINED, SMALL, UNKNOWN, LabelledScan, Mark, handle, patch_of
from cad.datasets.shapes import filled
from cad.datasets.xml_files import read_xml, text_at
from cad.errors import Refusal
from cad.space import Point
from cad.volume import Volume

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

READING, RADIOGRAPH_READING = "LidcReadMessage", "IdriReadMessage"
SMALL_MM = 3.0
NO_CALCIFICATION = 6
_SAME_SLICE_MM = 0.1
_RATINGS = tuple("0123456789")
_NAMELESS = ("", "anonymous", "anon", "removed", "0")


@dataclass(frozen=True, slots=True, eq=False)
class _Contour:
    """One closed line of pixels (row, column) on one slice."""

    slice_index: int
    inclusion: bool
    corners: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Lidc:
    """The importer; see cad.datasets.layout.Layout."""

    name: str = "lidc"
    licence: str = "CC BY 3.0 (TCIA LIDC-IDRI)"
    expects: str = (
        "LIDC-IDRI-nnnn/<study>/<series>/*.dcm   CT series\n"
        "<anywhere>/*.xml   one LidcReadMessage a series, paired by SeriesInstanceUid\n"
        "Up to four reading sessions: nodules of 3 mm and more (contours, nine ratings), smaller ones and non-nodules (points)."
    )

    def scans(self, book: Book, _wanted: Wanted) -> Iterator[LabelledScan]:
        """Every CT series that has a reading."""
        readings = _readings(book)
        if not readings:
            raise DataSetError("holds no LIDC reading", subject=str(book.root), accepted=self.expects)
        for _, paths in by_folder(path for path in book.open_files() if is_dicom(path)):
            for read in volumes(paths, book, public=self.name):
                reading = readings.get(read.series_uid)
                if reading is None:
                    for path in read.paths:
                        book.refuse(path, "no_reading", "no XML reading belongs to this series: it is not known to be normal")
                    continue
                root = read_xml(reading)
                if isinstance(root, Refusal):
                    book.refuse(reading, root.reason, root.detail)
                else:
                    book.use(reading, *read.paths)
                    yield _scan(read, root)
        for path in set(readings.values()) - book.used:
            book.refuse(path, "no_series", "the CT series that this reading belongs to is not here or could not be read")


def _readings(book: Book) -> dict[str, Path]:
    """The XML file of each series; every other XML file is refused."""
    found: dict[str, Path] = {}
    for path in (path for path in book.open_files() if path.suffix.lower() == ".xml"):
        root = read_xml(path)
        if isinstance(root, Refusal):
            book.refuse(path, root.reason, root.detail)
        elif root.tag == RADIOGRAPH_READING:
            book.refuse(path, "not_a_ct_reading", "a reading of a radiograph")
        elif root.tag != READING or not (uid := text_at(root, "ResponseHeader/SeriesInstanceUid")):
            book.refuse(path, "not_a_reading", f"no {READING} with a SeriesInstanceUid")
        elif uid in found:
            book.refuse(path, "second_reading", "another file holds the reading of this series")
        else:
            found[uid] = path
    return found


def _scan(read: Read, root: Element) -> LabelledScan:
    sessions = root.findall("readingSession")
    names = _reader_names(sessions)
    lost = [0]
    marks = [mark for name, session in zip(names, sessions, strict=True) for mark in _marks(session, name, read.volume, lost)]
    notes = (f"{lost[0]} contours or points lie on slices that are not in the volume",) if lost[0] else ()
    lesions = gather(marks, _kind)
    return LabelledScan(read.patient, read.study, read.series, read.volume, lesions, names, "contours", notes=notes)


def _reader_names(sessions: Sequence[Element]) -> tuple[str, ...]:
    """A handle where the file tells readers apart, else their place; never the same name twice."""
    names: list[str] = []
    for number, session in enumerate(sessions, start=1):
        stated = text_at(session, "servicingRadiologistID")
        name = f"session-{number}" if stated.lower() in _NAMELESS else f"reader-{handle('reader', stated)[:8]}"
        names.append(name if name not in names else f"session-{number}")
    return tuple(names)


def _marks(session: Element, reader: str, volume: Volume, lost: list[int]) -> Iterator[Mark]:
    slices = _Slices(volume)
    for nodule in session.iter("unblindedReadNodule"):
        contours = [contour for roi in nodule.iter("roi") if (contour := slices.contour(roi, lost))]
        rated = [(child.tag, (child.text or "").strip()) for child in nodule.iterfind("characteristics/*")]
        traits = tuple(sorted((name, int(rating)) for name, rating in rated if rating in _RATINGS))
        if contours:
            yield _nodule(reader, contours, traits, volume)
    for other in session.iter("nonNodule"):
        place = slices.contour(other, lost)
        if place:
            yield Mark(reader, NOT_A_LESION, _middle(place, volume))


def _nodule(reader: str, contours: list[_Contour], traits: tuple[tuple[str, int], ...], volume: Volume) -> Mark:
    """A nodule with a size has ratings or a contour of more than a point."""
    if not traits and all(len(contour.corners) < 3 for contour in contours):
        return Mark(reader, SMALL, _middle(contours[0], volume))
    mask = np.zeros(volume.grid.shape, dtype=bool)
    taken, borders = np.zeros_like(mask), np.zeros_like(mask)
    for contour in contours:
        inside, border = filled(contour.corners, (mask.shape[1], mask.shape[2]))
        mask[contour.slice_index] |= inside & contour.inclusion
        borders[contour.slice_index] |= border & contour.inclusion
        taken[contour.slice_index] |= (inside | border) & (not contour.inclusion)
    patch = patch_of(mask & ~taken) or patch_of(borders)  # a nodule so small that its outline is all there is
    if patch is None:
        return Mark(reader, OUTLINED, _middle(contours[0], volume), SMALL_MM, traits)
    return Mark(reader, OUTLINED, patch.centre_mm(volume.grid), patch.diameter_mm(volume.grid), traits, patch)


def _kind(marks: Sequence[Mark]) -> str:
    """From the readers' ratings: calcification 1 to 5 are patterns of calcium; texture runs from 1 (ground glass) to 5 (solid)."""
    calcium = [rating for mark in marks if (rating := mark.trait("calcification"))]
    texture = [rating for mark in marks if (rating := mark.trait("texture"))]
    if not texture:
        return UNKNOWN
    if calcium and sum(rating < NO_CALCIFICATION for rating in calcium) * 2 > len(calcium):
        return "calcified"
    middle = median(texture)
    return "ground_glass" if middle < 2 else "part_solid" if middle < 4 else "solid"


def _middle(contour: _Contour, volume: Volume) -> Point:
    row, column = np.mean(contour.corners, axis=0)
    x, y, z = volume.grid.to_mm((contour.slice_index, row, column))
    return float(x), float(y), float(z)


class _Slices:
    """Slices of a volume by object UID, else by position along z."""

    def __init__(self, volume: Volume) -> None:
        self.by_uid = {ref.sop_instance_uid: k for k, ref in enumerate(volume.sources)}
        self.z_mm = volume.grid.to_mm([(k, 0, 0) for k in range(volume.grid.shape[0])])[:, 2]
        self.shape = volume.grid.shape[1:]

    def contour(self, element: Element, lost: list[int]) -> _Contour | None:
        """The contour or point of a `roi` or `nonNodule`; counts in `lost` what lies on no slice or outside the image."""
        points = [*element.iter("edgeMap"), *element.iter("locus")]
        corners = tuple((_whole(text_at(p, "yCoord")), _whole(text_at(p, "xCoord"))) for p in points)
        k = self._place(text_at(element, "imageSOP_UID"), text_at(element, "imageZposition"))
        held = all(0 <= row < self.shape[0] and 0 <= column < self.shape[1] for row, column in corners)
        if k is None or not corners or not held:
            lost[0] += 1
            return None
        return _Contour(k, text_at(element, "inclusion").upper() != "FALSE", corners)

    def _place(self, uid: str, z_position: str) -> int | None:
        if uid in self.by_uid:
            return self.by_uid[uid]
        try:
            away = np.abs(self.z_mm - float(z_position))
        except ValueError:
            return None
        return int(away.argmin()) if away.min() <= _SAME_SLICE_MM else None


def _whole(text: str) -> int:
    """A pixel coordinate, -1 where there is none."""
    try:
        return int(text)
    except ValueError:
        return -1


LAYOUT = Lidc()
