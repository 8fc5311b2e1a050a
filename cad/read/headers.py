"""Files to studies, headers only: every path given is in a Study or in a Refusal."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, generate_uid

from cad.errors import Refusal
from cad.read.extent import pixel_problem
from cad.read.facts import BROKEN, TAGS, Frames, discreet
from cad.study import InstanceRef, Series, Study

CT_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"})
MR_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"})
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DICOMDIR = "1.2.840.10008.1.3.10"
_MODALITIES = ("CT", "MR")
_MOST_INFLATED_BYTES = 1 << 30  # a deflated object of one study's size; a bomb of 1 MB grows to 2 GB and more


@dataclass(frozen=True, slots=True)
class Scan:
    """All studies found, sorted by UID, and one refusal for each path that is in none."""

    studies: tuple[Study, ...]
    refusals: tuple[Refusal, ...]


def read_headers(paths: Iterable[Path]) -> Scan:
    """Sort files into studies and series without reading pixels.

    Accepts classic and enhanced CT and MR; each frame of a multi-frame object becomes an InstanceRef.
    Refusal.path is the path as given. Reasons: not_dicom, unreadable, truncated, no_pixels, missing_uid,
    unsupported_sop_class, secondary_capture, localizer, dicomdir, unknown_modality, colour_image, inflates_too_far.
    """
    gathered = _Gathered()
    with discreet():
        for path in paths:
            outcome = _read(path)
            if isinstance(outcome, Refusal):
                gathered.refusals.append(outcome)
            else:
                gathered.add(outcome, path)
    return Scan(gathered.studies(), tuple(gathered.refusals))


class _Gathered:
    """Studies while they are being filled."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self._studies: dict[str, Study] = {}
        self._series: dict[tuple[str, str, str], Series] = {}
        self._refs: dict[tuple[str, str, str], list[InstanceRef]] = {}

    def add(self, dataset: Dataset, path: Path) -> None:
        try:
            _stand_in(dataset)
            study, series = _study(dataset), _series(dataset)
            refs = list(_refs(dataset, path))
        except BROKEN as error:
            self.refusals.append(Refusal(str(path), "unreadable", f"a header value cannot be read ({type(error).__name__})"))
            return
        key = (study.study_instance_uid, series.series_instance_uid, series.modality)
        self._studies.setdefault(key[0], study)
        self._series.setdefault(key, series)
        self._refs.setdefault(key, []).extend(refs)

    def studies(self) -> tuple[Study, ...]:
        whole: dict[str, list[Series]] = {}
        for key in sorted(self._series):
            refs = sorted(self._refs[key], key=lambda r: (r.instance_number or 0, str(r.path), r.frame))
            whole.setdefault(key[0], []).append(replace(self._series[key], instances=tuple(refs)))
        return tuple(replace(self._studies[uid], series=tuple(series)) for uid, series in whole.items())


def _read(path: Path) -> Dataset | Refusal:
    try:
        with path.open("rb") as file:
            bomb = _bomb(file)
            if bomb:
                return Refusal(str(path), *bomb)
            dataset = dcmread(file, stop_before_pixels=True, specific_tags=list(TAGS), force=_looks_bare(file))
            problem = _class_problem(dataset) or pixel_problem(file, dataset) or _value_problem(dataset)
    except InvalidDicomError:
        return Refusal(str(path), "not_dicom", "the file does not begin as a DICOM object does")
    except BROKEN as error:
        return Refusal(str(path), "unreadable", f"the header cannot be read ({type(error).__name__})")
    return Refusal(str(path), *problem) if problem else dataset


def _looks_bare(file: IO[bytes]) -> bool:
    """Whether this is a data set without preamble, as old exports write: first element in group 0002 or 0008."""
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    return start[:4] in {b"\x08\x00\x05\x00", b"\x08\x00\x08\x00", b"\x08\x00\x00\x00", b"\x08\x00\x16\x00", b"\x02\x00\x00\x00"}


def _bomb(file: IO[bytes]) -> tuple[str, str] | None:
    """Refuses a deflated object that would not stay within `_MOST_INFLATED_BYTES`, without keeping what it inflates."""
    file.seek(128)
    if file.read(4) != b"DICM":
        return None
    file.seek(0)
    meta = read_file_meta_info(file.name)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return None
    file.seek(144 + int(meta.FileMetaInformationGroupLength))
    inflate, grown = zlib.decompressobj(-zlib.MAX_WBITS), 0
    data = file.read(1 << 20)
    while data:
        grown += len(inflate.decompress(data, 1 << 22))
        if grown > _MOST_INFLATED_BYTES:
            return "inflates_too_far", f"the deflated data set grows past {_MOST_INFLATED_BYTES >> 20} MiB"
        data = inflate.unconsumed_tail or file.read(1 << 20)
    file.seek(0)
    return None


