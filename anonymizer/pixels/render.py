"""Stored values as pictures for the text engine: the same frame through several windows, since text may hide in any."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space

from anonymizer import elements, reading
from anonymizer.errors import InputRefusedError
from anonymizer.gate import Reason
from anonymizer.pixels.engine import Image, Stored

_SAME_LEVELS = 4.0
_PALETTE_TAGS = ("RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor")


def renderings(values: Stored, photometric: str, dataset: Dataset) -> Iterator[Image]:
    """The pictures of one frame, most telling first; a window that looks like an earlier one is left out.

    `values` are stored values (rows, columns) or (rows, columns, 3). Grey: the middle 99 %, the whole range, the window of
    the header. Colour: as it is shown. Raises InputRefusedError for a palette that cannot be read.
    """
    if photometric == "PALETTE COLOR":
        yield _palette(values, dataset)
    elif values.ndim == 3:
        yield _colour(values, photometric)
    else:
        shown: list[Image] = []
        for low, high in _windows(values, dataset):
            picture = _windowed(values, low, high)
            if all(float(np.abs(picture.astype(np.int16) - other).mean()) > _SAME_LEVELS for other in shown):
                shown.append(picture)
                yield picture


def _windows(values: Stored, dataset: Dataset) -> Iterator[tuple[float, float]]:
    low, high = (float(value) for value in np.percentile(values[::2, ::2], (0.5, 99.5)))
    least, most = float(np.min(values)), float(np.max(values))
    yield (low, high) if high > low else (least, most)
    yield least, most
    window = _header_window(dataset)
    if window is not None:
        yield window


def _header_window(dataset: Dataset) -> tuple[float, float] | None:
    """The first VOI window in stored values."""
    try:
        centre, width, slope, intercept = (
            float(elements.text_at(dataset, tag).split("\\")[0] or standard)
            for tag, standard in ((0x00281050, "nan"), (0x00281051, "nan"), (0x00281053, "1"), (0x00281052, "0"))
        )
    except (ValueError, InputRefusedError):
        return None
    if not np.isfinite([centre, width, slope, intercept]).all() or width <= 1 or slope == 0:
        return None
    ends = sorted((centre + side * width / 2 - intercept) / slope for side in (-1, 1))
    return ends[0], ends[1]


def _windowed(values: Stored, low: float, high: float) -> Image:
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / max(high - low, 1e-6))
    return np.asarray(np.clip(scaled, 0, 255), dtype=np.uint8)


def _colour(values: Stored, photometric: str) -> Image:
    top = max(255.0, float(np.max(values)))
    eight = (values.astype(np.float32) * np.float32(255 / top)).astype(np.uint8) if top > 255 else values.astype(np.uint8)
    return np.asarray(convert_color_space(eight, "YBR_FULL", "RGB")) if photometric.startswith("YBR") else eight


def _palette(values: Stored, dataset: Dataset) -> Image:
    if not all(name in dataset for name in _PALETTE_TAGS):
        raise InputRefusedError(Reason.UNPARSEABLE, "a palette image without its palette cannot be examined")
    try:
        with reading.quietly():
            shown = apply_color_lut(values, dataset)[..., :3].astype(np.float32)
    except reading.PARSE_ERRORS:
        raise InputRefusedError(Reason.UNPARSEABLE, "the palette of the image cannot be read") from None
    return np.asarray(np.clip(shown * (255 / max(255.0, float(shown.max()))), 0, 255), dtype=np.uint8)
