"""What must not pass under a profile, and why. Nothing passes by default: a SOP class that is not listed is refused.

The reasons are stable codes; a manifest and its readers may rely on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pydicom import uid
from pydicom.dataset import Dataset

from anonymizer.attribute_types import Family
from anonymizer.documents import DocumentsExtraMissingError, document_fault
from anonymizer.echo import echo_of
from anonymizer.identity import identity_of
from anonymizer.profile import Option, Profile, basic_profile


class Reason(StrEnum):
    """Why a file was not de-identified."""

    EMPTY_FILE = "empty_file"
    NOT_DICOM = "not_dicom"
    NOT_A_FILE = "not_a_file"
    LINK_NOT_FOLLOWED = "link_not_followed"
    UNREADABLE = "unreadable"
    UNPARSEABLE = "unparseable"
    TRUNCATED = "truncated"
    PIXEL_DATA_DAMAGED = "pixel_data_damaged"
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
    TEXT_NOT_REMOVED = "text_not_removed"
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
    }
)
# Cassettes and detectors print text and markers into these; without the word of the file they are looked at or refused.
_RADIOGRAPHS = frozenset(
    {
        uid.ComputedRadiographyImageStorage,
        uid.DigitalXRayImageStorageForPresentation,
        uid.DigitalXRayImageStorageForProcessing,
        uid.DigitalMammographyXRayImageStorageForPresentation,
        uid.DigitalMammographyXRayImageStorageForProcessing,
        uid.BreastTomosynthesisImageStorage,
    }
)
# Made by software out of numbers: masks, maps, contours, doses, matrices. Their labels are cleaned or replaced like any text.
_NUMBERS = frozenset(
    {
        uid.SegmentationStorage,
        uid.ParametricMapStorage,
        uid.RTStructureSetStorage,
        uid.RTDoseStorage,
        uid.RTPlanStorage,
        uid.SpatialRegistrationStorage,
        uid.RealWorldValueMappingStorage,
    }
)
_WITHOUT_PIXELS = _NUMBERS - {uid.SegmentationStorage, uid.ParametricMapStorage, uid.RTDoseStorage}
_PRESENTATIONS_READ = frozenset(
    {
        uid.GrayscaleSoftcopyPresentationStateStorage,
        uid.ColorSoftcopyPresentationStateStorage,
        uid.PseudoColorSoftcopyPresentationStateStorage,
        uid.BlendingSoftcopyPresentationStateStorage,
    }
)
_LOOKED_AT = _PASSING | _RADIOGRAPHS | {uid.NuclearMedicineImageStorage}
_DOCUMENTS = "1.2.840.10008.5.1.4.1.1.104."
_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
_PRESENTATIONS = "1.2.840.10008.5.1.4.1.1.11."
_SLIDES = "1.2.840.10008.5.1.4.1.1.77.1.6"  # whole slides: label and overview pictures, too large to be looked at here
_TEXT_PRONE_CLASSES = frozenset(
    {
        uid.SecondaryCaptureImageStorage,
        uid.XRay3DAngiographicImageStorage,
        uid.XRay3DCraniofacialImageStorage,
        uid.RTImageStorage,
    }
)
_TEXT_PRONE = (
    "1.2.840.10008.5.1.4.1.1.7.",  # secondary capture, multi-frame
    "1.2.840.10008.5.1.4.1.1.6.",  # ultrasound
    "1.2.840.10008.5.1.4.1.1.3.",  # ultrasound multi-frame
    "1.2.840.10008.5.1.4.1.1.77.1.",  # visible light
    "1.2.840.10008.5.1.4.1.1.12.",  # angiography and fluoroscopy
)
_COLOUR_ALLOWED = frozenset({uid.EnhancedMRColorImageStorage, *_NUMBERS})
_SCREEN_TYPES = re.compile(r"SCREEN|DOSE|PATIENT.?INFO|REF.?SURVIEW|SUMMARY|REPORT|CAPTURE|PROTOCOL")
_SCREEN_WORDS = re.compile(
    r"dose\W*(report|info|record|summary|page|sheet)|screen\W*(save|shot|capture)|patient\W*(protocol|info)|exam\W*summary|スクリーン|線量",
    re.I,
)
_PLAIN = basic_profile()
_PIXEL_DATA, _FLOATS = 0x7FE00010, (0x7FE00008, 0x7FE00009)


def verdict_on(dataset: Dataset, profile: Profile = _PLAIN) -> Verdict | None:
    """Why a parsed data set must not pass under a profile, or None when it may. Needs no pixel data.

    With Clean Pixel Data, what is refused only because text may be burned in passes; its pixels are then cleaned
    (`deidentify.cleaned`), and that step may still refuse it.
    """
    sop_class = _text(dataset, "SOPClassUID")
    if uid.MediaStorageDirectoryStorage in (sop_class, _stored_class(dataset)) or "DirectoryRecordSequence" in dataset:
        return Verdict(Reason.DICOMDIR, "a DICOMDIR lists patients and files; it is not an image")
    if not sop_class or not _text(dataset, "SOPInstanceUID"):
        return Verdict(Reason.MISSING_IDENTITY, "SOP Class UID or SOP Instance UID is missing")
    syntax = str(getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID", "") or "").strip(" \x00")
    if syntax and not uid.UID(syntax, validation_mode=0).is_transfer_syntax:
        return Verdict(Reason.UNKNOWN_TRANSFER_SYNTAX, "the transfer syntax is private or not in the standard")
    verdict = _content_verdict(dataset, sop_class, profile) if _is_content(sop_class) else _image_verdict(dataset, sop_class)
    cleaned = verdict is not None and verdict.reason is Reason.BURNED_IN_TEXT_RISK and Option.CLEAN_PIXEL_DATA in profile.options
    return None if cleaned and not sop_class.startswith(_SLIDES) else verdict


def opened_by(profile: Profile) -> tuple[str, ...]:
    """What may pass under a profile, in words, one sentence a group; everything else is refused."""
    options = profile.options
    said = [
        "CT, MR and PET images, also enhanced, that do not say or look as if they were screens, captures or dose pages",
        "segmentations, parametric maps, RT structure sets, doses and plans, spatial registrations, real world value maps",
        "original primary nuclear medicine images",
        "radiographs and mammograms (CR, DX, MG, tomosynthesis) that say Burned In Annotation NO",
    ]
    if Option.CLEAN_PIXEL_DATA in options:
        said.append(
            "once their pixels were cleaned: the other radiographs, secondary captures, ultrasound, angiography, fluoroscopy, visible "
            "light (no whole slides), RT images, derived nuclear medicine, screens, dose pages, colour renderings"
        )
    if Option.CLEAN_STRUCTURED_CONTENT in options:
        said.append("structured reports and key object selections; encapsulated PDF that is nothing but text, all of it searched")
    if Option.CLEAN_GRAPHICS in options:
        said.append("greyscale, colour, pseudo-colour and blending softcopy presentation states")
    return tuple(said)


def holds_pixels(sop_class: str) -> bool:
    """Whether instances of a SOP class that may pass carry pixel data."""
    return not _is_content(sop_class) and sop_class not in _WITHOUT_PIXELS


def pixel_tags(sop_class: str) -> frozenset[int]:
    """Which elements of pixels an instance may carry, at its top level only; any other holds what nobody looks at."""
    if not holds_pixels(sop_class):
        return frozenset()
    return frozenset({_PIXEL_DATA, *_FLOATS}) if sop_class == uid.ParametricMapStorage else frozenset({_PIXEL_DATA})


def _is_content(sop_class: str) -> bool:
    return sop_class.startswith((_REPORTS, _PRESENTATIONS, _DOCUMENTS)) and bool(uid.UID(sop_class, validation_mode=0).type)


def _content_verdict(dataset: Dataset, sop_class: str, profile: Profile) -> Verdict | None:
    """Reports, presentation states and documents: each passes only under the option that cleans what it says."""
    name = uid.UID(sop_class).name
    if sop_class.startswith(_REPORTS):
        if Option.CLEAN_STRUCTURED_CONTENT in profile.options:
            return None
        return Verdict(Reason.STRUCTURED_REPORT, f"{name}: passes only under clean_structured_content")
    if sop_class.startswith(_PRESENTATIONS):
        if Option.CLEAN_GRAPHICS in profile.options and sop_class in _PRESENTATIONS_READ:
            return None
        return Verdict(Reason.PRESENTATION_STATE, f"{name}: graphics and text; softcopy states pass under clean_graphics")
    if sop_class == uid.EncapsulatedPDFStorage and Option.CLEAN_STRUCTURED_CONTENT in profile.options:
        return _document_verdict(dataset, profile)
    return Verdict(Reason.ENCAPSULATED_DOCUMENT, f"{name}: only PDF passes, under clean_structured_content, once it was searched")


def _document_verdict(dataset: Dataset, profile: Profile) -> Verdict | None:
    echo = echo_of(identity_of(dataset, profile.plan(Family.OTHER, 0)))
    content = dataset.get("EncapsulatedDocument")
    if not isinstance(content, bytes):
        return Verdict(Reason.ENCAPSULATED_DOCUMENT, "no document in it")
    try:
        fault = document_fault(content.rstrip(b"\x00"), echo)
    except DocumentsExtraMissingError as missing:
        fault = str(missing)
    return Verdict(Reason.ENCAPSULATED_DOCUMENT, fault) if fault else None


def _image_verdict(dataset: Dataset, sop_class: str) -> Verdict | None:
    if sop_class in _NUMBERS:
        return None if sop_class in _WITHOUT_PIXELS else _annotation_verdict(dataset)
    if sop_class in _RADIOGRAPHS and _text(dataset, "BurnedInAnnotation").upper() != "NO":
        return Verdict(Reason.BURNED_IN_TEXT_RISK, "a radiograph that does not say Burned In Annotation NO")
    if sop_class == uid.NuclearMedicineImageStorage and not _text(dataset, "ImageType").upper().startswith("ORIGINAL\\PRIMARY"):
        return Verdict(Reason.BURNED_IN_TEXT_RISK, "a derived nuclear medicine image: result screens are stored so")
    return _pixel_verdict(dataset, sop_class) if sop_class in _LOOKED_AT else _other_verdict(sop_class)


def _other_verdict(sop_class: str) -> Verdict:
    known = uid.UID(sop_class, validation_mode=0)
    name = known.name if known.type else ""
    if not name:
        return Verdict(Reason.UNKNOWN_SOP_CLASS, "the SOP class is private or not in the standard")
    if sop_class in _TEXT_PRONE_CLASSES or sop_class.startswith(_TEXT_PRONE):
        return Verdict(Reason.BURNED_IN_TEXT_RISK, f"{name}: pixels often hold burned-in text")
    return Verdict(Reason.UNSUPPORTED_SOP_CLASS, f"{name} is not on the list of classes that pass")


def _annotation_verdict(dataset: Dataset) -> Verdict | None:
    if _text(dataset, "BurnedInAnnotation").upper() in ("", "NO"):
        return None
    return Verdict(Reason.BURNED_IN_TEXT_RISK, "Burned In Annotation is not NO")


def _pixel_verdict(dataset: Dataset, sop_class: str) -> Verdict | None:
    annotated = _annotation_verdict(dataset)
    if annotated is not None:
        return annotated
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
