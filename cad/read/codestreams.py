"""What a compressed frame says of itself, read before a decoder sees it: its size, and whether its end is there."""

from __future__ import annotations

import struct
from itertools import pairwise

from cad.read.extent import FrameError

_J2K_STARTS = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0c")


def check(data: bytes, rows: int, columns: int, is_rle: bool) -> None:
    """Raises FrameError (size_refused, colour_image, truncated, undecodable) for a frame of one sample that must not be decoded."""
    if is_rle:
        _check_rle(data)
        return
    is_j2k = data[:4] in _J2K_STARTS
    *declared, components = _jpeg2000_size(data) if is_j2k else _jpeg_size(data)
    if declared != [rows, columns]:
        raise FrameError("size_refused", f"the codestream declares {tuple(declared)}, the header ({rows}, {columns})")
    if components != 1:
        raise FrameError("colour_image", f"{components} components in the codestream, where the header declares one sample a pixel")
    if b"\xff\xd9" not in data.rstrip(b"\x00")[-3:]:  # writers pad to an even length with 00 or FF
        raise FrameError("truncated", "the compressed image ends before its end marker")
    if is_j2k:
        _check_tiles(data)


def _check_rle(data: bytes) -> None:
    """PS3.5 G.5: the segments named must lie in order within the frame."""
    if len(data) < 64:
        raise FrameError("truncated", "the RLE header is cut short")
    count, *offsets = struct.unpack("<16L", data[:64])
    used = [*offsets[: min(count, 15)], len(data)]
    if not 1 <= count <= 15 or used[0] != 64 or any(b <= a for a, b in pairwise(used)):
        raise FrameError("undecodable", f"the RLE header names {count} segments at wrong places")


def _jpeg2000_size(data: bytes) -> tuple[int, int, int]:
    """Rows, columns and components from the SIZ marker (ISO 15444-1 A.5.1)."""
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0 or len(data) < at + 42:
        raise FrameError("truncated", "the JPEG 2000 header is cut short")
    right, bottom, left, top = struct.unpack(">4L", data[at + 8 : at + 24])
    return bottom - top, right - left, int.from_bytes(data[at + 40 : at + 42], "big")


def _check_tiles(data: bytes) -> None:
    """Each tile-part must be as long as it says (ISO 15444-1 A.4.2): a picture cut short and closed again is found out."""
    at = data.find(b"\xff\x4f\xff\x51") + 2
    while data[at : at + 2] not in (b"\xff\x90", b"\xff\xd9"):
        if at + 4 > len(data) or data[at] != 0xFF:
            raise FrameError("undecodable", "the JPEG 2000 main header is not a row of markers")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    while data[at : at + 2] == b"\xff\x90" and at + 12 <= len(data):
        length = int.from_bytes(data[at + 6 : at + 10], "big")
        if length == 0:  # the last tile-part may run to the end of the codestream
            return
        if length < 14:
            raise FrameError("undecodable", f"a JPEG 2000 tile-part declares {length} bytes")
        at += length
    if data[at : at + 2] != b"\xff\xd9":
        raise FrameError("truncated", "the JPEG 2000 tile-parts do not end where the codestream does")


def _jpeg_size(data: bytes) -> tuple[int, int, int]:
    """Rows, columns and components from the frame header of JPEG or JPEG-LS (ISO 10918-1 B.2.2, ISO 14495-1 C.2.2)."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns, components = struct.unpack(">2HB", data[at + 5 : at + 10])
            return rows, columns, components
        at += 1 if marker == 0xFF else 2 + length
    raise FrameError("undecodable", "the compressed image has no frame header")
