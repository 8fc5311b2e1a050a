"""The header of a file as stretches of bytes, one an element; None for everything that is not plainly well-formed.

Read are files with a correct file meta, in little endian, explicit or implicit VR, whose elements ascend, whose lengths
meet, whose VRs exist, and whose sequences are nested as they should be: what has one reading only. Anything else - big
endian, deflated, sequences stated as UN, switched VRs, repeated tags, bytes left over - is for the slow way to judge.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from pydicom import uid
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from anonymizer.identity import tells_who
from anonymizer.reading import HEAD_BYTES, PREAMBLE_BYTES, Source
from anonymizer.rules import dictionary_vrs

UNDEFINED = 0xFFFFFFFF
PIXEL_DATA, CHARACTER_SET, SOP_CLASS, TRANSFER_SYNTAX = 0x7FE00010, 0x00080005, 0x00080016, 0x00020010
META_LENGTH, META_INSTANCE = 0x00020000, 0x00020003
META_START = b"DICM\x02\0\0\0UL\x04\0"
_MAX_DEPTH = 24
_ITEM, _ITEM_END, _SEQUENCE_END = 0xE000FFFE, 0xE00DFFFE, 0xE0DDFFFE
_TELLS, _SEQUENCE, _PIXELS, _END, _TOP_ONLY, _UNPROVEN = 1, 2, 4, 8, 16, 32
_KNOWN_VRS = {vr.value.encode() for vr in VR if len(vr.value) == 2}
_ENCAPSULATED = {str(syntax) for syntax in uid.AllTransferSyntaxes if syntax.is_encapsulated and "JPIP" not in syntax.keyword}
_NATIVE = {str(uid.ExplicitVRLittleEndian): False, str(uid.ImplicitVRLittleEndian): True}
_pair = struct.Struct("<II").unpack_from


class Pixels(NamedTuple):
    """Pixel data where it stands: its element's first 8 or 12 bytes, its value (fragments, when encapsulated), not decoded."""

    head: bytes
    value: bytes
    encapsulated: bool


@dataclass(slots=True)
class Header:
    """One file's elements in ascending order, without the pixel data.

    `raws` are whole elements (tag, VR, length, value) beside their `tags`; `told` those on which the settled choices rest,
    with their depth; `meta` the elements of the file meta by tag; `tail` the bytes behind the pixel data, elements too.
    """

    implicit: bool
    syntax: str
    meta: dict[int, bytes]
    tags: list[int] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    told: list[tuple[int, bytes]] = field(default_factory=list)
    pixels: Pixels | None = None
    tail: bytes = b""

    def meta_key(self) -> tuple[bytes, ...]:
        """The file meta without what changes from instance to instance."""
        return tuple(raw for tag, raw in self.meta.items() if tag not in (META_LENGTH, META_INSTANCE))


class _StepAside(Exception):  # noqa: N818 - no error: another way is taken
    """Not plainly well-formed."""


class _Cut(Exception):  # noqa: N818 - no error: more bytes are asked for
    """An element reaches past the bytes at hand."""


def header_of(source: Source, *, with_pixels: bool = True) -> Header | None:
    """The header of an open file; its pixel data and what follows it too, unless only the header is wanted."""
    content = source.head
    while True:
        try:
            return _header(source, content, with_pixels=with_pixels)
        except (_Cut, struct.error):
            if len(content) >= source.size:
                return None
            content = source.stretch(0, min(source.size, 8 * len(content)))
        except _StepAside:
            return None


def uid_text(value: bytes) -> str | None:
    """The one UID that a value holds, padded with at most one NUL; None for anything else."""
    text = value[:-1] if value.endswith(b"\x00") else value
    return text.decode() if 0 < len(text) <= 64 and not text.strip(b"0123456789.") else None


def value_in(raw: bytes, *, implicit: bool) -> bytes:
    """The value of a whole element."""
    return raw[8:] if implicit or not is_long(raw) else raw[12:]


def is_sequence(tag: int, raw: bytes, *, implicit: bool) -> bool:
    """Whether a whole element is a sequence: stated so, or implicit and one in the dictionary."""
    return dictionary_vrs(tag) == ("SQ",) if implicit else raw[4:6] == b"SQ"


def is_long(raw: bytes) -> bool:
    """Whether an explicit element has the long form of head: two reserved bytes and a length of four."""
    return raw[4:6] in _LONG_VRS


