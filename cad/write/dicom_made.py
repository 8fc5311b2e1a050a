"""Finishing a DICOM object: whose it is, what made it, and UIDs and dates that depend on nothing but the input.

The same case gives the same bytes: there is no clock (dates are the study's), and a UID is a hash of the case and of the object's own
content, so that another content never hides behind a UID that a receiver knows already.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.tag import Tag

from cad.write.dicom_source import Source

MANUFACTURER = "Shoken"
NO_DATE, NO_TIME = "19000101", "000000"  # what the anonymizer writes where a date must stand; it is never moved
_NAMESPACE = uuid.UUID("6a1f3d0e-52b1-5d0c-9a58-0d3c6b4b7e01")
_RANDOM_ROOT = "1.2.826.0.1.3680043.10.511.3."  # highdicom's own, under which it draws UIDs
_UIDS: Mapping[str, str] = {"SOPInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.1.1"}  # until the content is known
_MOST_NUMBER = 2_000_000_000  # near the end of what an IS holds
_CLOCKS = ("InstanceCreationDate", "InstanceCreationTime", "ContributionDateTime")


@dataclass(frozen=True, slots=True)
class Maker:
    """The case that objects are made for; `settings` tells one set-up of the program from another (a digest)."""

    case: str
    settings: str

    def uid(self, *about: str) -> str:
        """A UID that follows from the case and what it is for (PS3.5 B.2; UUID version 5, which no pseudonym has)."""
        return derived_uid(self.case, *about)

    def equipment(self) -> dict[str, Any]:
        """The equipment arguments of every highdicom object."""
        return {
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": "shoken",
            "software_versions": software_version(),
            "device_serial_number": self.settings[:16] or "none",
        }

    def start(self, number: int) -> dict[str, Any]:
        """The series and instance arguments; UIDs are put in at the end, when the content is known."""
        return {
            "series_instance_uid": _UIDS["SeriesInstanceUID"],
            "series_number": number,
            "sop_instance_uid": _UIDS["SOPInstanceUID"],
            "instance_number": 1,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """One finished object: its file name in the case folder, the data set, and the file's bytes."""

    name: str
    dataset: Dataset
    data: bytes


def finished(name: str, dataset: Dataset, source: Source, maker: Maker, beside: bytes = b"") -> Made:
    """Give an object its patient, study, dates and final UIDs, and encode it. `beside` is content that is not in the data set (yet)."""
    _identify(dataset, source.identity)
    _date(dataset, source.identity)
    dataset.SeriesNumber = _behind(source.series_number) + int(dataset.SeriesNumber)
    _settle_uids(dataset, {}, name, maker)
    body = _encoded(dataset)
    content = hashlib.sha256(body + beside).hexdigest()
    for keyword, unfinished in _UIDS.items():
        uid = maker.uid(name, keyword, content)
        body = _with_uid(body, keyword, unfinished, uid, implicit=dataset.file_meta.TransferSyntaxUID.is_implicit_VR)
        setattr(dataset, keyword, uid)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return Made(name, dataset, opened(dataset.file_meta) + body)


def opened(meta: FileMetaDataset) -> bytes:
    """What a file begins with: the preamble, DICM, and the file meta information."""
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, meta)
    return bytes(128) + b"DICM" + buffer.getvalue()


def derived_uid(*about: str) -> str:
    """A UID that follows from texts alone."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, chr(0).join(about)).int}"


def software_version() -> str:
    """The version of the program that writes."""
    try:
        return version("shoken")
    except PackageNotFoundError:
        return "unknown"


def _behind(series_number: int) -> int:
    """What to add to our own series numbers (9001 to 9999) so that they follow the source's: OHIF 3.12 opens the least of a study first."""
    return 10_000 * ((series_number + 1_000) // 10_000) if 0 < series_number < _MOST_NUMBER else 0


def _identify(dataset: Dataset, identity: Dataset) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for element in identity:
        dataset[element.tag] = element


def _date(dataset: Dataset, identity: Dataset) -> None:
    """Dates and times of the study; without one, those that de-identification puts where something must stand."""
    for part in (dataset, *dataset.get("ContributingEquipmentSequence", ())):
        for keyword in _CLOCKS:
            part.pop(keyword, None)
    date = str(identity.StudyDate or NO_DATE)
    time = str(identity.StudyTime or NO_TIME) if identity.StudyDate else NO_TIME
    moments: Mapping[str, str] = {"ContentDate": date, "ContentTime": time, "SeriesDate": date, "SeriesTime": time}
    for keyword, value in moments.items():
        if keyword in dataset or keyword.startswith("Series"):
            setattr(dataset, keyword, value)


def _settle_uids(dataset: Dataset, known: dict[str, str], name: str, maker: Maker) -> None:
    """Replace every UID that was drawn at random by one that follows from the case and its place."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value or ():
                _settle_uids(item, known, name, maker)
        elif element.VR == "UI" and str(element.value).startswith(_RANDOM_ROOT):
            old = str(element.value)
            known.setdefault(old, maker.uid(name, "part", str(len(known))))
            element.value = known[old]


def _encoded(dataset: Dataset) -> bytes:
    """The data set behind its file meta information; encoding is what takes time, so it is done once."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()[len(opened(dataset.file_meta)) :]


def _with_uid(body: bytes, keyword: str, unfinished: str, uid: str, *, implicit: bool) -> bytes:
    """The data set with another UID in the place of one that stands in it once, under this keyword (little endian)."""
    old, new = (_element(keyword, value, implicit=implicit) for value in (unfinished, uid))
    if body.count(old) != 1:
        raise ValueError(f"{keyword} does not stand once in the object")
    return body.replace(old, new)


def _element(keyword: str, uid: str, *, implicit: bool) -> bytes:
    tag, value = Tag(keyword), uid.encode() + b"\0" * (len(uid) % 2)
    length = struct.pack("<L", len(value)) if implicit else struct.pack("<2sH", b"UI", len(value))
    return struct.pack("<HH", tag.group, tag.element) + length + value
