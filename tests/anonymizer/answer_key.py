"""A data set of fake patients and the key to it: what an anonymizer must remove, keep, change or shift, action by action.

The ten actions are those of the MIDI-B challenge (Medical Image De-Identification Benchmark, MICCAI 2024). The key is
written by the generator from what it planted and from what PS3.15 means by the profile; it reads no rule of ours. The
profile: basic, with Clean Descriptors, Clean Pixel Data, Retain Modified Dates, Patient Characteristics, Device Identity
and Safe Private.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from answer_key_patients import Person, people
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmwrite, uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence

ROOT = "1.2.826.0.1.3680043.9.5555"
PIXELS = 64
ACTIONS = (
    "tag_retained",
    "text_notnull",
    "text_retained",
    "text_removed",
    "date_shifted",
    "uid_changed",
    "uid_consistent",
    "patid_consistent",
    "pixels_hidden",
    "pixels_retained",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the key: in the file with this serial number, at this path, the action and the value it is about.

    A path is keywords joined by dots (first items of sequences), `GGGG:creator:EE` for a private element, empty for
    anywhere in the file. `box` is rows and columns of burned-in text: top, left, bottom, right.
    """

    serial: int
    action: str
    path: str = ""
    value: str = ""
    patient: str = ""
    box: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Modality:
    """What differs between kinds of images."""

    name: str
    sop_class: uid.UID
    words: str
    protocol: str


MODALITIES = (
    Modality("CT", uid.CTImageStorage, "thin axial lung", "Thorax Routine"),
    Modality("MR", uid.MRImageStorage, "T1 axial post", "Brain Tumor"),
    Modality("PT", uid.PositronEmissionTomographyImageStorage, "whole body corrected", "FDG Oncology"),
    Modality("CR", uid.ComputedRadiographyImageStorage, "lateral upright", "Knee Bilateral"),
    Modality("MG", uid.DigitalMammographyXRayImageStorageForPresentation, "oblique magnified", "Screening Mammo"),
)
SYNTAXES = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
)


def generate(folder: Path, *, patients: int = 36, burned_in: int = 12, seed: int = 5) -> tuple[Check, ...]:
    """Write the files under a folder and give the key. Two studies a patient, three images each; then screens with text."""
    chance = random.Random(seed)
    cast = people(patients, chance)
    key: list[Check] = []
    serial = 0
    for number, person in enumerate(cast):
        for visit in (0, 1):
            for image in range(3):
                serial += 1
                writer = Author(person, number, visit, image, serial)
                writer.write(folder)
                key.extend(writer.checks)
    for number, person in enumerate(cast[:burned_in]):
        serial += 1
        screen = Author(person, number, 0, 9, serial)
        screen.write_screen(folder)
        key.extend(screen.checks)
    return tuple(key)


