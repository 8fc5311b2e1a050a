"""Text in a picture: `text_boxes`. Where it is, what it says and how sure the engine is; the text stays in memory.

An image is looked at twice as large (small print), in tiles that overlap (the detector loses a short line in a large
empty image), as it is and with its local contrast evened out (faint print). A detector's box counts when the reader
finds letters in it, upright or turned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from anonymizer.pixels.engine import Image, Quad, TextEngine, text_engine

MAX_ENLARGED_SIDE = 1600
TILE = 1024
OVERLAP = 160
READ_SCORE = 0.5
SURE_DETECTION = 0.75


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

    def touches(self, other: TextBox) -> bool:
        """Whether the two boxes share a pixel."""
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom


def text_boxes(image: Image) -> tuple[TextBox, ...]:
    """Every line of text in a uint8 image of shape (rows, columns) or (rows, columns, 3), left to right and top to bottom.

    Boxes lie inside the image and may overlap. Raises TextEngineMissingError when the engine is not installed, and
    ValueError for another shape or type. A binary bitmap (0 and 1) is looked at as black and white.
    """
    picture = _as_colour(image)
    if min(picture.shape[:2]) < 4 or int(picture.max()) == int(picture.min()):
        return ()
    engine = text_engine()
    found = [box for view, scale in _views(picture) for box in _boxes_in(engine, view, scale, picture.shape[:2])]
    return tuple(sorted(_without_repeats(found), key=lambda box: (box.top, box.left)))


def _as_colour(image: Image) -> Image:
    if image.dtype == np.bool_ or (image.dtype == np.uint8 and image.size and int(image.max()) == 1):
        image = image.astype(np.uint8) * np.uint8(255)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"an image of uint8 (rows, columns) or (rows, columns, 3) is needed, not {image.dtype} {image.shape}")
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def _views(picture: Image) -> Iterator[tuple[Image, float]]:
    import cv2

    rows, columns = picture.shape[:2]
    scale = 2.0 if max(rows, columns) * 2 <= MAX_ENLARGED_SIDE else 1.0
    enlarged = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) if scale != 1.0 else picture
    yield np.asarray(enlarged, dtype=np.uint8), scale
    evened = cv2.createCLAHE(clipLimit=4.0, tileGridSize=(8, 8)).apply(np.ascontiguousarray(np.asarray(enlarged).max(axis=2)))
    yield np.repeat(np.asarray(evened, dtype=np.uint8)[..., None], 3, axis=2), scale


def _boxes_in(engine: TextEngine, view: Image, scale: float, shape: tuple[int, ...]) -> Iterator[TextBox]:
    for top, left in _tiles(view.shape[:2]):
        tile = _padded(view[top : top + TILE, left : left + TILE])
        quads = engine.detect(tile)
        for (quad, sure), (text, score) in zip(quads, _read(engine, tile, [quad for quad, _ in quads]), strict=True):
            if _is_text(sure, text, score):
                box = _upright(quad + np.array([left, top], dtype=np.float32), scale, shape, text, score)
                if box is not None:
                    yield box


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    for top in _starts(shape[0]):
        for left in _starts(shape[1]):
            yield top, left


def _starts(length: int) -> list[int]:
    if length <= TILE + OVERLAP:
        return [0]
    count = -(-(length - OVERLAP) // (TILE - OVERLAP))
    return [round(place) for place in np.linspace(0, length - TILE, count)]


def _padded(tile: Image) -> Image:
    """The tile on a canvas of multiples of 32, as the network needs; never smaller than 64."""
    rows, columns = (max(64, -(-side // 32) * 32) for side in tile.shape[:2])
    return np.pad(tile, ((0, rows - tile.shape[0]), (0, columns - tile.shape[1]), (0, 0)), mode="edge")


def _read(engine: TextEngine, tile: Image, quads: list[Quad]) -> list[tuple[str, float]]:
    crops = [_straightened(tile, quad) for quad in quads]
    upright = engine.read(crops)
    turned = engine.read([np.ascontiguousarray(np.rot90(crop, 2)) for crop in crops])
    return [max(pair, key=lambda read: read[1]) for pair in zip(upright, turned, strict=True)]


def _straightened(tile: Image, quad: Quad) -> Image:
    import cv2

    width = max(4, round(float(max(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[2] - quad[3])))))
    height = max(4, round(float(max(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[1] - quad[2])))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    crop = cv2.warpPerspective(tile, cv2.getPerspectiveTransform(quad, target), (width, height), borderMode=cv2.BORDER_REPLICATE)
    crop = np.rot90(crop) if height >= 1.5 * width else crop
    return np.ascontiguousarray(crop, dtype=np.uint8)


def _is_text(sure: float, text: str, score: float) -> bool:
    letters = sum(letter.isalnum() for letter in text)
    return letters > 0 and (score >= READ_SCORE or sure >= SURE_DETECTION)


def _upright(quad: Quad, scale: float, shape: tuple[int, ...], text: str, score: float) -> TextBox | None:
    low, high = np.floor(quad.min(axis=0) / scale).astype(int), np.ceil((quad.max(axis=0) + 1) / scale).astype(int)
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(shape[1], int(high[0])), min(shape[0], int(high[1]))
    if right <= left or bottom <= top:
        return None
    return TextBox(left, top, right - left, bottom - top, text, score)


def _without_repeats(boxes: list[TextBox]) -> list[TextBox]:
    """A box inside a better or larger one says the same line again."""
    kept: list[TextBox] = []
    for box in sorted(boxes, key=lambda box: box.width * box.height, reverse=True):
        if not any(_inside(box, other) for other in kept):
            kept.append(box)
    return kept


def _inside(box: TextBox, other: TextBox) -> bool:
    return other.left <= box.left and other.top <= box.top and other.right >= box.right and other.bottom >= box.bottom
