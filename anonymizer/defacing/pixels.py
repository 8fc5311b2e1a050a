"""Stored pixel values of a data set, and the data set with some of them replaced: every other bit stays as it was."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

Stored = NDArray[Any]
_STALE = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "IconImageSequence",  # a thumbnail of the face
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)


class PixelsUnreadableError(Exception):
    """Pixels that cannot be decoded as grey integers; the message holds no value of the data set."""


def stored(dataset: FileDataset) -> Stored:
    """The pixels as they are held: (frames, rows, columns), a copy in the byte order of the file.

    Raises PixelsUnreadableError for colour, float, 1-bit or undecodable pixels.
    """
    try:
        shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
        plain = int(dataset.get("SamplesPerPixel") or 1) == 1 and int(dataset.BitsAllocated) in (8, 16, 32)
        if not plain or "PixelData" not in dataset:
            raise PixelsUnreadableError("not grey integer pixels")
        if _syntax(dataset).is_compressed:
            return np.ascontiguousarray(dataset.pixel_array).reshape(shape).astype(_held_as(dataset, little=True))
        held = _held_as(dataset, little=_syntax(dataset) != uid.ExplicitVRBigEndian)
        return np.frombuffer(dataset.PixelData, dtype=held, count=int(np.prod(shape))).reshape(shape).copy()
    except (ValueError, TypeError, AttributeError, KeyError, RuntimeError, NotImplementedError, OSError) as error:
        raise PixelsUnreadableError(f"the pixels cannot be decoded ({type(error).__name__})") from None


def values(dataset: Dataset, held: Stored) -> NDArray[np.float32]:
    """What the stored bits mean as numbers, before rescaling: the bits above Bits Stored count for nothing."""
    bits, allocated = int(dataset.get("BitsStored") or 0), held.dtype.itemsize * 8
    if not 0 < bits < allocated or int(dataset.get("HighBit", bits - 1)) != bits - 1:
        return held.astype(np.float32)
    native = held.astype(held.dtype.newbyteorder("="))
    shift = native.dtype.type(allocated - bits)
    return np.asarray((native << shift) >> shift, dtype=np.float32)


def limits(dataset: Dataset) -> tuple[int, int]:
    """The least and greatest value that the stored bits can hold."""
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if dataset.get("PixelRepresentation") == 1 else (0, (1 << bits) - 1)


def replaced(dataset: FileDataset, held: Stored) -> FileDataset:
    """A new data set with these pixels; what was compressed becomes Explicit VR Little Endian. The input is not changed."""
    result = twin(dataset)
    content = held.tobytes()
    if not _syntax(dataset).is_compressed:
        rest = dataset.PixelData[len(content) :]
        result[0x7FE00010] = DataElement(0x7FE00010, dataset[0x7FE00010].VR, content + rest)
    else:
        result[0x7FE00010] = DataElement(0x7FE00010, "OW", content + bytes(len(content) % 2))
        result.file_meta = copy.copy(dataset.file_meta)
        result.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    for keyword in _STALE:
        if keyword in result:
            delattr(result, keyword)
    return result


def twin(dataset: FileDataset) -> FileDataset:
    """A data set with the same elements that can be given others: a plain copy would share its table with the original."""
    result = copy.copy(dataset)
    result._dict = dict(dataset._dict)
    return result


def _held_as(dataset: Dataset, *, little: bool) -> np.dtype[Any]:
    kind = "i" if dataset.get("PixelRepresentation") == 1 else "u"
    return np.dtype(f"{'<' if little else '>'}{kind}{int(dataset.BitsAllocated) // 8}")


def _syntax(dataset: FileDataset) -> uid.UID:
    meta = getattr(dataset, "file_meta", FileMetaDataset())
    return uid.UID(str(meta.get("TransferSyntaxUID") or uid.ExplicitVRLittleEndian))
