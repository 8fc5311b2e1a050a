"""Compressed frames without what no decoder shows: comments, application segments, foreign boxes, bytes behind the end.

Everything found is overwritten in place, so lengths, offset tables and the pixels stay as they are. Walked are JPEG (every
process), JPEG-LS, JPEG 2000 with its high-throughput form (bare or in JP2 boxes) and DICOM's RLE; what cannot be walked to its end is
refused, for nobody can say what lies in it. Sources: ITU-T T.81 annex B, T.87 annex C, T.800 annexes A and I; PS3.5 annexes A.4, G.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence

from anonymizer.errors import InputRefusedError

REASON = "text_in_the_codestream"
_ITEM = b"\xfe\xff\x00\xe0"
_JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_JP2_KEPT = (b"jP  ", b"ftyp", b"jp2h", b"jp2c")
_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")  # the next one that is no stuffing and no restart
_MARKER_LS = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
_SOI, _EOI, _SOS, _SOF_LS, _LSE, _COM = 0xD8, 0xD9, 0xDA, 0xF7, 0xF8, 0xFE
_APP = range(0xE0, 0xF0)
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_J2K_SOC, _J2K_COM, _J2K_SOT, _J2K_SOD = 0x4F, 0x64, 0x90, 0x93
_RLE_HEAD, _RLE_NOTHING = 64, b"\x80"


def scrubbed(value: bytes, frames: int, frame_pixels: int) -> bytes:
    """The fragments of encapsulated Pixel Data, offset table first, with everything blank that shows nowhere.

    `frames` is the number of frames, `frame_pixels` the pixels of one; the result is `value` itself where nothing was found.
    Raises InputRefusedError (`pixel_data_damaged`) when a frame cannot be walked to its end.
    """
    try:
        table, *fragments = _fragments(value)
        groups = list(_grouped(table, fragments, frames))
        clean = [piece for group in groups for piece in _split(_frame(b"".join(group), frame_pixels), group)]
    except (struct.error, IndexError, ValueError):
        raise _damaged() from None
    if clean == fragments:
        return value
    return b"".join(_ITEM + struct.pack("<I", len(piece)) + piece for piece in (table, *clean))


def _damaged() -> InputRefusedError:
    return InputRefusedError("pixel_data_damaged", "a compressed frame cannot be walked to its end")


def _fragments(value: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(value):
        length = int.from_bytes(value[at + 4 : at + 8], "little")
        if value[at : at + 4] != _ITEM or at + 8 + length > len(value):
            raise _damaged()
        yield value[at + 8 : at + 8 + length]
        at += 8 + length


def _grouped(table: bytes, fragments: Sequence[bytes], frames: int) -> Iterator[Sequence[bytes]]:
    """The fragments of each frame: all of one frame, one a frame, or as the offset table says; the table must be right."""
    starts, at = {}, 0
    for place, piece in enumerate(fragments):
        starts[at] = place
        at += 8 + len(piece)
    offsets = [offset for (offset,) in struct.iter_unpack("<I", table)]
    if frames == 1 and offsets in ([], [0]):
        yield fragments
    elif not offsets and len(fragments) == frames:
        yield from ([piece] for piece in fragments)
    elif not offsets:
        yield from _by_signature(fragments, frames)
    elif len(offsets) == frames and offsets[0] == 0 and offsets == sorted(set(offsets)) and starts.keys() >= set(offsets):
        places = [starts[offset] for offset in offsets]
        yield from (fragments[first:end] for first, end in zip(places, [*places[1:], len(fragments)], strict=True))
    else:
        raise _damaged()


def _by_signature(fragments: Sequence[bytes], frames: int) -> Iterator[Sequence[bytes]]:
    first = [place for place, piece in enumerate(fragments) if piece.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff\x51", _JP2))]
    if len(first) != frames or first[:1] != [0]:
        raise _damaged()
    yield from (fragments[start:end] for start, end in zip(first, [*first[1:], len(fragments)], strict=True))


def _split(frame: bytes, like: Sequence[bytes]) -> Iterator[bytes]:
    at = 0
    for piece in like:
        yield frame[at : at + len(piece)]
        at += len(piece)


def _frame(frame: bytes, pixels: int) -> bytes:
    blank = bytearray(frame)
    if frame.startswith(b"\xff\xd8"):
        _jpeg(blank)
    elif frame.startswith(b"\xff\x4f"):
        _jpeg_2000(blank, 0, len(blank))
    elif frame.startswith(_JP2):
        _boxes(blank)
    else:
        _rle(blank, pixels)
    return bytes(blank)


def _wipe(content: bytearray, start: int, stop: int, filler: bytes = b"\x00") -> None:
    content[start:stop] = filler * (stop - start)


def _jpeg(content: bytearray) -> None:
    """Blank the comments and application segments of a JPEG or JPEG-LS stream, and what follows its end."""
    at, markers = 2, _MARKER
    while True:
        while content[at] == 0xFF and content[at + 1] == 0xFF:
            at += 1  # fill bytes
        if content[at] != 0xFF:
            raise _damaged()
        marker, at = content[at + 1], at + 2
        if marker == _EOI:
            return _wipe(content, at, len(content))
        if marker in _WITHOUT_LENGTH:
            continue
        end = at + _length(content, at)
        if marker == _COM or marker in _APP or (marker == _LSE and content[at + 2] not in (1, 2, 3, 4)):
            _blank_segment(content, marker, at + 2, end)
        markers = _MARKER_LS if marker == _SOF_LS else markers
        at = end
        if marker == _SOS:
            found = markers.search(content, at)
            if found is None:
                raise _damaged()
            at = found.start()


def _length(content: bytearray, at: int) -> int:
    length = int.from_bytes(content[at : at + 2])
    if length < 2 or at + length > len(content):
        raise _damaged()
    return length


def _blank_segment(content: bytearray, marker: int, start: int, end: int) -> None:
    """Keep the few bytes of JFIF, Adobe and JPEG-LS colour that a decoder reads; thumbnails and all else go."""
    payload = bytes(content[start:end])
    kept = 0
    if marker == 0xE0 and payload.startswith(b"JFIF\x00") and len(payload) >= 14:
        kept = 14
    elif marker == 0xEE and payload.startswith(b"Adobe") and len(payload) >= 12:
        kept = 12
    elif marker == 0xE8 and payload.startswith(b"mrfx"):
        kept = 5
    _wipe(content, start + kept, end)


def _jpeg_2000(content: bytearray, at: int, stop: int) -> None:
    """Blank the comments of the main header and of every tile-part's, and what follows the end."""
    at += 2
    while content[at] == 0xFF and content[at + 1] != _J2K_SOT:
        at = _header_segment(content, at)
    while bytes(content[at : at + 2]) == b"\xff\x90":
        length = int.from_bytes(content[at + 6 : at + 10])
        end = at + length if length else bytes(content[:stop]).rfind(b"\xff\xd9")
        at += 2 + _length(content, at + 2)
        while bytes(content[at : at + 2]) != b"\xff\x93":
            at = _header_segment(content, at)
        if not at < end <= stop:
            raise _damaged()
        at = end
    if bytes(content[at : at + 2]) != b"\xff\xd9":
        raise _damaged()
    _wipe(content, at + 2, stop)