class Author:
    """Writes one file and remembers what was planted in it."""

    def __init__(self, person: Person, number: int, visit: int, image: int, serial: int) -> None:
        self.person, self.serial, self.image_number = person, serial, image
        self.modality = MODALITIES[(number + visit) % len(MODALITIES)]
        self.syntax = SYNTAXES[(number + image) % len(SYNTAXES)]
        self.day = person.first_visit + timedelta(days=visit * person.days_between)
        self.study = f"{ROOT}.{number + 1}.{visit + 1}"
        self.accession = f"AC{number:03d}{visit}{7919 * (number + 3) % 10000:04d}"
        self.checks: list[Check] = []
        self.dataset = Dataset()

    def write(self, folder: Path) -> None:
        self._header()
        self._texts()
        self._sequences()
        self._private()
        self._pixels(plain_pixels(self.serial))
        self._save(folder)

    def write_screen(self, folder: Path) -> None:
        """An ultrasound still with name, ID and date burned in at the top."""
        self.modality, self.syntax = Modality("US", uid.UltrasoundImageStorage, "liver subcostal", "Abdomen"), uid.ExplicitVRLittleEndian
        self._header()
        lines = (self.person.name.split("=")[0].replace("^", " "), self.person.patient_id, self.day.strftime("%Y/%m/%d"))
        array, boxes = screen_pixels(lines, self.serial)
        self._pixels(array)
        for box in boxes:
            self._note("pixels_hidden", box=box)
        self._save(folder)

    def _note(self, action: str, path: str = "", value: str = "", box: tuple[int, int, int, int] = (0, 0, 0, 0)) -> None:
        self.checks.append(Check(self.serial, action, path, value, self.person.patient_id, box))

    def _put(self, keyword: str, value: object, *notes: tuple[str, str], into: Dataset | None = None, under: str = "") -> None:
        setattr(self.dataset if into is None else into, keyword, value)
        for action, about in notes:
            self._note(action, f"{under}{keyword}", about)

    def _header(self) -> None:
        person, series = self.person, f"{self.study}.{self.modality.name.encode()[0]}"
        self._put("SpecificCharacterSet", person.charset)
        self._put("SOPClassUID", self.modality.sop_class, ("text_retained", str(self.modality.sop_class)))
        for keyword, value in (
            ("SOPInstanceUID", f"{series}.{self.serial}"),
            ("SeriesInstanceUID", series),
            ("StudyInstanceUID", self.study),
            ("FrameOfReferenceUID", f"{self.study}.77"),
        ):
            self._put(keyword, value, ("uid_changed", value), ("uid_consistent", value), ("text_notnull", ""))
        self._put("Modality", self.modality.name, ("text_retained", self.modality.name))
        self._put("PatientID", person.patient_id, ("patid_consistent", person.patient_id), ("text_notnull", ""))
        self._put("PatientName", person.name, *(("text_removed", part) for part in (person.family, person.given, *person.ideographs)))
        self._put("PatientBirthDate", f"{person.birth:%Y%m%d}", ("text_removed", f"{person.birth:%Y%m%d}"))
        self._put("PatientSex", person.sex, ("text_retained", person.sex))
        old = person.age > "089Y"
        self._put("PatientAge", person.age, ("text_removed" if old else "text_retained", person.age))
        self._put("PatientWeight", "61.5", ("text_retained", "61.5"))
        self._put("AccessionNumber", self.accession, ("text_removed", self.accession))
        self._put("InstitutionName", person.hospital, ("text_removed", person.hospital))
        self._put("InstitutionAddress", "4 Quay Street, Westport", ("text_removed", "Quay Street"))
        self._put("ReferringPhysicianName", person.physician, ("text_removed", person.physician.split("^")[0]))
        self._put("OperatorsName", "Vandermeer^Ilse", ("text_removed", "Vandermeer"))
        self._dates()
        self._technique()

    def _dates(self) -> None:
        for keyword, later in (("StudyDate", 0), ("SeriesDate", 0), ("AcquisitionDate", 0), ("ContentDate", 1)):
            value = f"{self.day + timedelta(days=later):%Y%m%d}"
            self._put(keyword, value, ("date_shifted", value))
        self._put("StudyTime", "101112", ("tag_retained", ""))
        self._put("ContentTime", "101113", ("tag_retained", ""))
        self._put("AcquisitionDateTime", f"{self.day:%Y%m%d}101112.000000", ("date_shifted", f"{self.day:%Y%m%d}"))

    def _technique(self) -> None:
        self._put("ImageType", ["ORIGINAL", "PRIMARY"], ("text_retained", "ORIGINAL"))
        self._put("BurnedInAnnotation", "NO" if self.modality.name != "US" else "YES")
        self._put("Manufacturer", "Example Devices", ("text_retained", "Example Devices"))
        self._put("ManufacturerModelName", "Scanner 3000", ("text_retained", "Scanner 3000"))
        self._put("DeviceSerialNumber", "SN90871", ("text_retained", "SN90871"))
        self._put("StationName", "CTSTN7", ("text_retained", "CTSTN7"))
        self._put("SoftwareVersions", "syngo VB20", ("text_retained", "syngo VB20"))
        self._put("BodyPartExamined", "CHEST", ("text_retained", "CHEST"))
        self._put("KVP", "120", ("text_retained", "120"))
        self._put("SliceThickness", "2.5", ("text_retained", "2.5"), ("tag_retained", ""))
        self._put("ImagePositionPatient", ["-10.5", "-20.25", str(self.serial)], ("tag_retained", ""), ("text_retained", "-20.25"))
        self._put("ImageOrientationPatient", ["1", "0", "0", "0", "1", "0"], ("tag_retained", ""))
        self._put("PixelSpacing", ["0.7", "0.7"], ("tag_retained", ""), ("text_retained", "0.7"))
        self._put("SeriesNumber", "3", ("text_retained", "3"))
        self._put("InstanceNumber", str(self.serial), ("text_retained", str(self.serial)))

    def _texts(self) -> None:
        """Free texts of the trade with the patient and the staff strewn in."""
        person, words, (first, *_, last) = self.person, self.modality.words, self.modality.words.split()
        keep = [("text_retained", first), ("text_retained", last)]
        self._put("SeriesDescription", f"{words} {person.family}", *keep, ("text_removed", person.family))
        self._put(
            "ProtocolName",
            f"{self.modality.protocol} {person.patient_id}",
            *kept(self.modality.protocol),
            ("text_removed", person.patient_id),
        )
        study = f"Follow up for {person.given} {person.family}, {self.accession}"
        self._put("StudyDescription", study, ("text_retained", "Follow up"), *gone(person.given, person.family, self.accession))
        doctor = person.physician.split("^")[0]
        comment = f"nodule stable, call {person.phone} or Dr {doctor}; born {person.birth:%Y-%m-%d} at {person.hospital}"
        self._put("ImageComments", comment, ("text_retained", "nodule stable"), *gone(person.phone, doctor, f"{person.birth:%Y-%m-%d}"))
        self._note("text_removed", "ImageComments", person.hospital)
        if person.ideographs:
            family, given = person.ideographs
            finding = "肝腫瘤" if "Ya" in person.name or "Ku" in person.name or "Sh" in person.name else "肺部"
            text = (f"{finding} {family}{given}", f"{finding} {family} {given}", f"{family}{given}{finding}")[self.image_number % 3]
            self._put("AdditionalPatientHistory", text, ("text_retained", finding), *gone(family, given))
        else:
            history = f"{person.family.upper()} known asthma"
            self._put("AdditionalPatientHistory", history, ("text_retained", "known asthma"), *gone(person.family.upper()))

    def _sequences(self) -> None:
        request, where = Dataset(), "RequestAttributesSequence."
        value = f"{self.modality.words} of {self.person.family}"
        notes = (("text_retained", self.modality.words.split()[0]), ("text_removed", self.person.family))
        self._put("ScheduledProcedureStepDescription", value, *notes, into=request, under=where)
        self._put("RequestedProcedureID", self.accession, ("text_removed", self.accession), into=request, under=where)
        self._nested()
        other = Dataset()
        other.PatientID, other.TypeOfPatientID = f"ALT{self.person.patient_id}", "TEXT"
        self.dataset.RequestAttributesSequence = Sequence([request])
        self.dataset.OtherPatientIDsSequence = Sequence([other])
        self._note("text_removed", "", f"ALT{self.person.patient_id}")

    def _nested(self) -> None:
        """A code, a UID and a date inside sequences that the profile keeps; the UID is the same in all files of a study."""
        code, dose = Dataset(), Dataset()
        self._put("CodeValue", "113072", ("text_retained", "113072"), into=code, under="DerivationCodeSequence.")
        self._put("CodeMeaning", "Multiplanar reformatting", ("text_retained", "Multiplanar"), into=code, under="DerivationCodeSequence.")
        code.CodingSchemeDesignator = "DCM"
        event, where = f"{self.study}.5.5", "RadiopharmaceuticalInformationSequence."
        notes = (("uid_changed", event), ("uid_consistent", event))
        self._put("RadiopharmaceuticalAdministrationEventUID", event, *notes, into=dose, under=where)
        day = f"{self.day:%Y%m%d}"
        self._put("RadiopharmaceuticalStartDateTime", f"{day}091500", ("date_shifted", day), into=dose, under=where)
        self.dataset.DerivationCodeSequence = Sequence([code])
        self.dataset.RadiopharmaceuticalInformationSequence = Sequence([dose])

    def _private(self) -> None:
        """Safe by PS3.15 table E.3.10-1: the b value of Siemens, the SUV factor of Philips; others are not."""
        b_value = self.dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        b_value.add_new(0x0C, "IS", "1000")
        self._note("text_retained", "0019:SIEMENS MR HEADER:0C", "1000")
        factor = self.dataset.private_block(0x7053, "Philips PET Private Group", create=True)
        factor.add_new(0x00, "DS", "0.0125")
        self._note("text_retained", "7053:Philips PET Private Group:00", "0.0125")
        unsafe = self.dataset.private_block(0x0099, "ACME ARCHIVE 1.1", create=True)
        unsafe.add_new(0x01, "LO", f"owner {self.person.family} {self.person.patient_id}")
        self._note("text_removed", "0099:ACME ARCHIVE 1.1:01", self.person.family)
        self._note("text_removed", "", self.person.patient_id)

    def _pixels(self, array: np.ndarray) -> None:
        image = self.dataset
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.Rows, image.Columns = array.shape
        image.BitsAllocated = image.BitsStored = 8 * array.itemsize
        image.HighBit, image.PixelRepresentation = image.BitsStored - 1, 0
        big = self.syntax == uid.ExplicitVRBigEndian
        image.PixelData = array.astype(array.dtype.newbyteorder(">" if big else "<")).tobytes()
        image["PixelData"].VR = "OW" if array.itemsize == 2 else "OB"
        for keyword in ("Rows", "Columns", "BitsStored", "PhotometricInterpretation"):
            self._note("tag_retained", keyword)
        self._note("pixels_retained")

    def _save(self, folder: Path) -> None:
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian if self.syntax == uid.RLELossless else self.syntax
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = self.dataset.SOPClassUID, self.dataset.SOPInstanceUID
        meta.SourceApplicationEntityTitle = "WESTPORT1"
        file = FileDataset("", self.dataset, preamble=self.person.family.encode()[:128].ljust(128, b"\0"), file_meta=meta)
        self._note("text_removed", "", self.person.family)
        if self.syntax == uid.RLELossless:
            file.compress(uid.RLELossless, generate_instance_uid=False)
        path = folder / self.person.patient_id / self.study / f"{self.serial:05d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        implicit = self.syntax == uid.ImplicitVRLittleEndian
        big = self.syntax == uid.ExplicitVRBigEndian
        dcmwrite(path, file, enforce_file_format=True, implicit_vr=implicit, little_endian=not big)