def _header(source: Source, content: bytes, *, with_pixels: bool) -> Header:
    meta, at = _meta(content)
    syntax = uid_text(value_in(meta.get(TRANSFER_SYNTAX, b""), implicit=False)) or ""
    encapsulated = syntax in _ENCAPSULATED
    if not encapsulated and syntax not in _NATIVE:
        raise _StepAside
    header = Header(_NATIVE.get(syntax, False), syntax, meta)
    reader = _Reader(content, header.implicit, header.told)
    if header.implicit and content[at + 4 : at + 6].isalpha() and content[at + 4 : at + 6].isupper():
        raise _StepAside  # a length that looks like a VR
    at = reader.elements(at, len(content), header.tags, header.raws)
    if not header.tags or header.tags[0] >> 16 <= 2:
        raise _StepAside
    if at == len(content):
        if at < source.size:
            raise _Cut
        return header
    if not with_pixels:
        return header
    found = pixels_at(source, at, implicit=header.implicit, encapsulated=encapsulated)
    if found is None:
        raise _StepAside
    header.pixels, header.tail = found
    return _with_tail(header, header.tail)


def _meta(content: bytes) -> tuple[dict[int, bytes], int]:
    """The file meta's elements, and where the data set begins: the group length must be right."""
    if content[128:140] != META_START:
        raise _StepAside
    stop = PREAMBLE_BYTES + 12 + int.from_bytes(content[140:144], "little")
    if stop >= min(len(content), HEAD_BYTES):
        raise _StepAside  # cut short, nothing behind it, or too long
    tags: list[int] = []
    raws: list[bytes] = []
    _Reader(content, False, []).elements(PREAMBLE_BYTES, stop, tags, raws)
    if tags[-1] > 0x0002FFFF or content[stop : stop + 2] == b"\x02\0":
        raise _StepAside
    return dict(zip(tags, raws, strict=True)), stop


def pixels_at(source: Source, at: int, *, implicit: bool, encapsulated: bool) -> tuple[Pixels, bytes] | None:
    """The pixel data whose element begins there, and the bytes behind it; None where its length or its fragments do not meet."""
    size = 8 if implicit else 12
    head = source.stretch(at, at + size)
    length, reserved = int.from_bytes(head[-4:], "little"), head[6:8] if size == 12 else b"\0\0"
    if len(head) < size or encapsulated != (length == UNDEFINED) or reserved != b"\0\0":
        return None
    start = at + size
    if encapsulated:
        rest = source.stretch(start, source.size)
        stop = _fragments_end(rest)
        return None if stop is None else (Pixels(head, rest[:stop], True), rest[stop + 8 :])
    value = source.stretch(start, start + length)
    return None if len(value) < length else (Pixels(head, value, False), source.stretch(start + length, source.size))


def varies_freely(raw: bytes, *, implicit: bool) -> bool:
    """Whether an element may hold any bytes without a change to how the file is read or to whom it belongs."""
    return not _MEANINGS[raw[: 4 if implicit else 6]].kind


def head_of(raw: bytes, *, implicit: bool) -> tuple[bytes, struct.Struct, int]:
    """What is the same of an element whatever its value: its first bytes, how to read its length, where its value begins."""
    first = raw[: 4 if implicit else 6]
    return first, _MEANINGS[first].length_in, _MEANINGS[first].size


def _with_tail(header: Header, tail: bytes) -> Header:
    tags: list[int] = []
    try:
        end = _Reader(tail, header.implicit, header.told).elements(0, len(tail), tags, header.raws)
    except (_Cut, struct.error):
        raise _StepAside from None
    if end != len(tail) or (tags and tags[0] <= PIXEL_DATA):
        raise _StepAside
    header.tags += tags
    return header


def _fragments_end(value: bytes) -> int | None:
    """Where the delimiter of the fragments begins; it must also be the first thing that looks like one."""
    at = 0
    while at + 8 <= len(value):
        tag, length = _pair(value, at)
        if tag == _SEQUENCE_END and not length and value.find(b"\xfe\xff\xdd\xe0") == at:
            return at
        if tag != _ITEM:
            return None
        at += 8 + length
    return None


class _Meaning(NamedTuple):
    """What the first bytes of an element say: its tag, what it is, how to read its length, how long they are."""

    tag: int
    kind: int
    length_in: struct.Struct
    size: int


