"""Small DICOM data sets with fake PHI, built in memory."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from pydicom import dcmread, dcmwrite, uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

from anonymizer.key import ProjectKey

KEY = ProjectKey(bytes(range(32)))
OTHER_KEY = ProjectKey(bytes(range(1, 33)))
SYNTAXES = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian)


def ct(**changes: object) -> Dataset:
    """A 4 x 4 CT slice of a patient who does not exist; keyword arguments replace or add attributes."""
    image = Dataset()
    image.SpecificCharacterSet = "ISO_IR 100"
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SOPClassUID = uid.CTImageStorage
    image.SOPInstanceUID = "1.2.826.0.1.3680043.9.7777.1.1.1"
    image.StudyDate, image.StudyTime = "20240229", "101112"
    image.AccessionNumber = "ACC778899"
    image.Modality = "CT"
    image.Manufacturer = "Example Devices"
    image.ConvolutionKernel = "B40f"
    image.ReferringPhysicianName = "Okafor^Ngozi"
    image.PatientName = "Winterbourne^Ariadne"
    image.PatientID = "MRN00412345"
    image.PatientBirthDate = "19531107"
    image.PatientSex = "F"
    image.StudyInstanceUID = "1.2.826.0.1.3680043.9.7777.1"
    image.SeriesInstanceUID = "1.2.826.0.1.3680043.9.7777.1.1"
    image.FrameOfReferenceUID = "1.2.826.0.1.3680043.9.7777.1.9"
    image.ImagePositionPatient = [-10.5, -20.25, 30.125]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.PixelSpacing = [0.7, 0.7]
    image.SliceThickness = "2.5"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = 4
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.PixelData = np.arange(16, dtype="<u2").tobytes()
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    return image


def encode(image: Dataset, syntax: uid.UID = uid.ExplicitVRLittleEndian, preamble: bytes = bytes(128)) -> bytes:
    """The data set as a file in a transfer syntax."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = image.SOPClassUID
    meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    meta.SourceApplicationEntityTitle = "SECRETAE"
    file = FileDataset("", image, preamble=preamble, file_meta=meta)
    buffer = BytesIO()
    dcmwrite(
        buffer,
        file,
        enforce_file_format=True,
        implicit_vr=syntax == uid.ImplicitVRLittleEndian,
        little_endian=syntax != uid.ExplicitVRBigEndian,
    )
    return buffer.getvalue()


def decode(content: bytes) -> FileDataset:
    """A file's bytes as a data set."""
    return dcmread(BytesIO(content))
