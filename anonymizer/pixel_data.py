"""Pixel data as a stretch of bytes: is it all there, and does it hold more than pixels? Nothing is decoded.

Three places of pixel data show nowhere and may hold anything: the bytes behind the last pixel, the bits of a word that no
pixel uses (old overlays lie there), and the comments and private segments of compressed frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from anonymizer import codestreams, elements
from anonymizer.errors import InputRefusedError
from anonymizer.gate import Reason, Verdict, holds_pixels, pixel_tags
from anonymizer.reading import PARSE_ERRORS

PIXEL_DATA = 0x7FE00010
_ROWS, _COLUMNS, _ALLOCATED, _STORED, _HIGH_BIT, _SIGNED = 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103
_SAMPLES, _FRAMES, _PHOTOMETRIC, _PADDING = 0x00280002, 0x00280008, 0x00280004, 0x00280120
DESCRIBING = tuple(sorted((_ROWS, _COLUMNS, _ALLOCATED, _STORED, _HIGH_BIT, _SIGNED, _SAMPLES, _FRAMES, _PHOTOMETRIC, _PADDING)))
_WORDS = (8, 16, 32)
_SOP_CLASS, _FLOATS = 0x00080016, (0x7FE00008, 0x7FE00009)


@dataclass(frozen=True, slots=True)
class Layout:
    """How native pixels lie: sizes in pixels, bits of a word; `signed` as Pixel Representation says.

    `padding` is the word of Pixel Padding Value, 0 to 65535, which scanners also set outside the bits they store; -1 for none.
    """

    rows: int
    columns: int
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    samples: int
    frames: int
    subsampled: bool
    padding: int

    @property
    def native_bytes(self) -> int:
        """How long native pixel data is, before it is padded to even length."""
        bits = self.rows * self.columns * self.frames * self.allocated * (2 if self.subsampled else self.samples)
        return (bits + 7) // 8


class Described(Dataset):
    """A data set whose layout of pixels has been worked out already and will not change.

    `unchanged` is for whoever decides on pixels: what came of those that stayed as they were, by the head of their element.
    """

    def __init__(self, describing: Dataset) -> None:
        super().__init__(describing)
        implicit, little = describing.original_encoding
        self.set_original_encoding(implicit, little, describing.original_character_set)
        self.layout = layout_of(describing)
        self.unchanged: dict[bytes, Any] = {}


def pixel_verdict(dataset: Dataset) -> Verdict | None:
    """Whether the pixel data is there and whole: native pixels must be as long as the header says.

    A parser that stops in the middle of a damaged file ends without pixel data, so this also finds cut headers.
    """
    if not holds_pixels(elements.text_at(dataset, _SOP_CLASS)):
        return None
    held = [tag for tag in sorted(pixel_tags(elements.text_at(dataset, _SOP_CLASS))) if tag in dataset]
    element = elements.get(dataset, held[0]) if held else None
    if element is None:
        return Verdict(Reason.TRUNCATED, "an image without pixel data")
    if len(held) == 1 and _is_encapsulated(element):
        return None
    layout = layout_of(dataset)
    if layout is None or len(held) > 1:
        return Verdict(Reason.UNPARSEABLE, "pixel data of two kinds, or rows, columns or bits of the pixels are missing or malformed")
    if len(element.value or b"") < layout.native_bytes:
        return Verdict(Reason.TRUNCATED, "the pixel data is shorter than rows, columns and frames need")
    return None


def only_pixels(dataset: Dataset, value: bytes, tag: int = PIXEL_DATA) -> tuple[bytes, tuple[str, ...]]:
    """The value of Pixel Data (or its floating point kin) without what shows nowhere, and why it is not the same object.

    The pixels decode to the same. Reasons: `bytes_behind_the_last_pixel`, `bits_outside_the_stored`, `text_in_the_codestream`.
    `dataset` describes the pixels and holds them. Raises InputRefusedError when compressed frames cannot be walked.
    """
    element = elements.get(dataset, tag)
    layout = layout_of(dataset)
    if element is not None and _is_encapsulated(element):
        return _compressed(value, layout)
    if layout is None or element is None:
        return value, ()
    reasons = []
    kept = _without_tail(value, layout)
    if kept is not value:
        reasons.append("bytes_behind_the_last_pixel")
    order = "<" if dataset.original_encoding[1] is not False else ">"
    plain = kept if tag in _FLOATS else _without_spare_bits(kept, layout, order)
    if plain is not kept:
        reasons.append("bits_outside_the_stored")
    return plain, tuple(reasons)


def is_only_pixels(value: bytes, layout: Layout) -> bool:
    """Whether native Pixel Data in little endian plainly is what `only_pixels` leaves of it; False where that takes a longer look."""
    above, below = _spare_bits(layout)
    if len(value) != layout.native_bytes + layout.native_bytes % 2 or layout.allocated not in _WORDS or above < 0 or below:
        return False
    return not above or _uses_only_stored(_numbers(value, layout, "<"), layout, below)


def _compressed(value: bytes, layout: Layout | None) -> tuple[bytes, tuple[str, ...]]:
    if layout is None:
        raise InputRefusedError(Reason.UNPARSEABLE, "rows, columns or bits of the pixels are missing or malformed")
    plain = codestreams.scrubbed(value, layout.frames, layout.rows * layout.columns)
    return plain, () if plain is value else (codestreams.REASON,)


def layout_of(dataset: Dataset) -> Layout | None:
    """How the pixels of a data set lie; None when what must be said of it is missing or malformed."""
    if isinstance(dataset, Described):
        return dataset.layout
    held = tuple(elements.get(dataset, tag) for tag in DESCRIBING)
    raw = tuple(element for element in held if isinstance(element, RawDataElement))
    if len(raw) + held.count(None) < len(held):
        return _layout(held)
    return _remembered(tuple(None if element is None else _key(cast(RawDataElement, element)) for element in held))


_Key = tuple[int, str | None, int, bytes | None, bool, bool]


def _key(element: RawDataElement) -> _Key:
    return (int(element.tag), element.VR, element.length, element.value, element.is_implicit_VR, element.is_little_endian)


@lru_cache(maxsize=256)
def _remembered(keys: tuple[_Key | None, ...]) -> Layout | None:
    return _layout(tuple(None if key is None else RawDataElement(BaseTag(key[0]), *key[1:4], 0, *key[4:]) for key in keys))


def _layout(held: tuple[DataElement | RawDataElement | None, ...]) -> Layout | None:
    try:
        values: dict[int, Any] = {
            tag: None if one is None else elements.converted(Dataset(), one).value for tag, one in zip(DESCRIBING, held, strict=True)
        }
        rows, columns, allocated = (int(values[tag]) for tag in (_ROWS, _COLUMNS, _ALLOCATED))
        stored = int(values[_STORED] or allocated)
        samples, frames = (int(values[tag] or 1) for tag in (_SAMPLES, _FRAMES))
        high_bit = stored - 1 if values[_HIGH_BIT] is None else int(values[_HIGH_BIT])
        signed = bool(int(values[_SIGNED] or 0))
        padding = -1 if values[_PADDING] in (None, "") else _word(values[_PADDING])
    except PARSE_ERRORS:
        return None
    if min(rows, columns, allocated, samples, frames) <= 0:
        return None
    subsampled = str(values[_PHOTOMETRIC] or "").strip() == "YBR_FULL_422"
    return Layout(rows, columns, allocated, stored, high_bit, signed, samples, frames, subsampled, padding)


def _word(value: object) -> int:
    """A padding value as the 16 bits it is, whichever sign it was read with."""
    return int.from_bytes(value[:2], "little") if isinstance(value, bytes) else int(value) & 0xFFFF  # type: ignore[call-overload]


def _is_encapsulated(element: DataElement | RawDataElement) -> bool:
    length = element.length if isinstance(element, RawDataElement) else None
    return length == elements.UNDEFINED_LENGTH or bool(getattr(element, "is_undefined_length", False))


def _without_tail(value: bytes, layout: Layout) -> bytes:
    expected = layout.native_bytes
    if len(value) <= expected + expected % 2:
        return value
    return value[:expected] + b"\x00" * (expected % 2)


def _without_spare_bits(value: bytes, layout: Layout, order: str) -> bytes:
    """Words whose unused bits are zero or, above a signed value, its sign; words without any are returned as they are."""
    above, below = _spare_bits(layout)
    if layout.allocated not in _WORDS or above < 0 or below < 0 or above + below == 0 or len(value) % (layout.allocated // 8):
        return value
    numbers = _numbers(value, layout, order)
    pixels = numbers.view(f"{order}u{layout.allocated // 8}")
    if _uses_only_stored(numbers, layout, below):
        return value
    plain = ((numbers << above) >> (above + below)) << below
    padded = pixels == layout.padding if layout.allocated == 16 else np.zeros(1, bool)
    kept = np.where(padded, numbers, plain).astype(numbers.dtype)
    return value if np.array_equal(kept, numbers) else kept.tobytes()


def _spare_bits(layout: Layout) -> tuple[int, int]:
    """How many bits of a word lie above the stored ones, and how many below."""
    return layout.allocated - 1 - layout.high_bit, layout.high_bit + 1 - layout.stored


_Numbers = np.ndarray[tuple[int], np.dtype[np.integer]]


def _numbers(value: bytes, layout: Layout, order: str) -> _Numbers:
    return np.frombuffer(value, f"{order}{'i' if layout.signed else 'u'}{layout.allocated // 8}")


def _uses_only_stored(numbers: _Numbers, layout: Layout, below: int) -> bool:
    """The cheap look, which nearly every image passes."""
    if below or not numbers.size:
        return not numbers.size
    if not layout.signed:
        return int(np.bitwise_or.reduce(numbers)) < 1 << layout.stored
    limit = 1 << (layout.stored - 1)
    return -limit <= int(numbers.min()) and int(numbers.max()) < limit