_SHORT, _LONG, _IMPLICIT = struct.Struct("<6xH"), struct.Struct("<8xI"), struct.Struct("<4xI")
_LONG_VRS = {vr.encode() for vr in EXPLICIT_VR_LENGTH_32}


class _Meanings(dict[bytes, _Meaning]):
    """Meanings by the first 4 (implicit) or 6 (explicit) bytes of an element, worked out once. Bounded."""

    def __missing__(self, first: bytes) -> _Meaning:
        if len(first) not in (4, 6):
            raise _Cut
        meaning = _meaning(first)
        if len(self) < 16384:
            self[first] = meaning
        return meaning


_MEANINGS = _Meanings()


def _meaning(first: bytes) -> _Meaning:
    tag = int.from_bytes(first[:2], "little") << 16 | int.from_bytes(first[2:4], "little")
    vr = first[4:] or None
    if tag == 0xFFFEE00D:
        return _Meaning(tag, _END, _IMPLICIT, 8)
    if tag >> 16 in (0x0000, 0xFFFE) or tag in (0x7FE00008, 0x7FE00009) or (vr is not None and vr not in _KNOWN_VRS):
        return _Meaning(tag, _UNPROVEN, _SHORT, 8)
    form, size = (_IMPLICIT, 8) if vr is None else (_LONG, 12) if vr in _LONG_VRS else (_SHORT, 8)
    return _Meaning(tag, _kind(tag, vr.decode() if vr else None), form, size)


def _kind(tag: int, vr: str | None) -> int:
    by_name = dictionary_vrs(tag) == ("SQ",)
    sequence = vr == "SQ" or (vr is None and by_name)
    if (vr == "UN" and by_name) or (sequence and tells_who(tag, vr)) or (tag == PIXEL_DATA and vr not in (None, "OB", "OW")):
        return _UNPROVEN
    if tag == PIXEL_DATA:
        return _PIXELS
    if tag == CHARACTER_SET or tag >> 16 == 0x0002:
        return _TELLS | _TOP_ONLY
    return _SEQUENCE if sequence else _TELLS if tag == SOP_CLASS or tells_who(tag, vr) else 0


@dataclass(slots=True)
class _Reader:
    """Elements out of bytes. `told` collects those on which the settled choices rest, at every depth."""

    content: bytes
    implicit: bool
    told: list[tuple[int, bytes]]

    def elements(self, at: int, stop: int, tags: list[int], raws: list[bytes], depth: int = 0, *, open_ended: bool = False) -> int:
        """Read elements into `tags` and `raws` up to `stop`, the end of an open item, or pixel data; where that is."""
        content, width, last = self.content, 4 if self.implicit else 6, -1
        while at < stop:
            tag, kind, form, size = _MEANINGS[content[at : at + width]]
            (length,) = form.unpack_from(content, at)
            start = at + size
            if kind:
                if kind == _END and open_ended and not length:
                    return start
                if kind == _PIXELS and depth == 0:
                    return at
                if kind & (_UNPROVEN | _END) or (kind & _TOP_ONLY and depth) or depth > _MAX_DEPTH:
                    raise _StepAside
                end = self.sequence(start, length, depth + 1) if kind == _SEQUENCE else start + length
            else:
                end = start + length
            if tag <= last:
                raise _StepAside
            if end > stop:
                raise _Cut
            raw = content[at:end]
            if kind & _TELLS:
                self.told.append((depth, raw))
            tags.append(tag)
            raws.append(raw)
            last, at = tag, end
        if open_ended:
            raise _Cut
        return at

    def sequence(self, at: int, length: int, depth: int) -> int:
        """Read the items of a sequence and return where it ends."""
        stop = len(self.content) if length == UNDEFINED else at + length
        if stop > len(self.content):
            raise _Cut
        while at < stop:
            tag, size = _pair(self.content, at)
            at += 8
            if tag == _SEQUENCE_END and length == UNDEFINED and not size:
                return at
            if tag != _ITEM or (size != UNDEFINED and at + size > stop):
                raise _StepAside
            end = len(self.content) if size == UNDEFINED else at + size
            at = self.elements(at, end, [], [], depth, open_ended=size == UNDEFINED)
        if length == UNDEFINED:
            raise _Cut
        if at != stop:
            raise _StepAside
        return at
