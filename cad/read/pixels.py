"""Stored pixel values of one frame, exactly as written; sizes are checked before a decoder sees a byte."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.read.abreast import threads
from cad.read.codestreams import check
from cad.read.decoders import DECODERS, RLE_LOSSLESS, Coded, missing_package
from cad.read.extent import FrameError
from cad.read.facts import SliceFacts
from cad.read.frame_bytes import FrameFile
from cad.read.workers import WORKERS

PixelError = FrameError


def stored_values(source: FrameFile, facts: SliceFacts, room: NDArray[Any] | None = None) -> NDArray[Any]:
    """The stored values of one frame (rows, columns), integer; bits above BitsStored are as the file has them.

    Uncompressed values are read here, compressed ones decoded in a worker process. They lie in `room` (rows, columns;
    contiguous) where its voxels are as wide as they: then nothing is copied on the way. Raises PixelError (truncated,
    unsupported_syntax, decoder_missing, undecodable, size_refused, unsupported_bits, decoder_memory, decoder_timeout,
    decoder_crashed) and OSError.
    """
    if facts.high_bit != facts.bits_stored - 1 or not 0 < facts.bits_stored <= facts.bits_allocated:
        raise PixelError("unsupported_bits", f"high bit {facts.high_bit} of {facts.bits_stored} stored; the usual layout is read")
    if source.header.pixels is not None and source.header.pixels.length is not None:
        return _native(source, facts, room)
    syntax = source.header.syntax
    if syntax not in DECODERS:
        raise PixelError("unsupported_syntax", f"compressed as {syntax.name[:64]}, which is not read")
    package = missing_package(syntax)
    if package:
        raise PixelError("decoder_missing", f"no decoder for {syntax.name}: pip install {package}")
    data = source.codestream(facts.ref.frame)
    check(data, facts.rows, facts.columns, is_rle=syntax == RLE_LOSSLESS)
    coded = Coded(syntax, facts.rows, facts.columns, facts.bits_allocated, facts.bits_stored, facts.signed)
    return WORKERS.decode(data, coded, _room(room, coded.dtype))


def expect(source: FrameFile, frames: int) -> None:
    """Starts the workers that `stored_values` will want for so many frames like those of `source`; none for uncompressed ones."""
    if source.header.syntax in DECODERS and not missing_package(source.header.syntax):
        WORKERS.warm(min(threads(), frames))


def significant(values: NDArray[Any], facts: SliceFacts) -> NDArray[Any]:
    """Only the stored bits: overlay bits above them cleared, the sign extended. Does not change its input."""
    spare = values.dtype.itemsize * 8 - facts.bits_stored
    if facts.signed:
        signed = values.view(values.dtype.str.replace("u", "i"))
        return signed if spare <= 0 else np.right_shift(np.left_shift(signed, spare), spare)
    unsigned = values.view(values.dtype.str.replace("i", "u"))
    return unsigned if spare <= 0 else np.bitwise_and(unsigned, unsigned.dtype.type((1 << facts.bits_stored) - 1))


def _native(source: FrameFile, facts: SliceFacts, room: NDArray[Any] | None) -> NDArray[Any]:
    order = ">" if source.header.big_endian else "<"
    dtype = np.dtype(f"{order}{'i' if facts.signed else 'u'}{facts.bits_allocated // 8}")
    values = _room(room, dtype)
    if values is None:
        values = np.empty((facts.rows, facts.columns), dtype)
    source.native_into(facts.ref.frame, values.reshape(-1).view(np.uint8).data)
    return values.astype(dtype.newbyteorder("<"), copy=False)


def _room(room: NDArray[Any] | None, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """`room` as values of a type; None where they do not fit or are of another byte order than this machine's."""
    fits = room is not None and room.dtype.itemsize == dtype.itemsize and dtype.isnative and room.flags.c_contiguous
    return room.view(dtype) if room is not None and fits else None
