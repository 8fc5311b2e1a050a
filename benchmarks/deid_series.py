"""A CT series for `deid.py` (`python deid_series.py FOLDER SLICES`): 512 x 512, 16 bit, 258 elements a slice, of nobody."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from pydicom import dcmwrite, uid
from pydicom.datadict import DicomDictionary, keyword_for_tag  # type: ignore[attr-defined]
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

ELEMENTS = 258
ROOT = "1.2.826.0.1.3680043.9.7777.88"
_PERSON = {
    "PatientName": "Winterbourne^Ariadne^Q", "PatientID": "MRN00412345", "PatientBirthDate": "19531107", "PatientSex": "F",
    "PatientAge": "070Y", "OtherPatientIDs": "X-99821", "PatientAddress": "12 Harbour Row", "ReferringPhysicianName": "Okafor^Ngozi",
    "PerformingPhysicianName": "Lindqvist^Per", "OperatorsName": "Ito^Ken", "InstitutionName": "Northgate General",
    "InstitutionAddress": "1 Hill Street", "StationName": "CT-NORTH-2", "AccessionNumber": "ACC778899", "StudyID": "S4711",
    "StudyDescription": "Chest for Winterbourne", "SeriesDescription": "Lung 1.0 B60f", "ProtocolName": "Thorax routine",
    "StudyDate": "20240229", "SeriesDate": "20240229", "AcquisitionDate": "20240229", "StudyTime": "101112.000",
}  # fmt: skip
_IMAGE = {
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "SpecificCharacterSet": "ISO_IR 100", "Modality": "CT", "Manufacturer": "Example Devices",
    "ManufacturerModelName": "Model 64", "KVP": "120", "SliceThickness": "1.0", "ConvolutionKernel": "B60f", "PatientPosition": "HFS",
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [0.7, 0.7],
    "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
    "Rows": 512, "Columns": 512, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0, "WindowCenter": "40",
    "WindowWidth": "400", "RescaleIntercept": "-1024", "RescaleSlope": "1", "BodyPartExamined": "CHEST", "BurnedInAnnotation": "NO",
}  # fmt: skip
_FILLERS = {
    "DS": "1.5",
    "IS": "3",
    "SH": "value",
    "LO": "some value",
    "CS": "VALUE",
    "FD": 1.25,
    "US": 7,
    "LT": "a remark",
    "DA": "20240229",
}
_GROUPS = (0x0018, 0x0020, 0x0028, 0x0040)
_NOT_FILLED = ("InstanceNumber", "SliceLocation", "NumberOfFrames", "ConversionType", "PixelPaddingValue", "")


def write_series(folder: Path, count: int) -> None:
    """Write a series of `count` slices, explicit VR little endian."""
    folder.mkdir(parents=True)
    constant = _constant()
    words = np.random.default_rng(7).integers(0, 4096, (512, 512), dtype="<u2")
    for number in range(count):
        content = _slice(constant, number)
        content.PixelData = np.roll(words, number, axis=0).tobytes()
        dcmwrite(folder / f"{number:06d}.dcm", content, enforce_file_format=True)


def _constant() -> Dataset:
    """What all slices share: the person, the image, sequences, private elements, and enough others to make the number."""
    image = Dataset()
    for keyword, value in {**_PERSON, **_IMAGE}.items():
        setattr(image, keyword, value)
    image.SOPClassUID, image.StudyInstanceUID, image.SeriesInstanceUID = uid.CTImageStorage, f"{ROOT}.1", f"{ROOT}.1.1"
    image.FrameOfReferenceUID = f"{ROOT}.1.9"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "T-D3000", "SRT", "Chest"
    image.ProcedureCodeSequence, image.AnatomicRegionSequence = [code], [code]
    block = image.private_block(0x0029, "EXAMPLE HEADER", create=True)
    for number in range(40):
        block.add_new(number, "LO" if number % 2 else "DS", "PRIVATE Winterbourne" if number % 2 else "1.25")
    _fill(image, ELEMENTS - 9)
    return image


def _fill(image: Dataset, count: int) -> None:
    """Add elements of the image groups, in dictionary order, until there are so many at every depth."""
    there = sum(1 for _ in image.iterall())
    for tag, (vr, multiplicity, *_) in sorted(DicomDictionary.items()):
        if there == count:
            return
        if tag >> 16 in _GROUPS and vr in _FILLERS and multiplicity == "1" and tag not in image and keyword_for_tag(tag) not in _NOT_FILLED:
            image.add_new(tag, vr, _FILLERS[vr])
            there += 1


def _slice(constant: Dataset, number: int) -> FileDataset:
    """One slice: eight elements of its own beside the pixels."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    image = FileDataset("", dict(constant.items()), preamble=bytes(128), file_meta=meta)
    image.SOPInstanceUID = f"{ROOT}.1.1.{number + 1}"
    image.InstanceNumber, image.SliceLocation = str(number + 1), f"{number * 1.0:.1f}"
    image.ImagePositionPatient = [-179.5, -170.25, number * 1.0]
    image.AcquisitionTime = image.ContentTime = f"1011{number // 10 % 60:02d}.{number % 10}00000"
    image.XRayTubeCurrent, image.Exposure = str(200 + number % 37), str(100 + number % 23)
    return image


if __name__ == "__main__":
    write_series(Path(sys.argv[1]), int(sys.argv[2]))
