"""A tiny export with invented patients, made without any simulator: what the pipeline's own tests run on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

UID = "1.2.826.0.1.3680043.8.498."
NAME = "YAMADA^TARO=山田^太郎"


def instance(study: int, series: int, number: int, *, modality: str = "CT", z_mm: float | None = None, peak: int = 1000) -> FileDataset:
    """One 16 x 16 slice of a study; `peak` is the brightest stored value."""
    sop_class = {"CT": CTImageStorage, "MR": MRImageStorage}.get(modality, CTImageStorage)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = f"{UID}{study}.{series}.{number}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{UID}{study}", f"{UID}{study}.{series}"
    ds.FrameOfReferenceUID = f"{UID}{study}.99"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = NAME, f"ID-{study}", "19500101", "M"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "20240102", "101112", f"ACC{study}"
    ds.Modality, ds.ImageType = modality, ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber = number
    ds.ImagePositionPatient = [0.0, 0.0, 2.0 * number if z_mm is None else z_mm]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [1.0, 1.0], 2.0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 16, 16, 15, 1
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
    pixels = np.zeros((16, 16), dtype=np.int16)
    pixels[6:10, 6:10] = peak
    ds.PixelData = pixels.tobytes()
    return ds


def write_series(folder: Path, study: int, series: int = 1, *, slices: int = 6, modality: str = "CT", peak: int = 1000) -> None:
    """A whole series as files in a folder that bears the patient's name."""
    place = folder / f"Yamada_{study}" / f"series{series}"
    place.mkdir(parents=True)
    for number in range(1, slices + 1):
        instance(study, series, number, modality=modality, peak=peak).save_as(place / f"{number:03d}.dcm", enforce_file_format=True)


def make_export(folder: Path, studies: int = 2) -> Path:
    """Some studies of one CT series each, and a text file."""
    for study in range(1, studies + 1):
        write_series(folder, study, peak=1000 + 10 * study)
    (folder / "README.txt").write_text("not an image", encoding="utf-8")
    return folder
