"""Marks on a medical picture: windowed greys, outlines, scale bar, side letters, heat colours. Deterministic PNG bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.measure import find_contours

from cad.volume import Volume
from cad.write.planes import Plane

Colour = tuple[int, int, int]
Line = Sequence[tuple[float, float]]
Anchor = Literal["lt", "mt", "rt", "lm", "mm", "rm", "lb", "mb", "rb"]
ORANGE: Colour = (255, 159, 28)  # apart from cyan for every kind of colour vision, and light in grey-scale
CYAN: Colour = (80, 220, 255)
INK: Colour = (236, 240, 244)
CASING: Colour = (0, 0, 0)
AIR_HU = -1024.0
_FINE = 3  # overlays are drawn this many times larger, then averaged, so that lines are smooth
_EDGE = 1.2  # pixels of dark around a letter
_SOFT = 8  # points from which on a line is smooth enough to need no round joints
_BARS_MM = (100, 50, 20, 10, 5, 2, 1)
# Own table: lightness rises evenly (CIELAB L* 8 to 95) from blue-black through red-violet and orange to pale yellow.
_HEAT_STOPS = ((20, 14, 46), (66, 18, 96), (122, 29, 110), (178, 48, 96), (222, 84, 66), (244, 134, 40), (249, 190, 56), (253, 243, 176))


@dataclass(frozen=True, slots=True)
class Window:
    """The values shown as black (`low`) and white (`high`), in the volume's unit."""

    name: str
    low: float
    high: float

    @property
    def level(self) -> str:
        """Centre and width as radiologists state them."""
        return f"C {(self.low + self.high) / 2:.0f}  W {self.high - self.low:.0f}"

    def greys(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Values to 0..255."""
        return np.asarray(np.clip((values - self.low) / (self.high - self.low), 0, 1) * 255 + 0.5, dtype=np.uint8)


LUNG = Window("lung", -1350.0, 150.0)  # centre -600, width 1500
MEDIASTINUM = Window("mediastinum", -160.0, 240.0)  # centre 40, width 400


def percentile_window(volume: Volume) -> Window:
    """For units without a meaning (MR): the 1st to the 99.5th percentile of what is not air (above 5 % of the 99.5th)."""
    values = volume.voxels[:: max(1, volume.grid.shape[0] // 32)]
    top = float(np.percentile(values, 99.5))
    tissue = values[values > 0.05 * top]
    low = float(np.percentile(tissue, 1)) if tissue.size else float(values.min())
    return Window("1-99.5 %", min(low, top) * 0.6, max(top, low + 1e-6) * 1.05)


def grey_picture(values: NDArray[np.float32], window: Window) -> Image.Image:
    """A windowed RGB picture of sampled values."""
    return Image.fromarray(window.greys(values)).convert("RGB")


def outline(picture: Image.Image, mask: NDArray[np.float32], colour: Colour = ORANGE) -> None:
    """Draw the half-way line of a sampled mask: a thin coloured line with a dark casing, seen on light and dark alike."""
    strokes(picture, contours(mask), colour)


def contours(mask: NDArray[np.float32]) -> list[Line]:
    """The half-way lines of a sampled mask as (x, y) pixel positions; a lesion cut by the border still gets a closed line.

    Every other point: they lie less than a pixel apart, and what draws a line takes its time by the point.
    """
    found = find_contours(np.pad(mask, 1), 0.5) if mask.any() else []
    return [[(x - 1, y - 1) for y, x in (*line[:-1:2].tolist(), line[-1].tolist())] for line in found]


def dashed(lines: Sequence[Line], on: float = 7.0, off: float = 5.0) -> list[Line]:
    """The same lines in dashes of `on` pixels with gaps of `off`: an outline told from a drawn-through one without colour."""
    return [piece for line in lines for piece in _dashes(np.asarray(line, dtype=np.float64), on, off)]


def _dashes(line: NDArray[np.float64], on: float, off: float) -> list[Line]:
    if len(line) < 2:
        return []
    along = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))))
    starts = np.arange(0.0, along[-1], on + off)
    ends = np.minimum(starts + on, along[-1])
    at = np.unique(np.concatenate((along, starts, ends)))
    points = list(zip(*(np.interp(at, along, line[:, axis]).tolist() for axis in (0, 1)), strict=True))
    return [points[first : last + 1] for first, last in zip(np.searchsorted(at, starts), np.searchsorted(at, ends), strict=True)]


def strokes(picture: Image.Image, lines: Sequence[Line], colour: Colour, width: float = 1.6) -> None:
    """Smooth lines through (x, y) pixel positions, cased in black."""
    drawn = [np.asarray(line, dtype=np.float64) for line in lines if len(line)]
    if not drawn:
        return
    points = np.concatenate(drawn)
    left, top = np.maximum(np.floor(points.min(axis=0)) - 5, 0).astype(int)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)) + 6, picture.size).astype(int)
    size = (int(right - left), int(bottom - top))
    if min(size) < 1:
        return  # wholly outside the picture
    fine = [((line - (left, top) + 0.5) * _FINE).ravel().tolist() for line in drawn]
    for ink, thick in ((CASING, width + 1.6), (colour, width)):
        alpha = Image.new("L", (size[0] * _FINE, size[1] * _FINE), 0)
        pen = ImageDraw.Draw(alpha)
        for line in fine:
            pen.line(line, fill=255, width=round(thick * _FINE), joint="curve" if len(line) < 2 * _SOFT else None)
        picture.paste(Image.new("RGB", size, ink), (int(left), int(top)), alpha.resize(size, Image.Resampling.BOX))


def corners(low: tuple[float, float], high: tuple[float, float]) -> list[Line]:
    """The corners of a box from `low` to `high` (x, y), for a finding that has no outline."""
    (x0, y0), (x1, y1) = low, high
    dx, dy = (x1 - x0) / 4, (y1 - y0) / 4
    turns = ((x0, y0, dx, dy), (x1, y0, -dx, dy), (x0, y1, dx, -dy), (x1, y1, -dx, -dy))
    return [[(x + sx, y), (x, y), (x, y + sy)] for x, y, sx, sy in turns]


def pointers(picture: Image.Image, x: float, y: float, clear: float, colour: Colour = ORANGE) -> None:
    """Four short ticks that point at a place and leave `clear` pixels around it free."""
    reach = clear + 16
    ways = ((1, 0), (-1, 0), (0, 1), (0, -1))
    strokes(picture, [[(x + a * clear, y + b * clear), (x + a * reach, y + b * reach)] for a, b in ways], colour)


def text(picture: Image.Image, at: tuple[float, float], words: str, *, size: int = 13, anchor: Anchor = "lt") -> None:
    """Latin words with a dark edge, so that they read on any tissue."""
    column, row = (math.floor(place) for place in at)
    (left, top), edge, letters = _stamp(words, size, anchor, at[0] - column, at[1] - row)
    for ink, mask in ((CASING, edge), (INK, letters)):
        picture.paste(ink, (column + left, row + top, column + left + mask.width, row + top + mask.height), mask)


@lru_cache(maxsize=1024)
def _stamp(words: str, size: int, anchor: Anchor, over: float, down: float) -> tuple[tuple[int, int], Image.Image, Image.Image]:
    """The masks of a word's edge and of its letters, and where they begin from a place that lies `over`, `down` past a whole pixel.

    Most words stand on several pictures of a finding; drawing one takes ten times as long as laying it on.
    """
    left, top, right, bottom = _font(size).getbbox(words, anchor=anchor, stroke_width=_EDGE)
    corner = (math.floor(left) - 2, math.floor(top) - 2)
    masks = [Image.new("L", (math.ceil(right) + 3 - corner[0], math.ceil(bottom) + 3 - corner[1])) for _ in range(2)]
    for mask, edge in zip(masks, (_EDGE, 0.0), strict=True):
        at = (over - corner[0], down - corner[1])
        ImageDraw.Draw(mask).text(at, words, font=_font(size), fill=255, anchor=anchor, stroke_width=edge)
    return corner, masks[0], masks[1]


@cache
def _font(size: int) -> Any:
    """Pillow's own font: the same letters on every machine."""
    return ImageFont.load_default(size)


def tape(width: int, words: str, ink: Colour, ground: Colour, height: int = 24) -> Image.Image:
    """A strip with words in its middle, to lie above a picture."""
    strip = Image.new("RGB", (width, height), ground)
    ImageDraw.Draw(strip).text((width / 2, height / 2), words, font=_font(14), fill=ink, anchor="mm")
    return strip


def side_letters(picture: Image.Image, plane: Plane, size: int = 15) -> None:
    """L R A P H F at the middle of the four borders, as the plane's geometry says."""
    left, right, top, bottom = plane.letters
    width, height = picture.size
    text(picture, (6, height / 2), left, size=size, anchor="lm")
    text(picture, (width - 6, height / 2), right, size=size, anchor="rm")
    text(picture, (width / 2, 5), top, size=size, anchor="mt")
    text(picture, (width / 2, height - 6), bottom, size=size, anchor="mb")


def scale_bar(picture: Image.Image, plane: Plane, size: int = 12) -> None:
    """The longest round length that fits a quarter of the picture, bottom left, with end ticks and its millimetres."""
    bar_of(picture, plane.pixel_mm, size)


def bar_of(picture: Image.Image, pixel_mm: float, size: int = 12) -> None:
    """The same for a picture that is no plane."""
    length = next((mm for mm in _BARS_MM if mm / pixel_mm <= picture.width * 0.28), _BARS_MM[-1])
    x0, y, across = 10.0, picture.height - 12.0, length / pixel_mm
    strokes(picture, [[(x0, y - 4), (x0, y + 3)], [(x0, y), (x0 + across, y)], [(x0 + across, y - 4), (x0 + across, y + 3)]], INK)
    text(picture, (x0, y - 8), f"{length} mm", size=size, anchor="lb")


def heat_colours(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values in [0, 1] to RGB (..., 3), darker to lighter so that the order survives grey-scale and any colour vision."""
    table = _heat_table()
    return table[np.asarray(np.clip(values, 0, 1) * np.float32(len(table) - 1) + np.float32(0.5), dtype=np.intp)]


@cache
def _heat_table() -> NDArray[np.uint8]:
    """Colours by even steps from 0 to 1, finer than eight bits can tell apart."""
    stops, steps = np.linspace(0, 1, len(_HEAT_STOPS)), np.linspace(0, 1, 1024)
    channels = [np.interp(steps, stops, channel) for channel in zip(*_HEAT_STOPS, strict=True)]
    return np.asarray(np.stack(channels, axis=-1) + 0.5, dtype=np.uint8)


def heat_over(picture: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """Heat laid over greys: faint heat leaves the anatomy visible, strong heat covers four fifths of it."""
    alpha = np.clip(heat, 0, 1).astype(np.float32)[..., None] ** np.float32(0.6) * np.float32(0.8)
    mixed = np.asarray(picture, dtype=np.float32) * (1 - alpha) + heat_colours(heat) * alpha
    return Image.fromarray(np.asarray(mixed + np.float32(0.5), dtype=np.uint8))


def colour_bar(height: int, width: int = 46) -> Image.Image:
    """The heat table as a vertical bar from 0 to 1."""
    strip = Image.new("RGB", (width, height), CASING)
    ramp = np.repeat(np.linspace(1, 0, height - 24, dtype=np.float32)[:, None], 12, axis=1)
    strip.paste(Image.fromarray(heat_colours(ramp)), (6, 12))
    for share, label in ((0.0, "1"), (0.5, ".5"), (1.0, "0")):
        text(strip, (22, 12 + share * (height - 25)), label, size=11, anchor="lm")
    return strip


def beside(pictures: Sequence[Image.Image], gap: int = 4) -> Image.Image:
    """Pictures of one height in a row."""
    row = Image.new("RGB", (sum(p.width for p in pictures) + gap * (len(pictures) - 1), pictures[0].height), CASING)
    x = 0
    for picture in pictures:
        row.paste(picture, (x, 0))
        x += picture.width + gap
    return row


def below(rows: Sequence[Image.Image], gap: int = 4) -> Image.Image:
    """Rows of one width in a column."""
    column = Image.new("RGB", (rows[0].width, sum(r.height for r in rows) + gap * (len(rows) - 1)), CASING)
    y = 0
    for row in rows:
        column.paste(row, (0, y))
        y += row.height + gap
    return column


def png(picture: Image.Image) -> bytes:
    """PNG bytes without time or software chunks: equal pictures, equal bytes."""
    stream = io.BytesIO()
    picture.save(stream, format="PNG", compress_level=2)  # a hundredth larger than 4, in three quarters of the time
    return stream.getvalue()
