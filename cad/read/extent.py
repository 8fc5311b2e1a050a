"""Is the pixel data all there? Declared sizes against bytes on disk, before anything is decoded."""

from __future__ import annotations

import os
import struct
from typing import IO

from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

Problem = tuple[str, str]
MOST_FRAME_PIXELS = 1 << 26  # 8192 x 8192: beyond any CT or MR frame
MOST_VOLUME_BYTES = 1 << 33
_UNDEFINED = 0xFFFFFFFF


def size_problem(dataset: Dataset) -> Problem | None:
    """Declared rows, columns, frames and bits that no CT or MR has; (reason, detail) or None."""
    rows, columns, frames = (int(dataset.get(name) or 0) for name in ("Rows", "Columns", "NumberOfFrames"))
    if not rows or not columns:
        return "no_pixels", "the object declares no rows or columns"
    if rows * columns > MOST_FRAME_PIXELS or rows * columns * max(1, frames) * 2 > MOST_VOLUME_BYTES or frames < 0:
        return "size_refused", f"declares {frames or 1} frames of {rows} x {columns}; at most {MOST_FRAME_PIXELS} pixels a frame are read"
    if int(dataset.get("BitsAllocated") or 0) not in (8, 16, 32):
        return "unsupported_bits", f"{dataset.get('BitsAllocated')} bits allocated; 8, 16 and 32 are read"
    return None


def pixel_problem(file: IO[bytes], dataset: Dataset) -> Problem | None:
    """Why the pixels after the header cannot be whole; the file stands where the header ended. (reason, detail) or None."""
    problem = size_problem(dataset)
    syntax = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID", ImplicitVRLittleEndian)
    if problem or syntax == DeflatedExplicitVRLittleEndian:
        return problem
    little, explicit = syntax != ExplicitVRBigEndian, syntax != ImplicitVRLittleEndian
    head = file.read(12 if explicit else 8)
    order = "<" if little else ">"
    if len(head) < 8 or struct.unpack(order + "H", head[:2])[0] != 0x7FE0:
        return "no_pixels", "no pixel data after the header"
    if len(head) < (12 if explicit else 8):
        return "truncated", "the file ends where the pixel data begin"
    length = struct.unpack(order + "L", head[-4:])[0]
    there = os.fstat(file.fileno()).st_size - file.tell()
    if length == _UNDEFINED:
        return _fragment_problem(file)
    needed = _native_bytes(dataset)
    if min(length, there) < needed:
        return "truncated", f"pixel data hold {min(length, there)} of {needed} bytes"
    return None


def _native_bytes(dataset: Dataset) -> int:
    samples = int(dataset.get("SamplesPerPixel") or 1) * max(1, int(dataset.get("NumberOfFrames") or 1))
    return int(dataset.Rows) * int(dataset.Columns) * samples * (int(dataset.BitsAllocated) // 8)


def _fragment_problem(file: IO[bytes]) -> Problem | None:
    """Walks the items of encapsulated pixel data (PS3.5 A.4) to their delimiter."""
    size = os.fstat(file.fileno()).st_size
    while True:
        head = file.read(8)
        if len(head) < 8:
            return "truncated", "compressed pixel data end without their delimiter"
        group, element, length = struct.unpack("<HHL", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            return None
        if (group, element) != (0xFFFE, 0xE000):
            return "truncated", "compressed pixel data are not a row of items"
        if file.tell() + length > size:
            return "truncated", f"a compressed fragment declares {length} bytes, {size - file.tell()} are there"
        file.seek(length, os.SEEK_CUR)
