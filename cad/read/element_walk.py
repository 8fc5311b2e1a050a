"""The elements of one data set by their bytes: wanted values kept, everything else stepped over, nothing recursed into.

PS3.5 7.1 (element layout), 7.5 (sequences), A.4 (encapsulated pixel data). A walk costs a few microseconds an
element, needs no more memory than the header, and cannot overflow a stack: nesting is counted, not followed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

UNDEFINED = 0xFFFFFFFF
MOST_NESTING = 32
PIXEL_TAGS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG = {vr.encode(): vr for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")}
_SHORT = {
    vr.encode(): vr
    for vr in ("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FL", "FD", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US")
}
_NAMED = {vr: name for vr, name in (_LONG | _SHORT).items() if name != "UN"}
_HEADS = (struct.Struct("<HH2sH"), struct.Struct(">HH2sH"))  # group, element, value representation, length where that is short


class HeaderError(ValueError):
    """A header that cannot be read; `reason` is the stable code of the refusal."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(reason, problem)
        self.reason, self.problem = reason, problem


class Source(Protocol):
    """Bytes that are fetched as the walk gets there. Contract: `data` only grows; offsets stay."""

    data: bytes

    def reach(self, end: int) -> bool:
        """Have `data` hold at least `end` bytes; False when there are not so many."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How elements are written."""

    explicit: bool = True
    big_endian: bool = False

    @property
    def order(self) -> str:
        """The struct module's sign for the byte order."""
        return ">" if self.big_endian else "<"


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where the pixel data begin (after their element header) and how many bytes they declare, None when encapsulated."""

    keyword: str
    offset: int
    length: int | None


@dataclass(slots=True)
class Walked:
    """What a walk found: (VR, bytes) by tag, the place of the pixel data, and where the walk ended."""

    raw: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    pixels: PixelPlace | None = None
    end: int = 0


def walk(source: Source, at: int, layout: Layout, wanted: Mapping[int, str], only_group: int | None = None) -> Walked:
    """Elements from byte `at` to the pixel data or the end; with `only_group`, to the first element of another group.

    `wanted` maps a tag to its VR, used where the file names none. Raises HeaderError (truncated, unreadable,
    nested_too_deep) and whatever `source.reach` raises.
    """
    found, data, head = Walked(), source.data, _HEADS[layout.big_endian].unpack_from
    while at + 8 <= len(data) or source.reach(at + 8):
        data = source.data
        group, element, vr, length = head(data, at)
        tag = group << 16 | element
        if only_group is not None and group != only_group:
            break
        if layout.explicit and vr in _SHORT:
            start = at + 8
        else:
            vr, start, length = _head(source, at, layout)
        if tag in PIXEL_TAGS:
            found.pixels = PixelPlace(PIXEL_TAGS[tag], start, None if length == UNDEFINED else length)
            at = start
            break
        at = _after_sequence(source, start, layout if vr != b"UN" else Layout(explicit=False)) if length == UNDEFINED else start + length
        if at > len(source.data) and not source.reach(at):
            raise HeaderError("truncated", f"element {group:04X},{element:04X} ends {at - len(source.data)} bytes after the file does")
        data = source.data
        if tag in wanted:
            found.raw[tag] = (_NAMED.get(vr) or wanted[tag], data[start:at])
    found.end = at
    return found


def _tag(data: bytes, at: int, layout: Layout) -> int:
    group, element = struct.unpack_from(layout.order + "HH", data, at)
    return int(group) << 16 | int(element)


def _head(source: Source, at: int, layout: Layout) -> tuple[bytes, int, int]:
    """VR (empty when implicit), first byte of the value, declared length."""
    data = source.data
    if not layout.explicit:
        return b"", at + 8, struct.unpack_from(layout.order + "L", data, at + 4)[0]
    vr = data[at + 4 : at + 6]
    if vr in _SHORT:
        return vr, at + 8, struct.unpack_from(layout.order + "H", data, at + 6)[0]
    if vr not in _LONG:
        raise HeaderError("unreadable", f"byte {at}: no value representation where one must be")
    if not source.reach(at + 12):
        raise HeaderError("truncated", "the file ends inside an element")
    return vr, at + 12, struct.unpack_from(layout.order + "L", source.data, at + 8)[0]


def _after_sequence(source: Source, at: int, layout: Layout) -> int:
    """The byte after the delimiter of a sequence of undefined length that begins at `at`."""
    open_parts: list[tuple[bool, Layout]] = [(True, layout)]  # (is a sequence, how its elements are written)
    while open_parts:
        if len(open_parts) > 2 * MOST_NESTING:
            raise HeaderError("nested_too_deep", f"sequences within sequences, more than {MOST_NESTING} deep")
        if not source.reach(at + 8):
            raise HeaderError("truncated", "the file ends inside a sequence")
        in_sequence, inside = open_parts[-1]
        tag = _tag(source.data, at, inside)
        if tag in (_ITEM, _ITEM_END, _SEQUENCE_END):
            length = struct.unpack_from(inside.order + "L", source.data, at + 4)[0]
            at += 8
            if tag != _ITEM:
                open_parts.pop()
            elif length == UNDEFINED:
                open_parts.append((False, inside))
            else:
                at += length
        elif in_sequence:
            raise HeaderError("unreadable", f"byte {at}: a sequence holds something that is no item")
        else:
            vr, at, length = _head(source, at, inside)
            if length == UNDEFINED:
                open_parts.append((True, inside if vr != b"UN" else Layout(explicit=False)))
            else:
                at += length
    return at
