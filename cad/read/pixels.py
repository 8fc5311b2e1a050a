"""Stored pixel values of one frame, exactly as written; sizes are checked before a decoder sees a byte."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from cad.errors import ShokenError
from cad.read.facts import SliceFacts


class PixelError(ShokenError):
    """Pixel data that cannot be decoded faithfully; `reason` is the stable code of the refusal."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return PixelError, (self.reason, self.problem)


def stored_values(dataset: Dataset, facts: SliceFacts) -> NDArray[Any]:
    """The stored values of one frame (rows, columns), integer, sign-extended from BitsStored where signed.

    Raises PixelError (truncated, decoder_missing, undecodable, size_refused, unsupported_bits), or what a decoder
    raises on damaged data (see `facts.BROKEN`).
    """
    if facts.high_bit != facts.bits_stored - 1 or not 0 < facts.bits_stored <= facts.bits_allocated:
        raise PixelError("unsupported_bits", f"high bit {facts.high_bit} of {facts.bits_stored} stored; the usual layout is read")
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian) and facts.bits_allocated in (8, 16, 32):
        return _native(dataset.PixelData, facts)
    if syntax.is_encapsulated:
        _check_codestream(dataset, facts, syntax)
    decoder = get_decoder(syntax)
    if not decoder.is_available:
        missing = "; ".join(decoder.missing_dependencies)
        raise PixelError("decoder_missing", f"no decoder for {syntax.name}: {missing}")
    values, _ = decoder.as_array(dataset, index=facts.ref.frame, raw=True)
    if values.shape != (facts.rows, facts.columns):
        raise PixelError("undecodable", f"decoded to {values.shape}, the header says ({facts.rows}, {facts.columns})")
    return values


def significant(values: NDArray[Any], facts: SliceFacts) -> NDArray[Any]:
    """Only the stored bits: overlay bits above them cleared, the sign extended. Does not change its input."""
    spare = values.dtype.itemsize * 8 - facts.bits_stored
    if facts.signed:
        signed = values.view(values.dtype.str.replace("u", "i"))
        return signed if spare <= 0 else np.right_shift(np.left_shift(signed, spare), spare)
    unsigned = values.view(values.dtype.str.replace("i", "u"))
    return unsigned if spare <= 0 else np.bitwise_and(unsigned, unsigned.dtype.type((1 << facts.bits_stored) - 1))


def _native(data: bytes, facts: SliceFacts) -> NDArray[Any]:
    dtype = np.dtype(f"<{'i' if facts.signed else 'u'}{facts.bits_allocated // 8}")
    count = facts.rows * facts.columns
    start = facts.ref.frame * count * dtype.itemsize
    if len(data) < start + count * dtype.itemsize:
        raise PixelError("truncated", f"pixel data end after {len(data)} bytes, {start + count * dtype.itemsize} are needed")
    return np.frombuffer(data, dtype, count, start).reshape(facts.rows, facts.columns)


def _check_codestream(dataset: Dataset, facts: SliceFacts, syntax: UID) -> None:
    """The size a codestream declares must be the header's, and its end must be there."""
    data = get_frame(dataset.PixelData, facts.ref.frame, number_of_frames=int(dataset.get("NumberOfFrames") or 1))
    if syntax == RLELossless:
        _check_rle(data, facts)
        return
    declared = _jpeg2000_size(data) if data[:4] in (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0c") else _jpeg_size(data)
    if declared != (facts.rows, facts.columns):
        raise PixelError("size_refused", f"the codestream declares {declared}, the header ({facts.rows}, {facts.columns})")
    if b"\xff\xd9" not in data.rstrip(b"\x00")[-3:]:  # writers pad to an even length with 00 or FF
        raise PixelError("truncated", "the compressed image ends before its end marker")


def _check_rle(data: bytes, facts: SliceFacts) -> None:
    """PS3.5 G.5: segment count and offsets; the bundled decoder aborts the process on wrong ones."""
    if len(data) < 64:
        raise PixelError("truncated", "the RLE header is cut short")
    count, *offsets = struct.unpack("<16L", data[:64])
    wanted = facts.samples * facts.bits_allocated // 8
    used = offsets[:count] if count == wanted else []
    if not used or used[0] != 64 or any(b <= a for a, b in zip(used, [*used[1:], len(data)], strict=True)):
        raise PixelError("undecodable", f"the RLE header names {count} segments at wrong places; {wanted} were expected")
    for start, end in zip(used, [*used[1:], len(data)], strict=True):
        if _rle_length(data[start:end], facts.rows * facts.columns) < facts.rows * facts.columns:
            raise PixelError("truncated", "an RLE segment ends before the last pixel")


def _rle_length(segment: bytes, enough: int) -> int:
    """How many bytes a PackBits segment unpacks to, counted without unpacking, no further than `enough`."""
    at = grown = 0
    while at < len(segment) and grown < enough:
        head = segment[at]
        if head < 128:
            grown += min(head + 1, len(segment) - at - 1)
            at += head + 2
        else:
            grown += 257 - head if head > 128 and at + 1 < len(segment) else 0
            at += 2 if head > 128 else 1
    return grown


def _jpeg2000_size(data: bytes) -> tuple[int, int]:
    """Rows and columns from the SIZ marker (ISO 15444-1 A.5.1)."""
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0 or len(data) < at + 24:
        raise PixelError("truncated", "the JPEG 2000 header is cut short")
    right, bottom, left, top = struct.unpack(">4L", data[at + 8 : at + 24])
    return bottom - top, right - left


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Rows and columns from the frame header of JPEG or JPEG-LS (ISO 10918-1 B.2.2, ISO 14495-1 C.2.2)."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns = struct.unpack(">2H", data[at + 5 : at + 9])
            return rows, columns
        at += 1 if marker == 0xFF else 2 + length
    raise PixelError("undecodable", "the compressed image has no frame header")
