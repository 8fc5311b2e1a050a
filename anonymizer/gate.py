"""What must not pass, and why. Nothing passes by default: a SOP class that is not listed is refused.

The reasons are stable codes; a manifest and its readers may rely on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pydicom import uid
from pydicom.dataset import Dataset


class Reason(StrEnum):
    """Why a file was not de-identified."""

    EMPTY_FILE = "empty_file"
    NOT_DICOM = "not_dicom"
    NOT_A_FILE = "not_a_file"
    LINK_NOT_FOLLOWED = "link_not_followed"
    UNREADABLE = "unreadable"
    UNPARSEABLE = "unparseable"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    NESTED_TOO_DEEP = "nested_too_deep"
    MISSING_IDENTITY = "missing_identity"
    DICOMDIR = "dicomdir"
    UNKNOWN_SOP_CLASS = "unknown_sop_class"
    UNSUPPORTED_SOP_CLASS = "unsupported_sop_class"
    UNKNOWN_TRANSFER_SYNTAX = "unknown_transfer_syntax"
    ENCAPSULATED_DOCUMENT = "encapsulated_document"
    STRUCTURED_REPORT = "structured_report"
    PRESENTATION_STATE = "presentation_state"
    BURNED_IN_TEXT_RISK = "burned_in_text_risk"
    FACE_NOT_REMOVED = "face_not_removed"
    NOT_WRITTEN = "not_written"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reason and one sentence of evidence that holds no identified value."""

    reason: Reason
    detail: str


_PASSING = frozenset(
    {
        uid.CTImageStorage,
        uid.EnhancedCTImageStorage,
        uid.LegacyConvertedEnhancedCTImageStorage,
        uid.MRImageStorage,
        uid.EnhancedMRImageStorage,
        uid.EnhancedMRColorImageStorage,
        uid.LegacyConvertedEnhancedMRImageStorage,
        uid.PositronEmissionTomographyImageStorage,
        uid.EnhancedPETImageStorage,
        uid.LegacyConvertedEnhancedPETImageStorage,
        uid.ComputedRadiographyImageStorage,
        uid.DigitalXRayImageStorageForPresentation,
        uid.DigitalXRayImageStorageForProcessing,
        uid.DigitalMammographyXRayImageStorageForPresentation,
        uid.DigitalMammographyXRayImageStorageForProcessing,
        uid.BreastTomosynthesisImageStorage,
    }
)
_DOCUMENTS = "1.2.840.10008.5.1.4.1.1.104."
_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
_PRESENTATIONS = "1.2.840.10008.5.1.4.1.1.11."
_TEXT_PRONE = (
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture, single and multi-frame
    "1.2.840.10008.5.1.4.1.1.6.",  # ultrasound
    "1.2.840.10008.5.1.4.1.1.3.",  # ultrasound multi-frame
    "1.2.840.10008.5.1.4.1.1.77.1.",  # visible light
    "1.2.840.10008.5.1.4.1.1.12.",  # angiography and fluoroscopy
)
_COLOUR_ALLOWED = frozenset({uid.EnhancedMRColorImageStorage})
_SCREEN_TYPES = re.compile(r"SCREEN|DOSE|PATIENT.?INFO|REF.?SURVIEW|SUMMARY|REPORT|CAPTURE|PROTOCOL")
_SCREEN_WORDS = re.compile(
    r"dose\W*(report|info|record|summary|page|sheet)|screen\W*(save|shot|capture)|patient\W*(protocol|info)|exam\W*summary|スクリーン|線量",
    re.I,
)


def verdict_on(dataset: Dataset) -> Verdict | None:
    """Why a parsed data set must not pass, or None when it may. Needs no pixel data."""
    sop_class = str(dataset.get("SOPClassUID", "") or "").strip(" \x00")
    if uid.MediaStorageDirectoryStorage in (sop_class, _stored_class(dataset)) or "DirectoryRecordSequence" in dataset:
        return Verdict(Reason.DICOMDIR, "a DICOMDIR lists patients and files; it is not an image")
    if not sop_class or not str(dataset.get("SOPInstanceUID", "") or "").strip(" \x00"):
        return Verdict(Reason.MISSING_IDENTITY, "SOP Class UID or SOP Instance UID is missing")
    syntax = str(getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID", "") or "").strip(" \x00")
    if syntax and not uid.UID(syntax, validation_mode=0).is_transfer_syntax:
        return Verdict(Reason.UNKNOWN_TRANSFER_SYNTAX, "the transfer syntax is private or not in the standard")
    return _class_verdict(sop_class) or _pixel_verdict(dataset, sop_class)


def _class_verdict(sop_class: str) -> Verdict | None:
    if sop_class in _PASSING:
        return None
    known = uid.UID(sop_class, validation_mode=0)
    name = known.name if known.type else ""
    if not name:
        return Verdict(Reason.UNKNOWN_SOP_CLASS, "the SOP class is private or not in the standard")
    for prefix, reason, why in (
        (_DOCUMENTS, Reason.ENCAPSULATED_DOCUMENT, "an encapsulated document cannot be searched"),
        (_REPORTS, Reason.STRUCTURED_REPORT, "report content is quarantined"),
        (_PRESENTATIONS, Reason.PRESENTATION_STATE, "presentation states carry free graphics and text"),
    ):
        if sop_class.startswith(prefix):
            return Verdict(reason, f"{name}: {why}")
    if sop_class.startswith(_TEXT_PRONE):
        return Verdict(Reason.BURNED_IN_TEXT_RISK, f"{name}: pixels often hold burned-in text")
    return Verdict(Reason.UNSUPPORTED_SOP_CLASS, f"{name} is not on the list of classes that pass")


def _pixel_verdict(dataset: Dataset, sop_class: str) -> Verdict | None:
    if _text(dataset, "BurnedInAnnotation").upper() not in ("", "NO"):
        return Verdict(Reason.BURNED_IN_TEXT_RISK, "Burned In Annotation is not NO")
    if _SCREEN_TYPES.search(_text(dataset, "ImageType").upper()):
        return Verdict(Reason.BURNED_IN_TEXT_RISK, "Image Type names a screen, dose or summary page")
    if _text(dataset, "ConversionType") not in ("", "DI"):
        return Verdict(Reason.BURNED_IN_TEXT_RISK, "Conversion Type says that the image was captured or scanned")
    if _SCREEN_WORDS.search(" ".join(_text(dataset, word) for word in ("SeriesDescription", "ProtocolName", "ImageComments"))):
        return Verdict(Reason.BURNED_IN_TEXT_RISK, "the series is described as a screen, dose or summary page")
    colour = _text(dataset, "PhotometricInterpretation").upper() not in ("", "MONOCHROME1", "MONOCHROME2")
    if colour and sop_class not in _COLOUR_ALLOWED:
        return Verdict(Reason.BURNED_IN_TEXT_RISK, "a colour image of a greyscale modality is a rendering or a screen")
    return None


def _stored_class(dataset: Dataset) -> str:
    return str(getattr(dataset, "file_meta", Dataset()).get("MediaStorageSOPClassUID", "") or "")


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword, "")
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return "" if value is None else str(value).strip(" \x00")
    return "\\".join(str(part) for part in value)
