"""Text is found small, turned, inverted, coloured, at an edge and in a large picture; anatomy and rulers are not text."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from pixel_factory import ECHO, LINE, ground, ink

from anonymizer.echo import Identity, echo_of
from anonymizer.pixels import text_boxes
from anonymizer.pixels.find import TextBox
from anonymizer.pixels.legible import Reading, is_line, is_mark

needs_engine = pytest.mark.skipif(
    importlib.util.find_spec("rapidocr") is None, reason="the extra `pixels` (rapidocr, onnxruntime) is not installed"
)
SHAPE = (120, 220)


def covers(boxes, letters, share=0.98):
    """Whether the boxes cover that share of the letters' pixels."""
    mask = np.zeros(letters.shape, dtype=bool)
    for box in boxes:
        mask[box.top : box.bottom, box.left : box.right] = True
    return mask[letters].mean() >= share


@needs_engine
@pytest.mark.parametrize("size", [10, 18, 40])
@pytest.mark.parametrize("inverted", [False, True])
def test_print_of_any_size_light_on_dark_and_dark_on_light(size, inverted):
    picture = ground((160, 420)).astype("u1")
    letters = ink((160, 420), size=size)
    picture[letters] = 210
    assert covers(text_boxes(255 - picture if inverted else picture), letters)


@needs_engine
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_text(turns):
    picture = ground(SHAPE).astype("u1")
    picture[ink(SHAPE)] = 210
    assert covers(text_boxes(np.ascontiguousarray(np.rot90(picture, turns))), np.rot90(ink(SHAPE), turns))


@needs_engine
def test_text_that_differs_in_colour_only():
    picture = np.full((*SHAPE, 3), (90, 90, 90), dtype="u1")
    picture[ink(SHAPE)] = (90, 140, 60)
    assert covers(text_boxes(picture), ink(SHAPE))


@needs_engine
def test_text_at_the_very_edge():
    letters = ink(SHAPE, at=(0, -4))
    picture = np.where(letters, 200, 20).astype("u1")
    assert covers(text_boxes(picture), letters)


@needs_engine
def test_a_short_line_in_a_large_empty_picture():
    letters = ink((1800, 1700), at=(1300, 900), size=24)
    boxes = text_boxes(np.where(letters, 220, 0).astype("u1"))
    assert covers(boxes, letters)
    assert all(box.right <= 1700 and box.bottom <= 1800 for box in boxes)


@needs_engine
def test_a_bitmap_of_zero_and_one_is_read():
    (box,) = text_boxes(ink(SHAPE).astype("u1"))
    assert box.text.replace(" ", "") == LINE.replace(" ", "")
    assert box.score > 0.9


@needs_engine
def test_no_text_in_anatomy_noise_rulers_and_nothing():
    ruler = np.zeros(SHAPE, dtype="u1")
    ruler[10:110, 200] = 255
    for tick in range(10, 110, 5):
        ruler[tick, 192 if tick % 25 == 10 else 196 : 200] = 255
    noise = np.random.default_rng(0).integers(0, 255, SHAPE).astype("u1")
    for picture in (ground(SHAPE).astype("u1"), ruler, noise, np.zeros(SHAPE, "u1"), np.zeros((3, 3), "u1")):
        assert text_boxes(picture) == ()


def test_a_wrong_picture_is_said_so():
    for wrong in (np.zeros(SHAPE, "f4"), np.zeros((4, 8, 8, 3), "u1"), np.zeros((8, 8, 2), "u1")):
        with pytest.raises(ValueError, match="uint8"):
            text_boxes(wrong)


@pytest.mark.parametrize("text", ["DAVIDSON", "山田太郎", "M 063Y", "Li Wei", "4711-0815"])
def test_names_numbers_and_kanji_are_lines(text):
    assert is_line(Reading(text, 0.9, 0.6))


@pytest.mark.parametrize(
    ("text", "score", "sure"), [("O", 0.99, 0.9), ("LLLL", 0.97, 0.5), ("FEE", 0.8, 0.7), ("vir", 0.66, 0.7), ("?-", 0.9, 0.9)]
)
def test_single_letters_ticks_and_shapes_are_not(text, score, sure):
    assert not is_line(Reading(text, score, sure))


@pytest.mark.parametrize("text", ["L", "AP", "R LAT", "120 kV", "10 cm", "Erect PA", "2.5MHz"])
def test_readers_marks_may_stay(text):
    assert is_mark(text, 0.95, ECHO)


@pytest.mark.parametrize("text", ["Ma", "Head", "AP Smith", "4711 cm 12", "DAVIDSON", "063Y", "", "12.09.2012", "M"])
def test_what_is_not_listed_goes(text):
    assert not is_mark(text, 0.99, ECHO)


def test_a_mark_that_is_read_badly_or_is_the_patients_name_goes():
    assert not is_mark("AP", 0.6, ECHO)
    assert not is_mark("LAO", 0.99, echo_of(Identity(names=("LAO^CHEN",))))


def test_a_box_grows_within_its_picture():
    assert TextBox(2, 3, 10, 5, "", 1.0).grown(4, (10, 14)) == TextBox(0, 0, 14, 10, "", 1.0)