def _header_segment(content: bytearray, at: int) -> int:
    marker, end = content[at + 1], at + 2 + _length(content, at + 2)
    if content[at] != 0xFF or marker in (0x4F, 0xD9):
        raise _damaged()
    if marker == _J2K_COM:
        _wipe(content, at + 6, end)
    return end


def _boxes(content: bytearray) -> None:
    """Of a JP2 file only the boxes that say how to decode stay; the others become free space."""
    at = 0
    while at + 8 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4]), bytes(content[at + 4 : at + 8])
        head = 16 if length == 1 else 8
        length = int.from_bytes(content[at + 8 : at + 16]) if length == 1 else length or len(content) - at
        if length < head or at + length > len(content):
            break
        if kind == b"jp2c":
            _jpeg_2000(content, at + head, at + length)
        elif kind not in _JP2_KEPT:
            content[at + 4 : at + 8] = b"free"
            _wipe(content, at + head, at + length)
        at += length
        if kind == b"jp2c" and not any(content[at:]):
            return
    if b"jp2c" not in content[:at]:
        raise _damaged()
    _wipe(content, at, len(content))


def _rle(content: bytearray, pixels: int) -> None:
    """Blank unused offsets and what lies behind the last pixel of each segment, as runs of nothing."""
    count, *offsets = struct.unpack_from("<16I", content)
    if not 1 <= count <= 15 or offsets[0] < _RLE_HEAD or offsets[:count] != sorted(set(offsets[:count])):
        raise _damaged()
    _wipe(content, 4 + 4 * count, offsets[0])
    for start, stop in zip(offsets[:count], [*offsets[1:count], len(content)], strict=True):
        end = _packed_end(content, start, stop, pixels)
        if stop - end > 1 or any(content[end:stop]):
            _wipe(content, end, stop, _RLE_NOTHING)


def _packed_end(content: bytearray, at: int, stop: int, pixels: int) -> int:
    """Where the runs of one segment have given all their pixels."""
    there = 0
    while there < pixels:
        if at >= stop:
            raise _damaged()
        control = content[at]
        if control < 128:
            there += control + 1
            at += control + 2
        elif control > 128:
            there += 257 - control
            at += 2
        else:
            at += 1
    if at > stop:
        raise _damaged()
    return at
