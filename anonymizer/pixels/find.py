"""Text in a picture: `text_boxes`. Where it is, what it says and how sure the engine is; the text stays in memory.

A picture is looked at several ways, and a line found in any of them counts: twice as large (small print), as it is
(large print), and smoothed with its local contrast evened out (faint print, noise). A picture of more than 1100 rows
or columns is looked at as it is and, evened out, half as large. Large ones are cut into tiles that overlap, since
the detector loses a short line in a large empty image, and every picture gets a border, since it also loses letters
at an edge; each line is then looked at close up, since it also cuts lines short. Dark on light and turned text need no
view of their own: measured, they brought nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from anonymizer.pixels.engine import Image, Quad, TextEngine, text_engine
from anonymizer.pixels.legible import Reading, is_line, may_continue

MAX_ENLARGED_SIDE = 1100
TILE = 1152
OVERLAP = 160
BORDER = 24
_FLAT_LEVELS = 4.0
_CONTINUED_THICKNESS = 1.5
_CLOSE_UP_REACH = 5
_CLOSE_UP_PX = 48


@dataclass(frozen=True, slots=True)
class TextBox:
    """A line of text: the upright box around it in pixels, what it says (never shown), the reader's score (0 to 1)."""

    left: int
    top: int
    width: int
    height: int
    text: str = field(repr=False)
    score: float

    @property
    def right(self) -> int:
        """The first column to the right of the box."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row below the box."""
        return self.top + self.height

    @property
    def thickness(self) -> int:
        """The shorter side: the height of the line, also of a turned one."""
        return min(self.width, self.height)

    def touches(self, other: TextBox) -> bool:
        """Whether the two boxes share a pixel."""
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom

    def grown(self, margin: int, shape: tuple[int, ...]) -> TextBox:
        """The box with a margin on every side, cut to an image of shape (rows, columns, ...)."""
        left, top = max(0, self.left - margin), max(0, self.top - margin)
        right, bottom = min(shape[1], self.right + margin), min(shape[0], self.bottom + margin)
        return replace(self, left=left, top=top, width=max(0, right - left), height=max(0, bottom - top))

    def lengthened(self, margin: int, shape: tuple[int, ...]) -> TextBox:
        """The box with a margin at the two ends of its line only, cut to an image of that shape."""
        wide = self.grown(margin, shape)
        if self.height > self.width:
            return replace(self, top=wide.top, height=wide.height)
        return replace(self, left=wide.left, width=wide.width)


def text_boxes(image: Image) -> tuple[TextBox, ...]:
    """Every line of text in a uint8 image of shape (rows, columns) or (rows, columns, 3), from top to bottom.

    Boxes lie inside the image and may overlap. Single letters are not reported: they identify nobody, and anatomy is
    full of them. Raises TextEngineMissingError when the engine is not installed, and ValueError for another shape or
    type. A bitmap of 0 and 1 is looked at as black and white.
    """
    return text_boxes_of((image,))


def text_boxes_of(renderings: Iterable[Image]) -> tuple[TextBox, ...]:
    """Every line of text that any of several renderings of one image shows. The first is looked at in all ways, others enlarged."""
    return _found(renderings, full=True)


def text_boxes_quickly(image: Image) -> tuple[TextBox, ...]:
    """What the most telling of the ways of looking (enlarged) finds: for the single frames of many."""
    return _found((image,), full=False)


def _found(renderings: Iterable[Image], *, full: bool) -> tuple[TextBox, ...]:
    found: list[tuple[TextBox, Reading]] = []
    engine = text_engine()
    shape: tuple[int, ...] = (0, 0)
    for number, rendering in enumerate(renderings):
        picture = _as_colour(rendering)
        shape = picture.shape[:2]
        if min(shape) >= 4 and float(np.ptp(picture)) >= _FLAT_LEVELS:
            seen = [pair for view, scale in _views(picture, full=full and number == 0) for pair in _seen_in(engine, view, scale, shape)]
            found += seen
            for line in _once(box for box, reading in seen if is_line(reading)) if full else ():
                found += _close_up(engine, picture, line)
    return tuple(sorted(_without_repeats(_lines(found, shape)), key=lambda box: (box.top, box.left)))


def _as_colour(image: Image) -> Image:
    if image.dtype == np.bool_ or (image.dtype == np.uint8 and image.size and int(image.max()) == 1):
        image = image.astype(np.uint8) * np.uint8(255)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"an image of uint8 (rows, columns) or (rows, columns, 3) is needed, not {image.dtype} {image.shape}")
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def _views(picture: Image, *, full: bool) -> Iterator[tuple[Image, float]]:
    """(picture with a border, its scale) for each way of looking."""
    small = max(picture.shape[:2]) <= MAX_ENLARGED_SIDE
    yield _bordered(picture, 2.0 if small else 1.0)
    if full:
        yield _bordered(_evened(picture), 1.0 if small else 0.5)
    if full and small:
        yield _bordered(picture, 1.0)


def _bordered(picture: Image, scale: float) -> tuple[Image, float]:
    import cv2

    framed = np.pad(picture, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), mode="edge")
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    scaled = framed if scale == 1 else cv2.resize(framed, None, fx=scale, fy=scale, interpolation=method)
    return np.asarray(scaled, dtype=np.uint8), scale


def _evened(picture: Image) -> Image:
    import cv2

    smooth = cv2.GaussianBlur(np.ascontiguousarray(picture.max(axis=2)), (0, 0), 0.8)
    evened = cv2.createCLAHE(clipLimit=4.0, tileGridSize=(8, 8)).apply(smooth)
    return np.repeat(np.asarray(evened, dtype=np.uint8)[..., None], 3, axis=2)