def kept(text: str) -> Iterable[tuple[str, str]]:
    return (("text_retained", word) for word in text.split())


def gone(*values: str) -> Iterable[tuple[str, str]]:
    return (("text_removed", value) for value in values)


def plain_pixels(serial: int) -> np.ndarray:
    """Unlike any other file's: noise under the serial number, which stands in the last row in base 200."""
    array = np.random.default_rng(serial).integers(100, 900, (PIXELS, PIXELS)).astype("<u2")
    array[-1, :3] = serial // 40000 % 200, serial // 200 % 200, serial % 200
    return array


def screen_pixels(lines: Iterable[str], serial: int) -> tuple[np.ndarray, tuple[tuple[int, int, int, int], ...]]:
    """A dark fan with lines of text at the top, and where each line lies."""
    picture = Image.new("L", (512, 384), 8)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=22)
    draw.pieslice((150, 150, 400, 420), 40, 140, fill=110)
    boxes = []
    for number, line in enumerate(lines):
        corner = (16, 12 + 34 * number)
        draw.text(corner, line, fill=235, font=font)
        left, top, right, bottom = draw.textbbox(corner, line, font=font)
        boxes.append((int(top), int(left), int(bottom) + 1, int(right) + 1))
    array = np.asarray(picture, dtype="u1").copy()
    array[-1, :3] = serial // 40000 % 200, serial // 200 % 200, serial % 200
    return array, tuple(boxes)


def shift_of(original: str, shifted: str) -> int | None:
    """Days from one DICOM date to another; None when either is no date."""
    try:
        return (date.fromisoformat(shifted[:8]) - date.fromisoformat(original[:8])).days
    except ValueError:
        return None
