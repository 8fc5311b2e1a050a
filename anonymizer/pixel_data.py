"""Pixel data as a stretch of bytes: is it all there, and is there more than the header says? Nothing is decoded."""

from __future__ import annotations

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from anonymizer import elements
from anonymizer.gate import Reason, Verdict
from anonymizer.reading import PARSE_ERRORS

PIXEL_DATA = 0x7FE00010


def pixel_verdict(dataset: Dataset) -> Verdict | None:
    """Whether the pixel data is there and whole: native pixels must be as long as the header says.

    A parser that stops in the middle of a damaged file ends without pixel data, so this also finds cut headers.
    """
    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        return Verdict(Reason.TRUNCATED, "an image without pixel data")
    element = elements.get(dataset, PIXEL_DATA)
    if element is None or _is_encapsulated(dataset):
        return None
    expected = _native_bytes(dataset)
    if expected is None:
        return Verdict(Reason.UNPARSEABLE, "rows, columns or bits of the pixels are missing or malformed")
    there = len(element.value or b"")
    return Verdict(Reason.TRUNCATED, "the pixel data is shorter than rows, columns and frames need") if there < expected else None


def without_tail(dataset: Dataset, value: bytes) -> bytes:
    """Native pixel data cut to what the header says, padded to even length.

    Bytes behind the last pixel show nowhere and may hold anything; encapsulated pixel data is returned as it is.
    """
    expected = None if _is_encapsulated(dataset) else _native_bytes(dataset)
    if expected is None or len(value) <= expected + expected % 2:
        return value
    return value[:expected] + b"\x00" * (expected % 2)


def _is_encapsulated(dataset: Dataset) -> bool:
    element = elements.get(dataset, PIXEL_DATA)
    length = element.length if isinstance(element, RawDataElement) else None
    return length == elements.UNDEFINED_LENGTH or bool(getattr(element, "is_undefined_length", False))


def _native_bytes(dataset: Dataset) -> int | None:
    try:
        rows, columns, allocated = (int(dataset[name].value) for name in ("Rows", "Columns", "BitsAllocated"))
        samples, frames = int(dataset.get("SamplesPerPixel") or 1), int(dataset.get("NumberOfFrames") or 1)
    except PARSE_ERRORS:
        return None
    if min(rows, columns, allocated, samples, frames) <= 0:
        return None
    subsampled = str(dataset.get("PhotometricInterpretation", "")).strip() == "YBR_FULL_422"
    bits = rows * columns * frames * allocated * (2 if subsampled else samples)
    return (bits + 7) // 8
