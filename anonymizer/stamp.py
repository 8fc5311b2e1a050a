"""What the output says of itself: the de-identification attributes, and a file meta of its own."""

from __future__ import annotations

from pydicom import uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from anonymizer import elements
from anonymizer.profile import Option, Profile
from anonymizer.standard import ADDITIONS_EDITION, EDITION

IMPLEMENTATION_CLASS_UID = "2.25.307422640981229148370318906731170273514"
IMPLEMENTATION_VERSION = "SHOKEN"
_METHOD = ("Shoken anonymizer", f"PS3.15 {EDITION} and additions to {ADDITIONS_EDITION}")  # 64 characters a value at most
_STAMPED = tuple(map(BaseTag, (0x00120062, 0x00120063, 0x00120064, 0x00280303)))


def stamp(clean: Dataset, profile: Profile) -> None:
    """Say in the data set what was done to its header: PS3.15 section E.1.1, attributes of PS3.3 C.7.1.1 and C.12.1."""
    for stamped in _STAMPED:
        clean.pop(stamped, None)  # an earlier stamp may state another VR
    clean.PatientIdentityRemoved = "YES"
    clean.DeidentificationMethod = [*_METHOD, *profile.name.split("+")]
    clean.DeidentificationMethodCodeSequence = Sequence([_coded(code, meaning) for code, meaning in profile.header_codes])
    clean.LongitudinalTemporalInformationModified = profile.temporal_information


def claim(clean: Dataset, option: Option) -> None:
    """Add the code of an option whose work on the pixels is done, once, in order of code."""
    items = [item for item in clean.get("DeidentificationMethodCodeSequence") or [] if item.CodeValue != option.code]
    items.append(_coded(option.code, option.meaning))
    clean.DeidentificationMethodCodeSequence = Sequence(sorted(items, key=lambda item: str(item.CodeValue)))


def _coded(code: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", meaning
    return item


def as_file(clean: Dataset, source: Dataset) -> FileDataset:
    """The data set as a file: empty preamble, and nothing of the source's file meta but the transfer syntax."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = clean.SOPClassUID
    meta.MediaStorageSOPInstanceUID = clean.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax_of(source)
    meta.ImplementationClassUID = uid.UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    implicit, little = encoding_of(source)
    result = FileDataset("", clean, preamble=b"\x00" * 128, file_meta=meta, is_implicit_VR=implicit, is_little_endian=little)
    result.set_original_encoding(implicit, little, elements.charset(source))
    return result


def transfer_syntax_of(dataset: Dataset) -> uid.UID:
    """The transfer syntax of the file meta, else the plain one that fits how the data set was encoded."""
    stated = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    if stated:
        return uid.UID(str(stated).strip(" \x00"))
    implicit, little = dataset.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRBigEndian if little is False else uid.ExplicitVRLittleEndian


def encoding_of(dataset: Dataset) -> tuple[bool, bool]:
    """(implicit VR, little endian) of the data set's transfer syntax."""
    syntax = transfer_syntax_of(dataset)
    return syntax == uid.ImplicitVRLittleEndian, syntax != uid.ExplicitVRBigEndian
