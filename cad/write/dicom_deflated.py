"""A float image that is cold nearly everywhere, as a deflated object (PS3.5 A.5): nothing as large as the image is ever in memory.

Frames are compressed one by one with a full flush between them, after which nothing refers to what came before (RFC 1951; zlib's
Z_FULL_FLUSH): so the bytes of one cold frame serve for all of them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cad.write.dicom_made import Made, opened

MOST_BYTES = 2**32 - 2  # what a length of 32 bits can say
_TAG = Tag("FloatPixelData")  # the last element of such an object


def with_float_frames(made: Made, frames: Iterable[NDArray[np.float32] | None]) -> Made:
    """The object with float pixels of `Rows` x `Columns` behind it, None for a frame of zeros. Its data set stays without them.

    `made` is in explicit VR, little endian. The caller holds the pixels to MOST_BYTES.
    """
    size = int(made.dataset.Rows) * int(made.dataset.Columns) * 4
    length = size * int(made.dataset.NumberOfFrames)
    element = struct.pack("<HH2sHL", _TAG.group, _TAG.element, b"OF", 0, length)
    body = made.data[len(opened(made.dataset.file_meta)) :]
    meta = deepcopy(made.dataset.file_meta)
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    packed = b"".join(_deflated(body + element, frames, size))
    made.dataset.file_meta = meta
    return Made(made.name, made.dataset, opened(meta) + packed + b"\0" * (len(packed) % 2))


def _deflated(head: bytes, frames: Iterable[NDArray[np.float32] | None], size: int) -> Iterator[bytes]:
    cold = _flushed(zlib.compressobj(wbits=-zlib.MAX_WBITS), bytes(size))
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    yield _flushed(stream, head)
    for frame in frames:
        yield cold if frame is None else _flushed(stream, frame.astype("<f4").tobytes())
    yield stream.flush()


def _flushed(stream: zlib._Compress, data: bytes) -> bytes:
    return stream.compress(data) + stream.flush(zlib.Z_FULL_FLUSH)
