"""What a blanked place is filled with: the surroundings' own stored value, so that no edge and no bright block is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from anonymizer import elements
from anonymizer.errors import InputRefusedError
from anonymizer.pixels.engine import Stored
from anonymizer.pixels.find import TextBox
from anonymizer.pixels.frames import Fill, Layout

_RING = 4
_REGIONS = BaseTag(0x00186011)
_EDGES = (0x00186018, 0x0018601A, 0x0018601C, 0x0018601E)  # Region Location Min X0, Min Y0, Max X1, Max Y1


def box_fills(stored: Stored, boxes: Sequence[TextBox], photometric: str) -> Iterator[Fill]:
    """A fill for each box: the middle value of the ring around it that no other box covers."""
    covered = np.zeros(stored.shape[:2], dtype=bool)
    for box in boxes:
        covered[_slices(box)] = True
    for box in boxes:
        yield Fill(_slices(box), _local_value(stored, covered, box, photometric))


def region_fill(stored: Stored, outside: NDArray[np.bool_], photometric: str, layout: Layout) -> Fill:
    """Black outside the regions; of a palette, the value that is most frequent there."""
    if photometric == "PALETTE COLOR":
        return Fill(outside, _most_frequent(stored[outside]))
    least = -(1 << (layout.stored - 1)) if layout.signed else 0
    value = (1 << layout.stored) - 1 + least if photometric == "MONOCHROME1" else least
    value = value << (layout.high + 1 - layout.stored)
    if stored.ndim == 2:
        return Fill(outside, np.asarray(value, dtype=stored.dtype))
    half = 1 << (layout.stored - 1)
    return Fill(outside, np.asarray((0, half, half) if photometric.startswith("YBR_FULL") else (0, 0, 0), dtype=stored.dtype))


def outside_regions(source: Dataset, layout: Layout) -> NDArray[np.bool_] | None:
    """The pixels outside all ultrasound regions (PS3.3 C.8.5.5), shape (rows, columns); None when no usable region is stated."""
    inside = np.zeros((layout.rows, layout.columns), dtype=bool)
    for item in elements.items_at(source, _REGIONS):
        try:
            left, top, right, bottom = (int(elements.text_at(item, tag)) for tag in _EDGES)
        except (ValueError, InputRefusedError):
            return None
        if 0 <= left <= right and 0 <= top <= bottom:
            inside[top : bottom + 1, left : right + 1] = True
    return ~inside if inside.any() else None


def _slices(box: TextBox) -> tuple[slice, slice]:
    return slice(box.top, box.bottom), slice(box.left, box.right)


def _local_value(stored: Stored, covered: NDArray[np.bool_], box: TextBox, photometric: str) -> Stored:
    around = _slices(box.grown(_RING, stored.shape))
    free = ~covered[around]
    ring = stored[around][free] if free.any() else stored[~covered]
    if ring.shape[0] == 0:
        ring = stored.reshape(-1, *stored.shape[2:])
    if photometric == "PALETTE COLOR":
        return _most_frequent(ring)
    middle = np.sort(ring, axis=0)[ring.shape[0] // 2]  # a value that occurs, unlike the mean of two
    return np.asarray(middle, dtype=stored.dtype)


def _most_frequent(values: Stored) -> Stored:
    found, counts = np.unique(values, return_counts=True)
    return np.asarray(found[np.argmax(counts)], dtype=values.dtype)
