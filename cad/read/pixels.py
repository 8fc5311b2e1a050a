"""Stored pixel values of one frame, exactly as written; sizes are checked before a decoder sees a byte."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.read.codestreams import check
from cad.read.decoders import DECODERS, RLE_LOSSLESS, Coded, missing_package
from cad.read.extent import FrameError
from cad.read.facts import SliceFacts
from cad.read.frame_bytes import FrameFile
from cad.read.workers import WORKERS

PixelError = FrameError


def stored_values(source: FrameFile, facts: SliceFacts) -> NDArray[Any]:
    """The stored values of one frame (rows, columns), integer; bits above BitsStored are as the file has them.

    Uncompressed values are read here, compressed ones decoded in a worker process. Raises PixelError (truncated,
    unsupported_syntax, decoder_missing, undecodable, size_refused, unsupported_bits, decoder_memory, decoder_timeout,
    decoder_crashed) and OSError.
    """
    if facts.high_bit != facts.bits_stored - 1 or not 0 < facts.bits_stored <= facts.bits_allocated:
        raise PixelError("unsupported_bits", f"high bit {facts.high_bit} of {facts.bits_stored} stored; the usual layout is read")
    if source.header.pixels is not None and source.header.pixels.length is not None:
        return _native(source, facts)
    syntax = source.header.syntax
    if syntax not in DECODERS:
        raise PixelError("unsupported_syntax", f"compressed as {syntax.name[:64]}, which is not read")
    package = missing_package(syntax)
    if package:
        raise PixelError("decoder_missing", f"no decoder for {syntax.name}: pip install {package}")
    data = source.codestream(facts.ref.frame)
    check(data, facts.rows, facts.columns, is_rle=syntax == RLE_LOSSLESS)
    return WORKERS.decode(data, Coded(syntax, facts.rows, facts.columns, facts.bits_allocated, facts.bits_stored, facts.signed))


def significant(values: NDArray[Any], facts: SliceFacts) -> NDArray[Any]:
    """Only the stored bits: overlay bits above them cleared, the sign extended. Does not change its input."""
    spare = values.dtype.itemsize * 8 - facts.bits_stored
    if facts.signed:
        signed = values.view(values.dtype.str.replace("u", "i"))
        return signed if spare <= 0 else np.right_shift(np.left_shift(signed, spare), spare)
    unsigned = values.view(values.dtype.str.replace("i", "u"))
    return unsigned if spare <= 0 else np.bitwise_and(unsigned, unsigned.dtype.type((1 << facts.bits_stored) - 1))


def _native(source: FrameFile, facts: SliceFacts) -> NDArray[Any]:
    size = facts.bits_allocated // 8
    order = ">" if source.header.big_endian else "<"
    dtype = np.dtype(f"{order}{'i' if facts.signed else 'u'}{size}")
    data = source.native(facts.ref.frame, facts.rows * facts.columns * size)
    return np.frombuffer(data, dtype).reshape(facts.rows, facts.columns).astype(dtype.newbyteorder("<"), copy=False)
