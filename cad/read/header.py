"""One file's header: the values this project asks for and where the pixels lie, without reading a pixel."""

from __future__ import annotations

import os
import struct
import zlib
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_sequence
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cad.read.element_walk import HeaderError, Layout, Walked, walk

MOST_HEADER_BYTES = 1 << 26
_FIRST_BYTES = 1 << 14  # most headers end before
_SHORT_BYTES = 256  # longer values are not worth remembering
_META = ("TransferSyntaxUID", "MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID")
_BARE_STARTS = {b"\x08\x00\x05\x00", b"\x08\x00\x08\x00", b"\x08\x00\x00\x00", b"\x08\x00\x16\x00", b"\x02\x00\x00\x00"}
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
_WORDS = {"LO", "SH", "PN", "LT", "ST", "UC", "UT"}  # the VRs whose bytes the character set applies to


class Header:
    """Values by keyword, read when asked for; `syntax` the transfer syntax, `pixels` where pixel data begin (None: there are none).

    `size` is the length of the file, `start` the byte after the meta header; where `inflated`, the data set is deflated
    from there on and offsets count within what it inflates to.
    """

    __slots__ = ("_layout", "_raw", "_values", "inflated", "pixels", "size", "start", "syntax")

    def __init__(self, found: Walked, meta: Walked, layout: Layout, syntax: UID, size: int) -> None:
        self._raw = {**meta.raw, **found.raw}
        self._layout, self._values = layout, dict[str, Any]()
        self.syntax, self.pixels, self.size, self.start = syntax, found.pixels, size, meta.end
        self.inflated = syntax == DeflatedExplicitVRLittleEndian

    @property
    def big_endian(self) -> bool:
        """Whether numbers are written with the high byte first."""
        return self._layout.big_endian

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value: str, int, float, a tuple of them, or a pydicom Sequence; `default` when missing or empty.

        Raises ValueError for text that is not the number it must be.
        """
        if keyword not in self._values:
            self._values[keyword] = self._read(keyword)
        value = self._values[keyword]
        return default if value is None else value

    def holds(self, keyword: str) -> bool:
        """Whether the element is there, empty or not: de-identification empties what it may not keep."""
        return _tag(keyword) in self._raw

    def _read(self, keyword: str) -> Any:
        kept = self._raw.get(_tag(keyword))
        if kept is None:
            return None
        vr, raw = kept
        if vr == "SQ":
            return _sequence(raw, self._layout)
        if vr in _WORDS and not raw.isascii():
            return _parsed(vr, decode_bytes(raw, self._encodings(), set()))
        return _value(vr, raw, self._layout.order) if len(raw) <= _SHORT_BYTES else _value.__wrapped__(vr, raw, self._layout.order)

    def _encodings(self) -> list[str]:
        named = self.get("SpecificCharacterSet", "")
        return convert_encodings(list(named) if isinstance(named, tuple) else named)


def read_header(path: Path, keywords: tuple[str, ...]) -> Header:
    """The header of a DICOM file, with or without preamble. Raises HeaderError (not_dicom and what `walk` raises) and OSError."""
    with path.open("rb") as file:
        return header_of(file, keywords)


def header_of(file: IO[bytes], keywords: tuple[str, ...]) -> Header:
    """The same for a file that is open."""
    size = os.fstat(file.fileno()).st_size
    source = FileBytes(file)
    start = _start(source)
    meta = walk(source, start, Layout(), wanted(_META), only_group=2)
    syntax = _syntax(_syntax_named(meta) or _syntax_guessed(source, meta.end))
    if syntax == DeflatedExplicitVRLittleEndian:
        inflated = InflatedBytes(file, meta.end)
        return Header(walk(inflated, 0, Layout(), wanted(keywords)), meta, Layout(), syntax, size)
    layout = Layout(explicit=syntax != ImplicitVRLittleEndian, big_endian=syntax == ExplicitVRBigEndian)
    return Header(walk(source, meta.end, layout, wanted(keywords)), meta, layout, syntax, size)


@cache
def _tag(keyword: str) -> int:
    return tag_for_keyword(keyword) or 0


@cache
def wanted(keywords: tuple[str, ...]) -> dict[int, str]:
    """Tag to VR, of the VRs that a dictionary entry leaves open the first."""
    tags = (tag_for_keyword(keyword) for keyword in keywords)
    return {tag: dictionary_VR(tag).split(" or ")[0] for tag in tags if tag is not None}


class FileBytes:
    """`element_walk.Source` over a file: reads on when the walk gets there. Raises HeaderError past MOST_HEADER_BYTES."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        file.seek(0)
        self.data = file.read(_FIRST_BYTES)

    def reach(self, end: int) -> bool:
        """Reads at least up to `end`."""
        if end > len(self.data):
            _check_length(end, self._left())
            self.data += self._file.read(max(end - len(self.data), len(self.data)))
        return end <= len(self.data)

    def _left(self) -> int:
        return os.fstat(self._file.fileno()).st_size


