"""Which boxes to blank in which frame: `examine`. Every frame is looked at on its own, equal frames once.

An image of a few frames is looked at in all ways, frame by frame. Of a longer one each frame is looked at enlarged, and
the brightest, darkest and mean picture over all frames in all ways: standing text that drowns in one frame's noise
shows in these. A box seen in one frame only is blanked there; one seen in several, or over all, is blanked in every frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from anonymizer.pixels.engine import Image
from anonymizer.pixels.find import TextBox, text_boxes_of, text_boxes_quickly
from anonymizer.pixels.frames import Frames
from anonymizer.pixels.render import renderings

FEW_FRAMES = 4
_SAME_PLACE = 0.5


@dataclass(frozen=True, slots=True)
class Findings:
    """Boxes to blank in all frames, boxes to blank in single ones, and how many reader's marks stay (equal ones once)."""

    everywhere: tuple[TextBox, ...]
    single: dict[int, tuple[TextBox, ...]]
    marks: int

    def of(self, frame: int) -> tuple[TextBox, ...]:
        """The boxes of one frame."""
        return self.everywhere + self.single.get(frame, ())

    def any(self) -> bool:
        """Whether there is anything to blank."""
        return bool(self.everywhere) or any(self.single.values())


class Examiner:
    """Looks at frames and remembers what it saw of equal ones. `stays` says which boxes are no finding (reader's marks)."""

    def __init__(self, frames: Frames, header: Dataset, stays: Callable[[TextBox], bool]) -> None:
        self._frames = frames
        self._header = header
        self._stays = stays
        self._seen: dict[bytes, tuple[TextBox, ...]] = {}

    def examine(self, numbers: Iterable[int]) -> Findings:
        """Look at the frames of these numbers."""
        few = self._frames.layout.frames <= FEW_FRAMES
        found: dict[int, tuple[TextBox, ...]] = {}
        summary = _Summary()
        for number in numbers:
            values = self._frames.values_of(self._frames.read(number))
            digest = hashlib.sha256(values.tobytes()).digest()
            pictures = renderings(values, self._frames.photometric, self._header)
            if not few:
                first = next(pictures)
                summary.add(first)
                pictures = iter((first,))
            if digest not in self._seen:
                self._seen[digest] = text_boxes_of(pictures) if few else text_boxes_quickly(next(pictures))
            found[number] = self._seen[digest]
        return self._sorted_out(found, summary)

    def _sorted_out(self, found: dict[int, tuple[TextBox, ...]], summary: _Summary) -> Findings:
        marks = {(box.left, box.top, box.width, box.height) for boxes in found.values() for box in boxes if self._stays(box)}
        lines = {number: [box for box in boxes if not self._stays(box)] for number, boxes in found.items()}
        shape = (self._frames.layout.rows, self._frames.layout.columns)
        seen_in = _seen_in(lines.values(), shape)
        everywhere = [box for boxes in lines.values() for box in boxes if _most(seen_in, box) > 1]
        for picture in summary.pictures():
            everywhere += [box for box in text_boxes_of((picture,)) if not self._stays(box) and _most(seen_in, box) != 1]
        single = {number: tuple(box for box in boxes if _most(seen_in, box) == 1) for number, boxes in lines.items()}
        return Findings(_merged(everywhere), {number: _merged(boxes) for number, boxes in single.items() if boxes}, len(marks))


class _Summary:
    """The brightest, darkest and mean picture of many."""

    def __init__(self) -> None:
        self._count = 0
        self._extremes: tuple[Image, Image] | None = None
        self._sum: NDArray[np.float32] | None = None

    def add(self, picture: Image) -> None:
        low, high = self._extremes or (picture, picture)
        self._extremes = np.minimum(low, picture), np.maximum(high, picture)
        self._sum = picture.astype(np.float32) if self._sum is None else self._sum + picture
        self._count += 1

    def pictures(self) -> Iterable[Image]:
        if self._extremes is not None and self._sum is not None and self._count > 1:
            yield from self._extremes
            yield np.asarray(self._sum / self._count, dtype=np.uint8)


def _seen_in(lines: Iterable[list[TextBox]], shape: tuple[int, int]) -> NDArray[np.int32]:
    """For each pixel, in how many frames a box lies on it."""
    counts = np.zeros(shape, dtype=np.int32)
    for boxes in lines:
        once = np.zeros(shape, dtype=bool)
        for box in boxes:
            once[box.top : box.bottom, box.left : box.right] = True
        counts += once
    return counts


def _most(seen_in: NDArray[np.int32], box: TextBox) -> int:
    return int(seen_in[box.top : box.bottom, box.left : box.right].max(initial=0))


def _merged(boxes: Iterable[TextBox]) -> tuple[TextBox, ...]:
    """One box for those that lie on nearly the same place."""
    kept: list[TextBox] = []
    for box in sorted(boxes, key=lambda box: box.width * box.height, reverse=True):
        for place, other in enumerate(kept):
            if _shared(box, other) >= _SAME_PLACE * box.width * box.height:
                kept[place] = _around(box, other)
                break
        else:
            kept.append(box)
    return tuple(kept)


def _shared(box: TextBox, other: TextBox) -> int:
    width = min(box.right, other.right) - max(box.left, other.left)
    height = min(box.bottom, other.bottom) - max(box.top, other.top)
    return max(0, width) * max(0, height)


def _around(box: TextBox, other: TextBox) -> TextBox:
    left, top = min(box.left, other.left), min(box.top, other.top)
    right, bottom = max(box.right, other.right), max(box.bottom, other.bottom)
    return replace(other, left=left, top=top, width=right - left, height=bottom - top)
