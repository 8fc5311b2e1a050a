"""Data sets with text burned into stored values, in the layouts and transfer syntaxes that occur."""

from __future__ import annotations

import warnings

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

from anonymizer.echo import Echo, Identity, echo_of

ECHO: Echo = echo_of(Identity(names=("DAVIDSON^DOUGLAS",), identifiers=("4711-0815",)))
LINE = "DAVIDSON DOUGLAS"
PLACE = (slice(12, 50), slice(0, 220))  # where `ink` draws, with a margin


def ink(shape: tuple[int, int], text: str = LINE, at: tuple[int, int] = (20, 20), size: int = 18) -> np.ndarray:
    """A mask of the letters, (rows, columns)."""
    sheet = Image.new("L", (shape[1], shape[0]))
    ImageDraw.Draw(sheet).text(at, text, fill=255, font=ImageFont.load_default(size))
    return np.asarray(sheet) > 110


def ground(shape: tuple[int, int], seed: int = 0, low: int = 40, high: int = 90) -> np.ndarray:
    """A smooth blob with noise, int32."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    blob = np.exp(-(((rows / shape[0] - 0.6) / 0.25) ** 2) - ((columns / shape[1] - 0.5) / 0.3) ** 2)
    noise = np.random.default_rng(seed).normal(0, (high - low) / 40, shape)
    return np.round(low + (high - low) * blob + noise).astype(np.int32)


def dataset(pixels: np.ndarray, photometric: str = "MONOCHROME2", modality: str = "CR", **attributes: object) -> FileDataset:
    """A file data set around native little-endian pixels: (frames, rows, columns[, 3]) or (rows, columns[, 3]) for one frame.

    The dtype of the pixels gives bits and sign.
    """
    colour = pixels.shape[-1] == 3
    pixels = pixels if pixels.ndim == (4 if colour else 3) else pixels[None]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = attributes.get("SOPClassUID", uid.ComputedRadiographyImageStorage)
    meta.MediaStorageSOPInstanceUID = "2.25.1"
    image = FileDataset("", Dataset(), preamble=b"\x00" * 128, file_meta=meta, is_implicit_VR=False, is_little_endian=True)
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, "2.25.1"
    image.Modality, image.ImageType = modality, ["ORIGINAL", "PRIMARY"]
    image.Rows, image.Columns = pixels.shape[1:3]
    image.SamplesPerPixel, image.PhotometricInterpretation = (3 if colour else 1), photometric
    image.BitsAllocated = image.BitsStored = pixels.dtype.itemsize * 8
    image.HighBit, image.PixelRepresentation = image.BitsStored - 1, int(pixels.dtype.kind == "i")
    if colour:
        image.PlanarConfiguration = 0
    if len(pixels) > 1:
        image.NumberOfFrames = len(pixels)
    content = pixels.tobytes()
    image.add_new(0x7FE00010, "OW" if pixels.dtype.itemsize > 1 else "OB", content + b"\x00" * (len(content) % 2))
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    return image


def compressed(image: FileDataset, syntax: str) -> FileDataset:
    """The same image in another transfer syntax."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image.compress(syntax, generate_instance_uid=False)
    return image


def stored(image: FileDataset) -> np.ndarray:
    """All stored values as pydicom decodes them, (frames, rows, columns[, 3]) or without the first for one frame."""
    return np.array(image.pixel_array)
