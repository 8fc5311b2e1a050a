"""Files to studies, headers only: every path given is in a Study or in a Refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.uid import UID, generate_uid

from cad.errors import Refusal
from cad.read.acquisition import acquisition_of, anatomy_of
from cad.read.element_walk import HeaderError
from cad.read.extent import pixel_problem
from cad.read.facts import BROKEN, TAGS, Frames, discreet
from cad.read.header import Header, header_of
from cad.study import InstanceRef, Series, Study

CT_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"})
MR_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"})
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DICOMDIR = "1.2.840.10008.1.3.10"
_MODALITIES = ("CT", "MR")


@dataclass(frozen=True, slots=True)
class Scan:
    """All studies found, sorted by UID, and one refusal for each path that is in none."""

    studies: tuple[Study, ...]
    refusals: tuple[Refusal, ...]


def read_headers(paths: Iterable[Path]) -> Scan:
    """Sort files into studies and series without reading pixels.

    Accepts classic and enhanced CT and MR; each frame of a multi-frame object becomes an InstanceRef.
    Refusal.path is the path as given. Reasons: not_dicom, unreadable, truncated, no_pixels, missing_uid,
    unsupported_sop_class, secondary_capture, localizer, dicomdir, unknown_modality, colour_image, inflates_too_far,
    nested_too_deep, header_too_long, size_refused, unsupported_bits.
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

    def add(self, header: Header, path: Path) -> None:
        try:
            uids = _uids(header)
            study, series = _study(header, uids[2]), _series(header, uids[3])
            refs = list(_refs(header, path, uids))
        except BROKEN as error:
            self.refusals.append(Refusal(str(path), "unreadable", f"a header value cannot be read ({type(error).__name__})"))
            return
        key = (study.study_instance_uid, series.series_instance_uid, series.modality)
        self._studies.setdefault(key[0], study)
        known = self._series.setdefault(key, series)
        if known.acquisition != series.acquisition:
            self._series[key] = replace(known, acquisition=known.acquisition.joined(series.acquisition))
        self._refs.setdefault(key, []).extend(refs)

    def studies(self) -> tuple[Study, ...]:
        whole: dict[str, list[Series]] = {}
        for key in sorted(self._series):
            refs = sorted(self._refs[key], key=lambda r: (r.instance_number or 0, str(r.path), r.frame))
            whole.setdefault(key[0], []).append(replace(self._series[key], instances=tuple(refs)))
        return tuple(replace(self._studies[uid], series=tuple(series)) for uid, series in whole.items())


def _read(path: Path) -> Header | Refusal:
    try:
        with path.open("rb") as file:
            header = header_of(file, TAGS)
            problem = _class_problem(header) or pixel_problem(file, header) or _value_problem(header)
    except HeaderError as error:
        return Refusal(str(path), error.reason, error.problem)
    except BROKEN as error:
        return Refusal(str(path), "unreadable", f"the header cannot be read ({type(error).__name__})")
    return Refusal(str(path), *problem) if problem else header


def _class_problem(header: Header) -> tuple[str, str] | None:
    """Why this kind of object is not read, judged before its pixels are looked for."""
    sop_class = str(header.get("SOPClassUID") or header.get("MediaStorageSOPClassUID") or "")
    modality = str(header.get("Modality") or "")
    if sop_class == _DICOMDIR:
        return "dicomdir", "a directory of other files, read no further"
    if sop_class.startswith(_SECONDARY_CAPTURE) or _has_type(header, "SCREEN SAVE"):
        return "secondary_capture", "a picture of a screen or document, not an acquisition"
    if sop_class and sop_class not in CT_CLASSES | MR_CLASSES:
        return "unsupported_sop_class", f"SOP class {UID(sop_class).name[:64]}; CT and MR images, classic or enhanced, are read"
    if modality not in _MODALITIES:
        return "unknown_modality", f"modality {modality[:16]!r}; CT and MR are read"
    return _uid_problem(header, sop_class)


def _uid_problem(header: Header, sop_class: str) -> tuple[str, str] | None:
    if not sop_class or not (header.get("SOPInstanceUID") or header.get("MediaStorageSOPInstanceUID")):
        return "missing_uid", "the object's class or instance UID is missing"
    if not (header.get("SeriesInstanceUID") and header.get("StudyInstanceUID")) and not header.get("FrameOfReferenceUID"):
        return "missing_uid", "study, series and frame of reference UID are missing: nothing says what it belongs to"
    return None


def _uids(header: Header) -> tuple[str, str, str, str]:
    """Class, instance, study and series. Where blanked, the file's own meta header names the object and the frame of
    reference holds study and series together.
    """
    sop_class = _text(header, "SOPClassUID") or _text(header, "MediaStorageSOPClassUID")
    instance = _text(header, "SOPInstanceUID") or _text(header, "MediaStorageSOPInstanceUID")
    return sop_class, instance, _level_uid(header, "StudyInstanceUID"), _level_uid(header, "SeriesInstanceUID")


def _level_uid(header: Header, level: str) -> str:
    held_by = [level, _text(header, "FrameOfReferenceUID"), _text(header, "Modality")]
    return _text(header, level) or str(generate_uid(entropy_srcs=held_by))


def _value_problem(header: Header) -> tuple[str, str] | None:
    if _has_type(header, "LOCALIZER"):
        return "localizer", "ImageType says localizer: a planning view, not a volume"
    if int(header.get("SamplesPerPixel") or 1) != 1:
        return "colour_image", f"{header.get('SamplesPerPixel')} samples a pixel; grey images are read"
    return None


def _has_type(header: Header, word: str) -> bool:
    return word in _words(header, "ImageType")


def _refs(header: Header, path: Path, uids: tuple[str, str, str, str]) -> Iterator[InstanceRef]:
    number, frames = header.get("InstanceNumber"), Frames(header)
    for index in range(len(frames)):
        yield InstanceRef(
            sop_instance_uid=uids[1],
            sop_class_uid=uids[0],
            path=path,
            frame=index,
            instance_number=int(number) if isinstance(number, int) else None,
            position_mm=frames.frame(index).position_mm,
        )


def _series(header: Header, uid: str) -> Series:
    """The acquisition facts of an object's series, without instances."""
    frame = Frames(header).frame(0)
    return Series(
        series_instance_uid=uid,
        modality=_text(header, "Modality"),
        instances=(),
        description=_text(header, "SeriesDescription"),
        body_part=anatomy_of(header),
        orientation=frame.orientation,
        rows=int(header.get("Rows")),
        columns=int(header.get("Columns")),
        pixel_spacing_mm=frame.spacing_mm,
        slice_thickness_mm=frame.number("SliceThickness"),
        image_type=_words(header, "ImageType"),
        kernel=_text(header, "ConvolutionKernel"),
        contrast_agent=_text(header, "ContrastBolusAgent"),
        sequence_name=_text(header, "SequenceName") or _text(header, "ProtocolName"),
        frame_of_reference_uid=_text(header, "FrameOfReferenceUID"),
        manufacturer=_text(header, "Manufacturer"),
        acquisition=acquisition_of(header),
    )


def _study(header: Header, uid: str) -> Study:
    return Study(uid, _text(header, "PatientID"), (), _text(header, "StudyDate"))


def _text(header: Header, keyword: str) -> str:
    value = header.get(keyword)
    return "" if value is None else "\\".join(value) if isinstance(value, tuple) else str(value)


def _words(header: Header, keyword: str) -> tuple[str, ...]:
    value = header.get(keyword, ())
    return value if isinstance(value, tuple) else (str(value),)
