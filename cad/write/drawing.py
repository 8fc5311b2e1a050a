"""Marks on a medical picture: windowed greys, outlines, scale bar, side letters, heat colours. Deterministic PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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
    found: list[Line] = []
    for start in np.arange(0.0, along[-1], on + off):
        end = min(start + on, along[-1])
        at = np.unique(np.concatenate(([start], along[(along > start) & (along < end)], [end])))
        found.append([(float(np.interp(s, along, line[:, 0])), float(np.interp(s, along, line[:, 1]))) for s in at])
    return found


def strokes(picture: Image.Image, lines: Sequence[Line], colour: Colour, width: float = 1.6) -> None:
    """Smooth lines through (x, y) pixel positions, cased in black."""
    points = np.array([point for line in lines for point in line]).reshape(-1, 2)
    if not points.size:
        return
    left, top = np.maximum(np.floor(points.min(axis=0)) - 5, 0).astype(int)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)) + 6, picture.size).astype(int)
    size = (int(right - left), int(bottom - top))
    if min(size) < 1:
        return  # wholly outside the picture
    for ink, thick in ((CASING, width + 1.6), (colour, width)):
        alpha = Image.new("L", (size[0] * _FINE, size[1] * _FINE), 0)
        pen = ImageDraw.Draw(alpha)
        for line in lines:
            drawn = [((x - left + 0.5) * _FINE, (y - top + 0.5) * _FINE) for x, y in line]
            pen.line(drawn, fill=255, width=round(thick * _FINE), joint="curve")
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
    ImageDraw.Draw(picture).text(at, words, font=_font(size), fill=INK, anchor=anchor, stroke_width=1.2, stroke_fill=CASING)


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
    stops = np.linspace(0, 1, len(_HEAT_STOPS))
    table = np.asarray(_HEAT_STOPS, dtype=np.float64)
    channels = [np.interp(np.clip(values, 0, 1), stops, table[:, n]) for n in range(3)]
    return np.asarray(np.stack(channels, axis=-1) + 0.5, dtype=np.uint8)


def heat_over(picture: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """Heat laid over greys: faint heat leaves the anatomy visible, strong heat covers four fifths of it."""
    alpha = np.clip(heat, 0, 1)[..., None] ** 0.6 * 0.8
    mixed = np.asarray(picture, dtype=np.float64) * (1 - alpha) + heat_colours(heat) * alpha
    return Image.fromarray(np.asarray(mixed + 0.5, dtype=np.uint8))


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
