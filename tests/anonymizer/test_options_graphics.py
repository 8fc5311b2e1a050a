"""Clean Graphics: overlays stay only when no text is seen in them; presentation states keep shapes and lose what they say."""

from __future__ import annotations

import numpy as np
import pytest
from deid_factory import KEY, ct, decode, encode
from PIL import Image, ImageDraw
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer import overlays, pixels
from anonymizer.deidentify import deidentify
from anonymizer.files import encoded
from anonymizer.pixels import TextBox, TextEngineMissingError
from anonymizer.profile import Option, basic_profile

GRAPHICS = basic_profile(Option.CLEAN_GRAPHICS)
SIDE = 128


@pytest.fixture(autouse=True)
def _fresh() -> None:
    overlays._without_text.cache_clear()


def with_overlay(bitmap: np.ndarray, **changes: object) -> Dataset:
    image = ct()
    image.add_new(0x60000010, "US", bitmap.shape[0])
    image.add_new(0x60000011, "US", bitmap.shape[1])
    image.add_new(0x60000022, "LO", "ROI of Winterbourne")
    image.add_new(0x60000040, "CS", "G")
    image.add_new(0x60000050, "SS", [1, 1])
    image.add_new(0x60000100, "US", changes.get("allocated", 1))
    image.add_new(0x60000102, "US", 0)
    image.add_new(0x60001500, "LO", "vessel")
    image.add_new(0x60003000, "OW", np.packbits(bitmap.reshape(-1), bitorder="little").tobytes())
    image.add_new(0x60004000, "LT", "drawn by Dr. Vale")
    return image


def circle() -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return (np.abs(np.hypot(rows - 64, columns - 64) - 40) < 1.5).astype(np.uint8)


def lettering() -> np.ndarray:
    picture = Image.new("L", (SIDE * 3, SIDE))
    ImageDraw.Draw(picture).text((20, 40), "WINTERBOURNE", fill=255, font_size=32)
    return (np.asarray(picture) > 127).astype(np.uint8)


def overlay_tags(image: Dataset) -> list[int]:
    return [int(tag) & 0xFFFF for tag in image.keys() if tag.group == 0x6000]  # noqa: SIM118


def test_a_shape_stays_and_its_texts_are_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "text_boxes", lambda _: ())
    source = with_overlay(circle())
    clean = decode(encoded(deidentify(decode(encode(source)), KEY, GRAPHICS)[0]))
    assert clean[0x60003000].value == source[0x60003000].value
    assert (clean[0x60000010].value, clean[0x60000040].value, clean[0x60001500].value) == (SIDE, "G", "vessel")
    assert clean[0x60000022].value == "ROI of"
    assert clean[0x60004000].value == "drawn by"


def test_text_is_blanked_and_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [(TextBox(10, 20, 30, 15, "NAME", 0.9),), ()]
    monkeypatch.setattr(pixels, "text_boxes", lambda _: seen.pop(0))
    bitmap = circle()
    bitmap[20:35, 10:40] = 1
    clean, receipt = deidentify(with_overlay(bitmap), KEY, GRAPHICS)
    left = np.unpackbits(np.frombuffer(clean[0x60003000].value, np.uint8), bitorder="little").reshape(SIDE, SIDE)
    assert left[20:35, 10:40].sum() == 0
    assert (left[50:] == bitmap[50:]).all()
    assert any(line.path == "(6000,3000)" and line.action == "cleaned" for line in receipt.lines)


@pytest.mark.parametrize("fault", ["text stays", "no engine", "short", "eight bits", "no data"])
def test_an_overlay_that_cannot_be_shown_to_be_free_of_text_goes(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(_: object) -> tuple[TextBox, ...]:
        if fault == "no engine":
            raise TextEngineMissingError("absent")
        return (TextBox(0, 0, 4, 4, "NAME", 0.9),) if fault == "text stays" else ()

    monkeypatch.setattr(pixels, "text_boxes", looked)
    source = with_overlay(circle(), allocated=8 if fault == "eight bits" else 1)
    if fault == "short":
        source[0x60003000].value = b"\x00" * 8
    if fault == "no data":
        del source[0x60003000]
    assert overlay_tags(deidentify(source, KEY, GRAPHICS)[0]) == []


def test_without_the_option_overlays_and_with_it_curves_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "text_boxes", lambda _: ())
    source = with_overlay(circle())
    source.add_new(0x50003000, "OW", b"curve!")
    source.add_new(0x60000800, "CS", "RETIRED")
    assert overlay_tags(deidentify(source, KEY)[0]) == []
    clean = deidentify(source, KEY, GRAPHICS)[0]
    assert 0x50003000 not in clean
    assert 0x60000800 not in clean
    assert len(overlay_tags(clean)) == 10


def test_real_letters_are_seen() -> None:
    pytest.importorskip("rapidocr")
    clean = deidentify(with_overlay(lettering()), KEY, GRAPHICS)[0]
    if 0x60003000 in clean:
        assert np.unpackbits(np.frombuffer(clean[0x60003000].value, np.uint8)).sum() < 0.05 * lettering().sum()


def presentation_state() -> Dataset:
    text = Dataset()
    text.UnformattedTextValue, text.BoundingBoxAnnotationUnits = "nodule 12 mm, Winterbourne", "PIXEL"
    shape = Dataset()
    shape.GraphicAnnotationUnits, shape.GraphicType, shape.GraphicData = "PIXEL", "POLYLINE", [1.0, 2.0, 3.0, 4.0]
    shape.GraphicDimensions, shape.NumberOfGraphicPoints, shape.GraphicFilled = 2, 2, "N"
    annotation = Dataset()
    annotation.GraphicLayer = "LAYER1"
    annotation.TextObjectSequence, annotation.GraphicObjectSequence = Sequence([text]), Sequence([shape])
    state = ct(SOPClassUID=uid.GrayscaleSoftcopyPresentationStateStorage, Modality="PR")
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(state, keyword)
    state.ContentLabel, state.ContentDescription, state.ContentCreatorName = "NODULE", "for Ariadne", "Vale^Dora"
    state.GraphicAnnotationSequence = Sequence([annotation])
    return state


def test_a_presentation_state_keeps_its_shapes_and_loses_its_names() -> None:
    result = encoded(deidentify(decode(encode(presentation_state())), KEY, GRAPHICS)[0])
    for secret in (b"Winterbourne", b"Ariadne", b"Vale"):
        assert secret not in result
    annotation = decode(result).GraphicAnnotationSequence[0]
    assert annotation.GraphicObjectSequence[0].GraphicData == [1.0, 2.0, 3.0, 4.0]
    assert annotation.TextObjectSequence[0].UnformattedTextValue == "nodule 12 mm"
