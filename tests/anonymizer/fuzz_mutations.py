"""Ways to damage a DICOM file, seeded: `mutated(content, chance)` gives the name of the damage and the damaged bytes."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

from deid_factory import ct, encode
from pydicom import dcmread, uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

VRS = [
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "DT",
    "FD",
    "FL",
    "IS",
    "LO",
    "LT",
    "OB",
    "OF",
    "OW",
    "PN",
    "SH",
    "SL",
    "SQ",
    "SS",
    "ST",
    "TM",
    "UC",
    "UI",
    "UL",
    "UN",
    "UR",
    "US",
    "UT",
    "ZZ",
    "\x00\x00",
]
LENGTHS = (0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 0x80000000, 0xFFFF, 0x10000, 0, 1)
HEADER_END = 12000
STEP = struct.pack("<HH2sHI", 0x0008, 0x2218, b"SQ", 0, 0xFFFFFFFF)
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
STEP_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an element lies in the file: its first byte, its value, the byte after it; whether it states a VR."""

    start: int
    value: int
    end: int
    explicit: bool


@lru_cache(maxsize=64)
def places(content: bytes) -> tuple[Place, ...]:
    """The elements at the top of the data set whose bytes lie plain in the file (none for a deflated one)."""
    file = dcmread(BytesIO(content))
    if file.file_meta.TransferSyntaxUID == uid.DeflatedExplicitVRLittleEndian:
        return ()
    raw = (element for element in file._dict.values() if isinstance(element, RawDataElement))
    found = (_place(element) for element in raw if element.length != 0xFFFFFFFF)
    return tuple(place for place in found if place.end <= len(content))


def _place(element: RawDataElement) -> Place:
    long = element.VR in ("OB", "OD", "OF", "OL", "OW", "OV", "SQ", "UC", "UN", "UR", "UT", "SV", "UV")
    header = 12 if long and not element.is_implicit_VR else 8
    return Place(element.value_tell - header, element.value_tell, element.value_tell + element.length, not element.is_implicit_VR)


def mutated(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    """One damage, drawn by chance; the same state of `chance` gives the same bytes."""
    way = chance.choice(WAYS)
    return way.__name__, way(content, chance)


def bits_flipped(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    end = min(len(damaged), HEADER_END)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        damaged[chance.randrange(132, end)] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def bytes_replaced(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    start = chance.randrange(128, min(len(damaged), HEADER_END))
    run = chance.randbytes(chance.choice((1, 4, 30)))
    damaged[start : start + len(run)] = run
    return bytes(damaged)


def cut_at_a_boundary(content: bytes, chance: random.Random) -> bytes:
    """At an element's first byte, value or end, and one byte to either side."""
    ends = [edge for place in places(content) for edge in (place.start, place.value, place.end)] or [len(content) // 2]
    return content[: max(0, chance.choice(ends) + chance.choice((-1, 0, 1)))]


def cut_anywhere(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def wrong_vr(content: bytes, chance: random.Random) -> bytes:
    stated = [place for place in places(content) if place.explicit]
    if not stated:
        return bits_flipped(content, chance)
    damaged = bytearray(content)
    for place in chance.sample(stated, min(len(stated), chance.choice((1, 1, 3)))):
        damaged[place.start + 4 : place.start + 6] = chance.choice(VRS).encode()
    return bytes(damaged)


def wrong_length(content: bytes, chance: random.Random) -> bytes:
    if not places(content):
        return bytes_replaced(content, chance)
    damaged, place = bytearray(content), chance.choice(places(content))
    length = chance.choice((*LENGTHS, len(content), chance.randrange(1 << 32)))
    if place.explicit and place.value - place.start == 8:
        damaged[place.value - 2 : place.value] = struct.pack("<H", length & 0xFFFF)
    else:
        damaged[place.value - 4 : place.value] = struct.pack("<I", length)
    return bytes(damaged)


def emptied(content: bytes, chance: random.Random) -> bytes:
    """A value is gone, its length says so: a valid file with an empty attribute."""
    if not places(content):
        return cut_anywhere(content, chance)
    place = chance.choice(places(content))
    width = 2 if place.explicit and place.value - place.start == 8 else 4
    return content[: place.value - width] + bytes(width) + content[place.end :]


def unsorted_or_doubled(content: bytes, chance: random.Random) -> bytes:
    if len(places(content)) < 2:
        return bits_flipped(content, chance)
    one, two = chance.choice(places(content)), chance.choice(places(content))
    piece = content[one.start : one.end]
    rest = content if chance.random() < 0.5 or one.start < two.start else content[: one.start] + content[one.end :]
    return rest[: two.start] + piece + rest[two.start :]


def in_a_sequence(content: bytes, chance: random.Random) -> bytes:
    """An element of the patient wrapped into a sequence, some or very many levels deep."""
    if not places(content):
        return cut_anywhere(content, chance)
    depth, place = chance.choice((1, 3, 31, 32, 33, 400, 2000)), chance.choice(places(content))
    deep = (STEP + ITEM) * depth + content[place.start : place.end] + (ITEM_END + STEP_END) * chance.choice((depth, 0))
    return content[: place.start] + deep + content[place.end :]


def many_items(content: bytes, chance: random.Random) -> bytes:
    if not places(content):
        return bits_flipped(content, chance)
    place = chance.choice(places(content))
    items = chance.choice((ITEM + ITEM_END, struct.pack("<HHI", 0xFFFE, 0xE000, 0))) * chance.choice((100, 3000))
    return content[: place.start] + STEP + items + STEP_END + content[place.start :]


def spliced(content: bytes, chance: random.Random) -> bytes:
    cut = chance.randrange(132, len(content))
    return content[:cut] + content[chance.randrange(132, len(content)) :]


def trailed(content: bytes, chance: random.Random) -> bytes:
    tail = content[chance.randrange(len(content)) :][: chance.choice((1, 7, 300))]
    return content + tail


WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    bits_flipped,
    bytes_replaced,
    cut_at_a_boundary,
    cut_anywhere,
    wrong_vr,
    wrong_length,
    emptied,
    unsorted_or_doubled,
    in_a_sequence,
    many_items,
    spliced,
    trailed,
)


def deflate_bomb(gibibytes: int) -> bytes:
    """A file of about 1 MB a gibibyte whose data set inflates to that: a sound header, then pixel data without end."""
    plain = encode(_small(), uid.DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(plain[140:144], "little")
    header = zlib.decompress(plain[start:], -zlib.MAX_WBITS)
    giant = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, min(gibibytes << 30, 0xFFFFFFFE))
    block = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = block.compress(bytes(1 << 20)) + block.flush(zlib.Z_FULL_FLUSH)
    first = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    opening = first.compress(header + giant) + first.flush(zlib.Z_FULL_FLUSH)
    return plain[:start] + opening + zeros * (gibibytes << 10) + b"\x03\x00"


def _small() -> Dataset:
    image = ct()
    del image.PixelData
    return image