def _seen_in(engine: TextEngine, view: Image, scale: float, shape: tuple[int, ...]) -> Iterator[tuple[TextBox, Reading]]:
    for top in _starts(view.shape[0]):
        for left in _starts(view.shape[1]):
            tile = _whole(view[top : top + TILE, left : left + TILE])
            found = engine.detect(tile)
            texts = _read(engine, tile, [quad for quad, _ in found])
            for (quad, sure), (text, score) in zip(found, texts, strict=True):
                box = _upright((quad + np.array([left, top], dtype=np.float32)) / scale - BORDER, shape, text, score)
                if box is not None:
                    yield box, Reading(text, score, sure)


def _close_up(engine: TextEngine, picture: Image, line: TextBox) -> Iterator[tuple[TextBox, Reading]]:
    """A second look at a line and what lies before and behind it, at the size the detector sees best: it cuts lines short."""
    place = line.lengthened(_CLOSE_UP_REACH * line.thickness, picture.shape).grown(line.thickness, picture.shape)
    crop = _stretched(picture[place.top : place.bottom, place.left : place.right])
    view, scale = _bordered(crop, float(np.clip(_CLOSE_UP_PX / line.thickness, 0.5, 4.0)))
    for box, reading in _seen_in(engine, view, scale, crop.shape[:2]):
        yield replace(box, left=box.left + place.left, top=box.top + place.top), reading


def _stretched(crop: Image) -> Image:
    """The crop with its own contrast made full."""
    low, high = (float(value) for value in np.percentile(crop, (1, 99)))
    return np.asarray(np.clip((crop - np.float32(low)) * np.float32(255 / max(high - low, 8.0)), 0, 255), dtype=np.uint8)


def _once(lines: Iterable[TextBox]) -> list[TextBox]:
    """One box for each line, the largest of those that lie on another."""
    kept: list[TextBox] = []
    for line in sorted(lines, key=lambda box: box.width * box.height, reverse=True):
        middle = replace(line, left=line.left + line.width // 2, top=line.top + line.height // 2, width=1, height=1)
        if not any(middle.touches(other) for other in kept):
            kept.append(line)
    return kept


def _starts(length: int) -> list[int]:
    if length <= TILE:
        return [0]
    count = -(-(length - OVERLAP) // (TILE - OVERLAP))
    return [round(place) for place in np.linspace(0, length - TILE, count)]


def _whole(tile: Image) -> Image:
    """The tile on a canvas of multiples of 32, as the network needs."""
    rows, columns = (-(-side // 32) * 32 for side in tile.shape[:2])
    return np.pad(tile, ((0, rows - tile.shape[0]), (0, columns - tile.shape[1]), (0, 0)), mode="edge")


def _read(engine: TextEngine, tile: Image, quads: list[Quad]) -> list[tuple[str, float]]:
    """What each line says, upright or upside down, whichever the reader is surer of."""
    crops = [_straightened(tile, quad) for quad in quads]
    upright = engine.read(crops)
    doubtful = [number for number, (_, score) in enumerate(upright) if score < 0.9]
    turned = engine.read([np.ascontiguousarray(np.rot90(crops[number], 2)) for number in doubtful])
    for number, other in zip(doubtful, turned, strict=True):
        upright[number] = max(upright[number], other, key=lambda read: read[1])
    return upright


def _straightened(tile: Image, quad: Quad) -> Image:
    import cv2

    width = max(4, round(float(max(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[2] - quad[3])))))
    height = max(4, round(float(max(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[1] - quad[2])))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    crop = cv2.warpPerspective(tile, cv2.getPerspectiveTransform(quad, target), (width, height), borderMode=cv2.BORDER_REPLICATE)
    crop = np.rot90(crop) if height >= 1.5 * width else crop
    return np.ascontiguousarray(crop, dtype=np.uint8)


def _upright(quad: Quad, shape: tuple[int, ...], text: str, score: float) -> TextBox | None:
    low, high = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0) + 1).astype(int)
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(shape[1], int(high[0])), min(shape[0], int(high[1]))
    return TextBox(left, top, right - left, bottom - top, text, score) if right > left and bottom > top else None


def _lines(found: list[tuple[TextBox, Reading]], shape: tuple[int, ...]) -> list[TextBox]:
    """The boxes that are lines of text, and the doubtful ones that continue such a line."""
    lines = [box for box, reading in found if is_line(reading)]
    loose = [box for box, reading in found if not is_line(reading) and may_continue(reading)]
    return lines + [box for box in loose if any(_continues(box, line, shape) for line in lines)]


def _continues(box: TextBox, line: TextBox, shape: tuple[int, ...]) -> bool:
    """Whether a box lies just before or behind a line, and is hardly thicker."""
    return box.touches(line.lengthened(line.thickness, shape)) and box.thickness <= _CONTINUED_THICKNESS * line.thickness


def _without_repeats(boxes: list[TextBox]) -> list[TextBox]:
    """A box inside a larger one says the same line again."""
    kept: list[TextBox] = []
    for box in sorted(boxes, key=lambda box: box.width * box.height, reverse=True):
        if not any(_inside(box, other) for other in kept):
            kept.append(box)
    return kept


def _inside(box: TextBox, other: TextBox) -> bool:
    return other.left <= box.left and other.top <= box.top and other.right >= box.right and other.bottom >= box.bottom
