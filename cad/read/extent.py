"""Is the pixel data all there? Declared sizes against bytes on disk, before anything is decoded."""

from __future__ import annotations

import os
import struct
from typing import IO

from cad.read.element_walk import PixelPlace
from cad.read.header import Header, InflatedBytes

Problem = tuple[str, str]
Fragments = tuple[tuple[int, int], ...]
MOST_FRAME_PIXELS = 1 << 26  # 8192 x 8192: beyond any CT or MR frame
MOST_VOLUME_BYTES = 1 << 33
_SPARE_BYTES = 1 << 20  # a deflated data set may go on after its pixels (padding, signatures), but not for long


class FrameError(ValueError):
    """A frame that cannot be had faithfully; `reason` is the stable code of the refusal."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(reason, problem)
        self.reason, self.problem = reason, problem


def size_problem(header: Header) -> Problem | None:
    """Declared rows, columns, frames and bits that no CT or MR has; (reason, detail) or None."""
    rows, columns, frames = (int(header.get(name) or 0) for name in ("Rows", "Columns", "NumberOfFrames"))
    if not rows or not columns:
        return "no_pixels", "the object declares no rows or columns"
    if rows * columns > MOST_FRAME_PIXELS or rows * columns * max(1, frames) * 2 > MOST_VOLUME_BYTES or frames < 0:
        return "size_refused", f"declares {frames or 1} frames of {rows} x {columns}; at most {MOST_FRAME_PIXELS} pixels a frame are read"
    if header.pixels and header.pixels.keyword != "PixelData":
        return "unsupported_bits", "floating-point pixel data; integers of 8, 16 and 32 bits are read"
    if int(header.get("BitsAllocated") or 0) not in (8, 16, 32):
        return "unsupported_bits", f"{header.get('BitsAllocated')} bits allocated; 8, 16 and 32 are read"
    return None


def pixel_problem(file: IO[bytes], header: Header) -> Problem | None:
    """Why the pixels after the header cannot be whole: (reason, detail) or None."""
    problem = size_problem(header)
    if problem:
        return problem
    if header.pixels is None:
        return "no_pixels", "no pixel data after the header"
    if header.inflated:
        return _inflated_problem(file, header, header.pixels.offset + native_bytes(header))
    return _fragment_problem(file, header) if header.pixels.length is None else _native_problem(header, header.pixels)


def _native_problem(header: Header, pixels: PixelPlace) -> Problem | None:
    if header.syntax.is_encapsulated or pixels.length is None:
        return "undecodable", f"pixel data of a given length where {header.syntax.name} has fragments"
    there = min(pixels.length, header.size - pixels.offset)
    return None if there >= native_bytes(header) else ("truncated", f"pixel data hold {max(0, there)} of {native_bytes(header)} bytes")


def _fragment_problem(file: IO[bytes], header: Header) -> Problem | None:
    try:
        fragments(file, header)
    except FrameError as error:
        return error.reason, error.problem
    return None


def native_bytes(header: Header) -> int:
    """Bytes of all frames, uncompressed."""
    samples = int(header.get("SamplesPerPixel") or 1) * max(1, int(header.get("NumberOfFrames") or 1))
    return int(header.get("Rows")) * int(header.get("Columns")) * samples * (int(header.get("BitsAllocated")) // 8)


def fragments(file: IO[bytes], header: Header) -> Fragments:
    """(offset, length) of each item of encapsulated pixel data (PS3.5 A.4), the offset table first. Raises FrameError."""
    at, found = header.pixels.offset if header.pixels else 0, list[tuple[int, int]]()
    while True:
        head = os.pread(file.fileno(), 8, at)
        if len(head) < 8:
            raise FrameError("truncated", "compressed pixel data end without their delimiter")
        group, element, length = struct.unpack("<HHL", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            if len(found) < 2:
                raise FrameError("truncated", "compressed pixel data without a single fragment")
            return tuple(found)
        if (group, element) != (0xFFFE, 0xE000):
            raise FrameError("truncated", "compressed pixel data are not a row of items")
        if at + 8 + length > header.size:
            raise FrameError("truncated", f"a compressed fragment declares {length} bytes, {header.size - at - 8} are there")
        found.append((at + 8, length))
        at += 8 + length


def _inflated_problem(file: IO[bytes], header: Header, needed: int) -> Problem | None:
    """Inflates to the end of the declared pixels without keeping them, and no further than a little beyond."""
    source, grown = InflatedBytes(file, header.start), 0
    while grown <= needed + _SPARE_BYTES:
        part = source.more(1 << 20)
        grown += len(part)
        if not part:
            return None if grown >= needed else ("truncated", f"the inflated data set holds {grown} of {needed} bytes")
    return "inflates_too_far", f"the deflated data set grows past the {needed} bytes that it declares"
