"""Volumes as DICOM series with invented identities in every place where real ones hide: `write_series` and its odd companions.

Bytes depend on the arguments only: UIDs are hashes of the seed, dates come from the invented patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, SecondaryCaptureImageStorage, generate_uid

from cad.simulate.patients import FakePatient
from cad.volume import Volume

_IMPLEMENTATION = generate_uid(entropy_srcs=["shoken", "simulate"])
_CT_STORED_ZERO = -1024


@dataclass(frozen=True, slots=True)
class SeriesLook:
    """How a series presents itself. `left_out` are slice indices that are never written (a gap)."""

    description: str = "Chest routine"
    study_description: str = "CT Chest"
    body_part: str = "CHEST"
    series_number: int = 2
    kernel: str = "B30f"
    manufacturer: str = "SIEMENS"
    model: str = "Simulated 64"
    contrast: str = ""
    sequence: str = ""
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenSeries:
    """What was written: UIDs and files, in slice order from the first index up."""

    study_instance_uid: str
    series_instance_uid: str
    files: tuple[Path, ...]


def write_series(volume: Volume, folder: Path, patient: FakePatient, seed: int, look: SeriesLook) -> WrittenSeries:
    """One file a slice (CT or MR Image Storage by `volume.modality`), named IM00001... in an order unlike the slices'.

    CT is HU with rescale (stored unsigned, intercept -1024), MR unsigned 16 bit. Position, orientation and spacing are the grid's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = [k for k in range(volume.grid.shape[0]) if k not in look.left_out]
    order = np.random.default_rng((seed, 0x5CA)).permutation(len(kept))
    files = []
    for place, k in enumerate(kept):
        dataset = _slice(volume, patient, seed, look, k)
        files.append(folder / f"IM{order[place] + 1:05d}")
        _save(dataset, files[-1])
    return WrittenSeries(study_uid(patient), _series_uid(patient, seed, look.series_number), tuple(files))


def write_localizer(volume: Volume, path: Path, patient: FakePatient, seed: int, look: SeriesLook) -> None:
    """The frontal planning view of a CT: one CT image whose Image Type says LOCALIZER."""
    dz, dy, _ = volume.grid.spacing_mm
    view = volume.voxels.mean(axis=1, dtype=np.float32)[::-1] + 0.25 * dy * 180
    dataset = _headers(volume, patient, seed, look, CTImageStorage, "localizer")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.InstanceNumber = 1
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    top = volume.grid.to_mm((volume.grid.shape[0] - 1, volume.grid.shape[1] / 2, 0))
    dataset.ImagePositionPatient = [_ds(v) for v in top]
    dataset.PixelSpacing = [_ds(dz), _ds(volume.grid.spacing_mm[2])]
    _ct_pixels(dataset, view)
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(dataset, path)


