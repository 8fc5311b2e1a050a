"""The aorta laid straight: as wide in the picture as it is in the patient, ticks where it is cut, a title on every cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from case_phantom import aorta_radius, exhibits, sections

from cad.write import drawing
from cad.write.aorta_course import CUTS, WIDTH, course_picture

VESSEL = exhibits()[-1]
LENGTH_MM = sections()[-1].arc_mm - sections()[0].arc_mm
TAPE = 24


def straightened() -> np.ndarray:
    """The upper picture's pixels, below its title."""
    pixels = np.asarray(course_picture(VESSEL))
    return pixels[TAPE : TAPE + round(72 / (LENGTH_MM / WIDTH))]


def close(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(pixels.astype(int) - colour).max(axis=-1) < 60


def test_the_outline_is_as_far_apart_as_the_vessel_is_wide() -> None:
    picture = straightened()
    pixel_mm = LENGTH_MM / WIDTH
    for section in sections()[4:-4:6]:
        column = int((section.arc_mm - sections()[0].arc_mm) / pixel_mm)
        rows = np.flatnonzero(close(picture[:, column - 1 : column + 2], drawing.ORANGE).any(axis=1))
        assert np.ptp(rows) * pixel_mm == pytest.approx(2 * float(aorta_radius(section.centre_mm[2])), abs=1.8)


def test_ticks_stand_at_the_ends_of_the_cuts() -> None:
    ticks = np.flatnonzero(close(straightened()[:8], drawing.CYAN).any(axis=0))
    starts = ticks[np.diff(ticks, prepend=-9) > 1]
    assert len(starts) == CUTS
    assert np.diff(starts) == pytest.approx([WIDTH / (CUTS - 1)] * (CUTS - 1), abs=16)


def test_too_few_sections_or_no_outline_is_no_course() -> None:
    for bare in (replace(VESSEL, mask=None), replace(VESSEL, sections=sections()[: CUTS - 1])):
        with pytest.raises(ValueError, match="needs its mask and measured sections"):
            course_picture(bare)


def test_the_order_of_the_sections_does_not_matter() -> None:
    assert course_picture(replace(VESSEL, sections=sections()[::-1])).tobytes() == course_picture(VESSEL).tobytes()