class InflatedBytes:
    """`element_walk.Source` over a deflated data set: inflates no further than the walk goes."""

    def __init__(self, file: IO[bytes], start: int) -> None:
        file.seek(start)
        self._file, self._inflate, self.data = file, zlib.decompressobj(-zlib.MAX_WBITS), b""

    def reach(self, end: int) -> bool:
        """Inflates at least up to `end`, in steps that double."""
        if end > len(self.data):
            _check_length(end, end)
            self.data += self.more(max(end - len(self.data), len(self.data), _FIRST_BYTES))
        return end <= len(self.data)

    def more(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end. Raises HeaderError for a damaged stream."""
        parts: list[bytes] = []
        while count > 0 and not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._file.read(1 << 16)
            try:
                part = self._inflate.decompress(packed, count)
            except zlib.error as error:
                raise HeaderError("truncated", "the deflated data set is damaged") from error
            if not packed and not part:
                break
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def _check_length(end: int, there: int) -> None:
    if min(end, there) > MOST_HEADER_BYTES:
        raise HeaderError("header_too_long", f"the header is longer than {MOST_HEADER_BYTES >> 20} MiB")


def _start(source: FileBytes) -> int:
    """The first byte of the meta header, or of the data set in files without one, as old exports write."""
    if source.reach(132) and source.data[128:132] == b"DICM":
        return 132
    if source.data[:4] in _BARE_STARTS:
        return 0
    raise HeaderError("not_dicom", "the file does not begin as a DICOM object does")


def _syntax_named(meta: Walked) -> str:
    _, raw = meta.raw.get(0x00020010, ("UI", b""))
    return raw.decode("latin-1").rstrip("\0 ")


@lru_cache
def _syntax(uid: str) -> UID:
    return UID(uid)


def _syntax_guessed(source: FileBytes, at: int) -> str:
    explicit = source.reach(at + 6) and source.data[at + 4 : at + 6].isalpha()
    return ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian


@lru_cache(4096)
def _value(vr: str, raw: bytes, order: str) -> Any:
    """Numbers, or text in ASCII. Remembered, because most values are the same in every file of a series."""
    return _packed(raw, order + _NUMBERS[vr]) if vr in _NUMBERS else _parsed(vr, raw.decode("latin-1"))


def _packed(raw: bytes, form: str) -> Any:
    values = tuple(value for (value,) in struct.iter_unpack(form, raw[: len(raw) // struct.calcsize(form) * struct.calcsize(form)]))
    return values if len(values) > 1 else values[0] if values else None


def _parsed(vr: str, text: str) -> Any:
    parts = text.rstrip("\0 ").split("\\")
    if parts == [""]:
        return None
    if vr == "DS":
        values: tuple[Any, ...] = tuple(float(part) for part in parts)
    elif vr == "IS":
        values = tuple(_whole(part) for part in parts)
    else:
        values = tuple(part.strip() for part in parts)
    return values if len(values) > 1 else values[0]


def _whole(text: str) -> int:
    number = float(text)
    if not number.is_integer():
        raise ValueError("not a whole number")
    return int(text) if text.strip().lstrip("+-").isdigit() else int(number)


def _sequence(raw: bytes, layout: Layout) -> Any:
    """A wanted sequence, read by pydicom from its own bytes (functional groups: PS3.3 C.7.6.16)."""
    file: Any = DicomBytesIO(raw)
    file.is_implicit_VR, file.is_little_endian = not layout.explicit, not layout.big_endian
    return read_sequence(file, not layout.explicit, not layout.big_endian, len(raw), ["iso8859"])