def write_secondary_capture(path: Path, patient: FakePatient, seed: int) -> None:
    """A screen shot of a report whose pixels show the patient's name, number and birthday."""
    look = SeriesLook(description="Screen capture", study_description="Report", series_number=99)
    dataset = _identity(patient, seed, look, SecondaryCaptureImageStorage, "capture")
    dataset.Modality = "OT"
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.BurnedInAnnotation = "YES"
    _pixels(dataset, _screen(patient), bits=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(dataset, path)


def study_uid(patient: FakePatient) -> str:
    """The Study Instance UID of an invented visit."""
    return str(generate_uid(entropy_srcs=["study", patient.patient_id, patient.accession]))


def _series_uid(patient: FakePatient, seed: int, number: int) -> str:
    return str(generate_uid(entropy_srcs=["series", patient.patient_id, patient.accession, str(seed), str(number)]))


def _slice(volume: Volume, patient: FakePatient, seed: int, look: SeriesLook, k: int) -> Dataset:
    grid = volume.grid
    dataset = _headers(volume, patient, seed, look, MRImageStorage if volume.modality == "MR" else CTImageStorage, str(k))
    axes = grid.affine[:3, :3] / np.asarray(grid.spacing_mm)
    position = grid.to_mm((k, 0, 0))
    dataset.InstanceNumber = grid.shape[0] - k  # from the head down, as most consoles number
    dataset.ImageOrientationPatient = [_ds(v) for v in (*axes[:, 2], *axes[:, 1])]
    dataset.ImagePositionPatient = [_ds(v) for v in position]
    dataset.SliceLocation = _ds(float(position @ axes[:, 0]))
    dataset.PixelSpacing = [_ds(grid.spacing_mm[1]), _ds(grid.spacing_mm[2])]
    if volume.modality == "MR":
        _pixels(dataset, np.clip(volume.voxels[k], 0, 65535).astype(np.uint16), bits=16)
    else:
        _ct_pixels(dataset, volume.voxels[k])
    return dataset


def _headers(volume: Volume, patient: FakePatient, seed: int, look: SeriesLook, sop_class: str, instance: str) -> Dataset:
    """Identity, equipment and acquisition facts of one image."""
    dataset = _identity(patient, seed, look, sop_class, instance)
    dataset.Modality = volume.modality
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SliceThickness = _ds(volume.grid.spacing_mm[0])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame", patient.patient_id, str(seed)])
    dataset.PositionReferenceIndicator = ""
    dataset.PatientPosition = "HFS"
    dataset.AcquisitionNumber = 1
    if look.contrast:
        dataset.ContrastBolusAgent = look.contrast
    if volume.modality == "MR":
        _mr_facts(dataset, look)
    else:
        dataset.KVP, dataset.ConvolutionKernel, dataset.XRayTubeCurrent = "120", look.kernel, "210"
        dataset.ReconstructionDiameter = _ds(volume.grid.shape[2] * volume.grid.spacing_mm[2])
    return dataset


def _mr_facts(dataset: Dataset, look: SeriesLook) -> None:
    """FLAIR and T2 as spin echoes, anything else as a T1-weighted gradient echo."""
    spin = look.sequence in _SPIN_ECHOES
    scanning, name, repetition, echo = _SPIN_ECHOES.get(look.sequence, ("GR", "*fl3d1", "1900", "2.9"))
    dataset.ScanningSequence, dataset.SequenceVariant = scanning, "SK" if spin else "SP"
    dataset.ScanOptions, dataset.MRAcquisitionType, dataset.MagneticFieldStrength = "", "3D", "3"
    dataset.SequenceName, dataset.RepetitionTime, dataset.EchoTime = name, repetition, echo
    dataset.EchoTrainLength, dataset.FlipAngle = "1", "9"
    if look.sequence == "FLAIR":
        dataset.InversionTime = "2500"


_SPIN_ECHOES = {"FLAIR": (["SE", "IR"], "*tir3d", "9000", "120"), "T2": ("SE", "*tse3d", "4800", "98")}


def _identity(patient: FakePatient, seed: int, look: SeriesLook, sop_class: str, instance: str) -> Dataset:
    """Every attribute that names someone or something, with invented values."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = list(patient.charset)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = generate_uid(
        entropy_srcs=["image", patient.patient_id, patient.accession, str(seed), str(look.series_number), instance]
    )
    dataset.StudyInstanceUID = study_uid(patient)
    dataset.SeriesInstanceUID = _series_uid(patient, seed, look.series_number)
    dataset.SeriesNumber, dataset.StudyID = look.series_number, patient.accession[-4:]
    dataset.StudyDescription, dataset.SeriesDescription = look.study_description, look.description
    dataset.ProtocolName, dataset.BodyPartExamined = look.description, look.body_part
    dataset.Manufacturer, dataset.ManufacturerModelName = look.manufacturer, look.model
    _when(dataset, patient)
    _who(dataset, patient)
    _where(dataset, patient, seed)
    _hidden(dataset, patient)
    return dataset


def _when(dataset: Dataset, patient: FakePatient) -> None:
    for stage in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{stage}Date", patient.study_date)
        setattr(dataset, f"{stage}Time", patient.study_time)
    dataset.InstanceCreationDate, dataset.PatientBirthDate = patient.study_date, patient.birth_date


def _who(dataset: Dataset, patient: FakePatient) -> None:
    dataset.PatientName, dataset.PatientID = patient.name, patient.patient_id
    dataset.PatientSex, dataset.PatientAge = patient.sex, patient.age
    dataset.PatientAddress, dataset.PatientTelephoneNumbers = patient.address, patient.telephone
    dataset.OtherPatientNames, dataset.AdditionalPatientHistory = patient.roman_name, patient.history
    dataset.PatientComments = f"call {patient.telephone}"
    dataset.ReferringPhysicianName, dataset.PerformingPhysicianName = patient.physician, patient.physician
    dataset.RequestingPhysician, dataset.OperatorsName = patient.physician, patient.operator
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID, other.TypeOfPatientID = f"X{patient.patient_id}", patient.hospital, "TEXT"
    dataset.OtherPatientIDsSequence = [other]


def _where(dataset: Dataset, patient: FakePatient, seed: int) -> None:
    dataset.AccessionNumber, dataset.InstitutionName = patient.accession, patient.hospital
    dataset.InstitutionAddress, dataset.StationName = patient.address, "CT01"
    dataset.DeviceSerialNumber = f"SN{seed % 100000:05d}"
    request, step = Dataset(), Dataset()
    step.CodeValue, step.CodingSchemeDesignator, step.CodeMeaning = "CTCHEST", "99LOCAL", f"for {patient.roman_name}"
    request.RequestedProcedureID, request.ScheduledProcedureStepID = patient.accession, patient.accession
    request.RequestedProcedureDescription = patient.history
    request.ScheduledProtocolCodeSequence = [step]
    dataset.RequestAttributesSequence = [request]


def _hidden(dataset: Dataset, patient: FakePatient) -> None:
    """Private elements that repeat the identity, as vendors' do."""
    block = dataset.private_block(0x0029, "SHOKEN SIMULATED 01", create=True)
    block.add_new(0x10, "LO", patient.roman_name)
    block.add_new(0x11, "OB", f"PatientId={patient.patient_id};Birth={patient.birth_date};".encode())
    nested = Dataset()
    nested.PatientName, nested.PatientID = patient.name, patient.patient_id
    block.add_new(0x12, "SQ", [nested])


def _ct_pixels(dataset: Dataset, hu: NDArray[np.generic]) -> None:
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", str(_CT_STORED_ZERO), "HU"
    dataset.WindowCenter, dataset.WindowWidth = "-600", "1500"
    stored = np.clip(np.rint(hu.astype(np.float32) - _CT_STORED_ZERO), 0, 4095).astype(np.uint16)
    _pixels(dataset, stored, bits=12)


def _pixels(dataset: Dataset, image: NDArray[np.unsignedinteger], bits: int) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = image.shape
    dataset.BitsAllocated = 8 * image.itemsize
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    dataset.add_new(0x7FE00010, "OW" if image.itemsize == 2 else "OB", image.astype(image.dtype.newbyteorder("<")).tobytes())


def _screen(patient: FakePatient) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("L", (640, 480), 12)
    pen = ImageDraw.Draw(page)
    lines = (patient.roman_name.replace("^", ", "), f"ID {patient.patient_id}", f"Born {patient.birth_date}", f"Exam {patient.study_date}")
    for n, line in enumerate(lines):
        pen.text((24, 20 + 40 * n), line, fill=235, font=ImageFont.load_default(26))
    pen.rectangle((24, 210, 616, 460), outline=120)
    pen.line([(40 + 6 * t, 335 - 60 * float(np.sin(t / 6)) * (t % 17) / 17) for t in range(95)], fill=180, width=2)
    return np.asarray(page, dtype=np.uint8)


def _ds(value: float) -> str:
    """A decimal string of at most 16 characters."""
    return f"{float(value):.6f}".rstrip("0").rstrip(".")


def _save(dataset: Dataset, path: Path) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID, meta.ImplementationClassUID = ExplicitVRLittleEndian, _IMPLEMENTATION
    meta.ImplementationVersionName = "SHOKEN_SIM"
    file = FileDataset(str(path), dataset, file_meta=meta, preamble=b"\0" * 128)
    file.save_as(path, enforce_file_format=True)