def _class_problem(dataset: Dataset) -> tuple[str, str] | None:
    """Why this kind of object is not read, judged before its pixels are looked for."""
    meta = getattr(dataset, "file_meta", Dataset())
    sop_class = str(dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")
    modality = str(dataset.get("Modality") or "")
    if sop_class == _DICOMDIR:
        return "dicomdir", "a directory of other files, read no further"
    if sop_class.startswith(_SECONDARY_CAPTURE) or _has_type(dataset, "SCREEN SAVE"):
        return "secondary_capture", "a picture of a screen or document, not an acquisition"
    if sop_class and sop_class not in CT_CLASSES | MR_CLASSES:
        return "unsupported_sop_class", f"SOP class {UID(sop_class).name[:64]}; CT and MR images, classic or enhanced, are read"
    if modality not in _MODALITIES:
        return "unknown_modality", f"modality {modality[:16]!r}; CT and MR are read"
    return _uid_problem(dataset, sop_class, meta)


def _uid_problem(dataset: Dataset, sop_class: str, meta: Dataset) -> tuple[str, str] | None:
    if not sop_class or not (dataset.get("SOPInstanceUID") or meta.get("MediaStorageSOPInstanceUID")):
        return "missing_uid", "the object's class or instance UID is missing"
    if not (dataset.get("SeriesInstanceUID") and dataset.get("StudyInstanceUID")) and not dataset.get("FrameOfReferenceUID"):
        return "missing_uid", "study, series and frame of reference UID are missing: nothing says what it belongs to"
    return None


def _stand_in(dataset: Dataset) -> None:
    """Blanked UIDs: the file's own meta header names the object, the frame of reference holds study and series together."""
    meta = getattr(dataset, "file_meta", Dataset())
    dataset.SOPClassUID = dataset.get("SOPClassUID") or meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = dataset.get("SOPInstanceUID") or meta.MediaStorageSOPInstanceUID
    for level in ("StudyInstanceUID", "SeriesInstanceUID"):
        if not dataset.get(level):
            setattr(dataset, level, generate_uid(entropy_srcs=[level, str(dataset.FrameOfReferenceUID), str(dataset.Modality)]))


def _value_problem(dataset: Dataset) -> tuple[str, str] | None:
    if _has_type(dataset, "LOCALIZER"):
        return "localizer", "ImageType says localizer: a planning view, not a volume"
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        return "colour_image", f"{dataset.SamplesPerPixel} samples a pixel; grey images are read"
    return None


def _has_type(dataset: Dataset, word: str) -> bool:
    return word in tuple(dataset.get("ImageType") or ())


def _refs(dataset: Dataset, path: Path) -> Iterator[InstanceRef]:
    number, frames = dataset.get("InstanceNumber"), Frames(dataset)
    for index in range(len(frames)):
        yield InstanceRef(
            sop_instance_uid=str(dataset.SOPInstanceUID),
            sop_class_uid=str(dataset.SOPClassUID),
            path=path,
            frame=index,
            instance_number=int(number) if isinstance(number, int) else None,
            position_mm=frames.frame(index).position_mm,
        )


def _series(dataset: Dataset) -> Series:
    """The acquisition facts of an object's series, without instances."""
    frame = Frames(dataset).frame(0)
    return Series(
        series_instance_uid=str(dataset.SeriesInstanceUID),
        modality=str(dataset.Modality),
        instances=(),
        description=_text(dataset, "SeriesDescription"),
        body_part=_text(dataset, "BodyPartExamined"),
        orientation=frame.orientation,
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        pixel_spacing_mm=frame.spacing_mm,
        slice_thickness_mm=frame.number("SliceThickness"),
        image_type=tuple(str(word) for word in dataset.get("ImageType") or ()),
        kernel=_text(dataset, "ConvolutionKernel"),
        contrast_agent=_text(dataset, "ContrastBolusAgent"),
        sequence_name=_text(dataset, "SequenceName") or _text(dataset, "ProtocolName"),
        frame_of_reference_uid=_text(dataset, "FrameOfReferenceUID"),
        manufacturer=_text(dataset, "Manufacturer"),
    )


def _study(dataset: Dataset) -> Study:
    return Study(str(dataset.StudyInstanceUID), _text(dataset, "PatientID"), (), _text(dataset, "StudyDate"))


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value)
