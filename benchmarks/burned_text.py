"""Pictures with invented lines of text burned in, and pictures without any: `pictures(seed, count)`.

Backgrounds are simulated anatomy (chest CT slices, its projections, head MR slices), a speckled ultrasound fan, plain
grey and noise; the pictures without text also carry what is easily taken for it (rulers, frames, grids, arrows, curves).
Every line comes with the pixels that its ink covers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "LiberationSansNarrow-Regular.ttf",
    "LiberationMono-Bold.ttf",
    "LiberationSans-Bold.ttf",
)
_CJK_FONTS = ("NotoSansCJK-Regular.ttc", "NotoSerifCJK-Regular.ttc")
_LATIN = (
    "DAVIDSON^DOUGLAS", "Yamada Taro", "O'NEILL, SEAN", "MUELLER HANS-PETER", "Smith J", "Garcia Lopez M.", "Li Wei", "NGUYEN THI HOA",
    "ID 4711-0815", "DOB 1958-03-17", "12.09.2012 14:33:07", "ST. MARY HOSPITAL", "ACC A0098123", "M 063Y", "Dr. Weber", "00123456",
    "03/17/58",
)  # fmt: skip
_JAPANESE = ("山田太郎", "東京中央病院", "ヤマダ タロウ", "昭和33年3月17日", "佐藤 花子", "患者ID 12345", "男 63歳")
_SIDES = (256, 320, 400, 512, 512, 512, 640, 768)

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Line:
    """One burned-in line: the box (left, top, width, height) around its ink, the ink within that box, and how it was drawn."""

    box: tuple[int, int, int, int]
    ink: Mask = field(repr=False)
    size_px: int
    contrast: int
    turned: bool
    style: str


@dataclass(frozen=True, slots=True)
class Burned:
    """A uint8 picture (rows, columns) or (rows, columns, 3) and its lines; none for a clean one."""

    background: str
    picture: Picture = field(repr=False)
    before: Picture = field(repr=False)
    lines: tuple[Line, ...]


def pictures(seed: int, count: int, side: int | None = None) -> Iterator[Burned]:
    """`count` pictures with one to four lines each, drawn at random; the same seed gives the same pictures."""
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        name, ground = _ground(rng, number, side or int(rng.choice(_SIDES)))
        yield _with_lines(rng, name, ground)


def clean_pictures(seed: int, count: int, side: int | None = None) -> Iterator[Burned]:
    """`count` pictures without text; every second one with rulers, frames, arrows or curves."""
    for number in range(count):
        rng = np.random.default_rng((seed, 10_000 + number))
        name, ground = _ground(rng, number, side or int(rng.choice(_SIDES)))
        picture = _with_marks(rng, ground) if number % 2 else ground
        yield Burned(f"{name}{' with marks' if number % 2 else ''}", picture, ground, ())


def _ground(rng: np.random.Generator, number: int, side: int) -> tuple[str, Picture]:
    name = ("chest slice", "projection", "head slice", "ultrasound", "capture", "noise")[number % 6]
    if name in ("chest slice", "projection"):
        volume = _chest(int(rng.integers(3)))
        plane = volume[int(rng.integers(volume.shape[0]))] if name == "chest slice" else volume[::-1].mean(axis=int(rng.integers(1, 3)))
        return name, _stretched(plane, side, rng)
    if name == "head slice":
        volume = _head(int(rng.integers(2)))
        return name, _stretched(volume[int(rng.integers(volume.shape[0] // 5, volume.shape[0]))], side, rng)
    if name == "ultrasound":
        return name, _fan(rng, side)
    plain = np.full((side, side), int(rng.choice((0, 0, 20, 64, 200, 255))), dtype=np.float64)
    plain += 0 if name == "capture" else rng.normal(0, rng.uniform(4, 25), plain.shape)
    return name, np.clip(plain, 0, 255).astype(np.uint8)


@lru_cache(maxsize=4)
def _chest(seed: int) -> NDArray[np.float64]:
    from cad.simulate.thorax import ThoraxPlan, simulate_thorax

    plan = ThoraxPlan(shape=(60, 256, 256), spacing_mm=(5.0, 1.4, 1.4), nodules=0)
    return np.clip(simulate_thorax(seed, plan).volume.voxels.astype(np.float64), -1000, 600)


@lru_cache(maxsize=4)
def _head(seed: int) -> NDArray[np.float64]:
    from cad.simulate.head import HeadPlan, simulate_head

    plan = HeadPlan(shape=(60, 240, 200), spacing_mm=(3.0, 1.0, 1.0))
    return simulate_head(seed, plan).volume.voxels.astype(np.float64)


def _stretched(plane: NDArray[np.float64], side: int, rng: np.random.Generator) -> Picture:
    low, high = np.percentile(plane, (1, 99.5))
    grey = np.clip((plane - low) / max(high - low, 1e-6), 0, 1)
    large = np.asarray(Image.fromarray(grey.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC), dtype=np.float64)
    large = large * rng.uniform(0.7, 1.0) + rng.normal(0, rng.uniform(0, 0.03), large.shape)
    return (np.clip(large, 0, 1) * 255).astype(np.uint8)


def _fan(rng: np.random.Generator, side: int) -> Picture:
    rows, columns = np.mgrid[:side, :side] / side
    depth, angle = np.hypot(rows - 0.05, columns - 0.5), np.abs(np.arctan2(columns - 0.5, rows - 0.05))
    speckle = rng.rayleigh(0.25, (side, side)) * (0.4 + 0.6 * np.sin(7 * depth + rng.uniform(0, 6)) ** 2)
    fan = np.where((depth < 0.85) & (depth > 0.08) & (angle < 0.7), np.clip(speckle, 0, 1), 0)
    return (fan * 255).astype(np.uint8)


def _with_lines(rng: np.random.Generator, name: str, ground: Picture) -> Burned:
    coloured = rng.random() < 0.25
    before = np.repeat(ground[..., None], 3, axis=2) if coloured else ground
    canvas, taken, lines = before.copy(), np.zeros(ground.shape, dtype=bool), []
    for _ in range(int(rng.integers(1, 5))):
        line = _draw_line(rng, canvas, taken)
        if line is not None:
            lines.append(line)
    return Burned(name, canvas, before, tuple(lines))


def _draw_line(rng: np.random.Generator, canvas: Picture, taken: Mask) -> Line | None:
    font, text, size = _font(rng)
    turned = bool(rng.random() < 0.15)
    ink = _ink(text, font, turned, bool(rng.random() < 0.5))
    height, width = ink.shape
    if height + 8 > canvas.shape[0] or width + 8 > canvas.shape[1]:
        return None
    for _ in range(20):
        top, left = int(rng.integers(2, canvas.shape[0] - height - 2)), int(rng.integers(2, canvas.shape[1] - width - 2))
        around = (slice(max(0, top - size), top + height + size), slice(max(0, left - size), left + width + size))
        if not taken[around].any():
            taken[top : top + height, left : left + width] = True
            contrast, style = _burn(rng, canvas[top - 2 : top + height + 2, left - 2 : left + width + 2], ink)
            return Line((left, top, width, height), ink > 0.3, size, contrast, turned, style)
    return None


def _font(rng: np.random.Generator) -> tuple[ImageFont.FreeTypeFont, str, int]:
    size = int(rng.integers(10, 41))
    if rng.random() < 0.2:
        for name in _CJK_FONTS:
            path = _font_path(name)
            if path:
                return ImageFont.truetype(path, max(size, 12)), str(rng.choice(_JAPANESE)), max(size, 12)
    path = _font_path(str(rng.choice(_FONTS)))
    font = ImageFont.truetype(path, size) if path else ImageFont.load_default(size)
    return font, str(rng.choice(_LATIN)), size  # type: ignore[return-value]


@lru_cache(maxsize=32)
def _font_path(name: str) -> str | None:
    return next((str(path) for root in ("/usr/share/fonts", "/Library/Fonts", "C:/Windows/Fonts") for path in Path(root).rglob(name)), None)


def _ink(text: str, font: ImageFont.FreeTypeFont, turned: bool, smooth: bool) -> NDArray[np.float64]:
    left, top, right, bottom = (round(side) for side in font.getbbox(text))
    sheet = Image.new("L", (right - left + 4, bottom - top + 4))
    pen = ImageDraw.Draw(sheet)
    pen.fontmode = "L" if smooth else "1"
    pen.text((2 - left, 2 - top), text, fill=255, font=font)
    ink = np.asarray(sheet, dtype=np.float64) / 255
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.3), np.flatnonzero(ink.max(axis=0) > 0.3)
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.rot90(ink) if turned else ink


def _burn(rng: np.random.Generator, place: Picture, ink: NDArray[np.float64]) -> tuple[int, str]:
    """Draw the ink on a stretch of the canvas that is 2 pixels wider on each side; returns contrast and style."""
    style = str(rng.choice(("light", "light", "dark", "boxed", "faint", "outlined")))
    grey = place if place.ndim == 2 else place.max(axis=2)
    under = float(np.median(grey))
    wanted = float(rng.uniform(28, 50)) if style == "faint" else float(rng.uniform(80, 255))
    darker = under >= 128 if style == "faint" else (style == "dark" and under >= 80) or under > 175
    value = float(np.clip(under - wanted if darker else under + wanted, 0, 255))
    full = np.pad(ink, 2)
    if style == "boxed":
        place[...], value = (0, 255) if rng.random() < 0.5 else (255, 0)
        under = 255.0 - value
    if style == "outlined":
        import cv2

        edge = cv2.dilate(full, np.ones((3, 3))) - full
        _mix(place, edge, (0.0,) * 3 if value > 127 else (255.0,) * 3)
    colour = (value,) * 3 if place.ndim == 2 or style != "light" else tuple(float(c) for c in rng.permutation((value, value * 0.8, under)))
    _mix(place, full, colour)
    return round(abs(value - under)), style


def _mix(place: Picture, share: NDArray[np.float64], colour: tuple[float, ...]) -> None:
    if place.ndim == 2:
        place[...] = np.round(place * (1 - share) + colour[0] * share)
    else:
        place[...] = np.round(place * (1 - share[..., None]) + np.asarray(colour) * share[..., None])


def _with_marks(rng: np.random.Generator, ground: Picture) -> Picture:
    sheet = Image.fromarray(ground)
    pen, side, bright = ImageDraw.Draw(sheet), ground.shape[0], int(rng.integers(120, 256))
    for kind in rng.choice(("ruler", "frame", "arrow", "curve", "grid", "ellipse"), size=2, replace=False):
        x, y = (int(v) for v in rng.integers(side // 8, side // 2, 2))
        if kind == "ruler":
            pen.line((side - 12, y, side - 12, y + side // 3), fill=bright)
            for tick in range(0, side // 3, max(4, side // 50)):
                pen.line((side - 12 - (8 if tick % 5 == 0 else 4), y + tick, side - 12, y + tick), fill=bright)
        elif kind == "frame":
            pen.rectangle((x, y, x + side // 4, y + side // 5), outline=bright)
        elif kind == "ellipse":
            pen.ellipse((x, y, x + side // 5, y + side // 6), outline=bright)
        elif kind == "arrow":
            pen.line((x, y, x + 30, y + 22), fill=bright, width=2)
            pen.polygon((x, y, x + 9, y + 2, x + 3, y + 9), fill=bright)
        elif kind == "curve":
            beat = [(c, side - 30 - (18 if (c // 7) % 9 == 0 else 0) - round(5 * np.sin(c / 9))) for c in range(5, side - 5, 3)]
            pen.line(beat, fill=bright)
        else:
            for step in range(0, side // 4, side // 20):
                pen.line((x + step, y, x + step, y + side // 4), fill=bright)
                pen.line((x, y + step, x + side // 4, y + step), fill=bright)
    return np.asarray(sheet)
