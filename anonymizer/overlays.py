"""Overlay bitmaps under Clean Graphics: kept only when text recognition sees no letters in them, after blanking what it saw.

A bitmap is drawn on by people; nobody can prove that it says nothing. So it stays only if the recogniser of Clean Pixel
Data is installed and finds nothing, or finds text, blanks it, and then finds nothing more. Otherwise the overlay goes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from anonymizer import elements

_ROWS, _COLUMNS, _FRAMES, _ALLOCATED, _POSITION, _DATA = 0x10, 0x11, 0x15, 0x100, 0x102, 0x3000
_MOST_PIXELS = 1 << 26
_MARGIN = 2


def overlay_without_text(source: Dataset, tag: int) -> bytes | None:
    """The bitmap of the overlay group that `tag` belongs to, as it may be kept (bits packed as in PS3.5 section 8.1.2).

    `source` is the data set that holds the whole group. None when there is no bitmap in it (one embedded in unused bits
    of the pixels counts as none), when its size does not fit its data, or when text cannot be ruled out.
    """
    group = tag & 0xFFFF0000
    element = elements.get(source, group | _DATA)
    data = element.value if element is not None else None
    shape = [_number(source, group | offset, otherwise) for offset, otherwise in ((_FRAMES, 1), (_ROWS, 0), (_COLUMNS, 0))]
    if not isinstance(data, bytes) or _number(source, group | _ALLOCATED, 0) != 1 or _number(source, group | _POSITION, 0) != 0:
        return None
    if min(shape) < 1 or not 0 < shape[0] * shape[1] * shape[2] <= min(_MOST_PIXELS, 8 * len(data)):
        return None
    return _without_text(data, shape[0], shape[1], shape[2])


def _number(source: Dataset, tag: int, otherwise: int) -> int:
    element = elements.get(source, tag)
    if element is None:
        return otherwise
    value = elements.converted(source, element).value
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1


@lru_cache(maxsize=64)
def _without_text(data: bytes, frames: int, rows: int, columns: int) -> bytes | None:
    count = frames * rows * columns
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little", count=count)
    planes = bits.reshape(frames, rows, columns)
    if not all(_cleared(plane) for plane in planes):
        return None
    packed = np.packbits(planes.reshape(-1), bitorder="little").tobytes()
    return packed + b"\x00" * (len(packed) % 2)


def _cleared(plane: NDArray[np.uint8]) -> bool:
    """Blank the text of one plane in place; whether none is left."""
    from anonymizer.pixels import TextEngineMissingError, text_boxes

    if not plane.any():
        return True
    try:
        for box in text_boxes(plane * np.uint8(255)):
            top, left = max(0, box.top - _MARGIN), max(0, box.left - _MARGIN)
            plane[top : box.bottom + _MARGIN, left : box.right + _MARGIN] = 0
        return not plane.any() or not text_boxes(plane * np.uint8(255))
    except TextEngineMissingError:
        return False
