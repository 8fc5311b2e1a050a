"""Text goes, everything else stays, in every layout; what cannot be proven clean is refused."""

from __future__ import annotations

import copy
import json
import logging
import sys

import numpy as np
import pytest
from PIL import Image
from pixel_factory import ECHO, LINE, PLACE, compressed, dataset, ground, ink, stored
from pydicom import uid
from pydicom.dataset import Dataset

from anonymizer.errors import AnonymizerError, InputRefusedError
from anonymizer.pixels import DeviceRule, How, TextEngineMissingError, clean_pixels, engine, examine, text_boxes
from anonymizer.pixels.find import TextBox

needs_engine = pytest.mark.skipif(
    engine.importlib.util.find_spec("rapidocr") is None, reason="the extra `pixels` (rapidocr, onnxruntime) is not installed"
)
SHAPE = (120, 220)


def cleaned(image, **more):
    """A copy of an image after cleaning, and the account."""
    clean = copy.deepcopy(image)
    return clean, clean_pixels(clean, image, ECHO, **more)


def burned(dtype="u1", top=220, low=40, high=90, offset=0):
    pixels = ground(SHAPE, low=low, high=high) + offset
    pixels[ink(SHAPE)] = top + offset
    return pixels.astype(dtype)


def assert_only_the_line_went(before, after, places=PLACE):
    """Every letter has changed, and nothing outside the line's place."""
    outside = np.ones(before.shape[:2], dtype=bool)
    outside[places] = False
    assert np.array_equal(before[outside], after[outside])
    letters = ink(SHAPE)
    gone = (before != after).reshape(*letters.shape, -1).any(axis=2)
    assert gone[letters].mean() > 0.99


@needs_engine
@pytest.mark.parametrize(
    ("pixels", "photometric"),
    [
        (burned(), "MONOCHROME2"),
        (255 - burned(), "MONOCHROME1"),
        (burned("i2", top=2000, low=-200, high=400), "MONOCHROME2"),
        (burned("u2", top=4095, low=900, high=1500), "MONOCHROME2"),
    ],
    ids=["8bit", "monochrome1", "16bit signed", "12bit in 16"],
)
def test_native_pixels_lose_the_line_and_nothing_else(pixels, photometric):
    image = dataset(pixels, photometric)
    clean, account = cleaned(image)
    assert_only_the_line_went(stored(image), stored(clean))
    assert clean.BurnedInAnnotation == "NO"
    assert account.how is How.OCR
    assert account.boxes == ((0, 1),)
    assert account.residual_passes == 1
    assert account.pixels_changed == np.count_nonzero(stored(image) != stored(clean))
    assert clean.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert len(clean.PixelData) == len(image.PixelData)


@needs_engine
def test_the_filling_is_like_the_surroundings_and_the_text_is_gone_for_the_engine():
    clean, _ = cleaned(dataset(burned()))
    after = stored(clean)
    assert after[PLACE].max() < 100
    assert text_boxes(after) == ()


@needs_engine
@pytest.mark.parametrize("planar", [0, 1])
def test_colour_in_both_plane_orders(planar):
    pixels = np.repeat(burned()[..., None], 3, axis=2)
    pixels[ink(SHAPE)] = (240, 200, 10)
    image = dataset(pixels, "RGB")
    if planar:
        image.PixelData = np.moveaxis(pixels, 2, 0).tobytes()
        image.PlanarConfiguration = 1
    clean, _ = cleaned(image)
    assert_only_the_line_went(pixels, stored(clean))


@needs_engine
def test_ybr_full_keeps_its_stored_values_elsewhere():
    pixels = np.stack([burned(), np.full(SHAPE, 120, "u1"), np.full(SHAPE, 140, "u1")], axis=2)
    image = dataset(pixels, "YBR_FULL")
    clean, _ = cleaned(image)
    after = np.frombuffer(clean.PixelData, "u1").reshape(pixels.shape)
    assert clean.PhotometricInterpretation == "YBR_FULL"
    assert_only_the_line_went(pixels, after)


@needs_engine
def test_native_ybr_full_422_becomes_ybr_full_with_the_same_samples():
    luma = burned()
    image = dataset(np.zeros((*SHAPE, 3), "u1"), "YBR_FULL_422")
    packed = np.empty((SHAPE[0], SHAPE[1] // 2, 4), "u1")
    packed[..., 0], packed[..., 1], packed[..., 2], packed[..., 3] = luma[:, ::2], luma[:, 1::2], 120, 140
    image.PixelData = packed.tobytes()
    clean, _ = cleaned(image)
    after = np.frombuffer(clean.PixelData, "u1").reshape(*SHAPE, 3)
    assert clean.PhotometricInterpretation == "YBR_FULL"
    assert_only_the_line_went(np.stack([luma, np.full_like(luma, 120), np.full_like(luma, 140)], axis=2), after)


@needs_engine
def test_palette_colour_is_seen_in_its_colours_and_blanked_in_its_indices():
    letters = ink(SHAPE)
    indices = np.full(SHAPE, 7, "u1")
    indices[letters] = 8  # neighbours as numbers, black and yellow as colours
    image = dataset(indices, "PALETTE COLOR", modality="OT")
    table = np.zeros((256, 3), "u2")
    table[8] = (65535, 65535, 0)
    for place, colour in enumerate(("Red", "Green", "Blue")):
        setattr(image, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(image, f"{colour}PaletteColorLookupTableData", table[:, place].tobytes())
    clean, _ = cleaned(image)
    assert set(np.unique(stored(clean))) == {7}


@needs_engine
@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_lossless_compression_is_undone_without_changing_another_pixel(syntax):
    image = compressed(dataset(burned("u2", top=4000, low=900, high=1500)), syntax)
    clean, account = cleaned(image)
    assert_only_the_line_went(stored(image), stored(clean))
    assert clean.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert (account.syntax_before, account.syntax_after) == (syntax, uid.ExplicitVRLittleEndian)
    assert "LossyImageCompression" not in clean


@needs_engine
def test_lossy_jpeg_says_that_it_was_lossy_after_decoding():
    from io import BytesIO

    from pydicom.encaps import encapsulate

    pixels = np.repeat(burned()[..., None], 3, axis=2)
    image = dataset(pixels, "YBR_FULL_422")
    kept = BytesIO()
    Image.fromarray(pixels).save(kept, "JPEG", quality=90, subsampling=1)
    image.PixelData = encapsulate([kept.getvalue()])
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    clean, _ = cleaned(image)
    assert clean.LossyImageCompression == "01"
    assert clean.LossyImageCompressionMethod == "ISO_10918_1"
    assert clean.PhotometricInterpretation == "YBR_FULL"
    assert clean.PlanarConfiguration == 0
    assert_only_the_line_went(stored(image), stored(clean))


@needs_engine
def test_a_compressed_image_without_text_keeps_its_bytes():
    image = compressed(dataset(ground(SHAPE).astype("u1")), uid.RLELossless)
    clean, account = cleaned(image)
    assert clean.PixelData == image.PixelData
    assert clean.file_meta.TransferSyntaxUID == uid.RLELossless
    assert (account.frames_examined, account.pixels_changed, account.boxes) == (1, 0, ())


def test_a_plain_ct_slice_is_not_even_decoded():
    image = dataset(ground(SHAPE).astype("i2"), modality="CT", SOPClassUID=uid.CTImageStorage)
    image.PixelData = b"anything"
    clean, account = cleaned(image)
    assert clean.PixelData == b"anything"
    assert (account.how, account.rule) == (How.NONE, "scanner_original")
    assert clean.BurnedInAnnotation == "NO"


@needs_engine
def test_text_in_one_frame_of_thirty_goes_there_and_nowhere_else():
    frames = np.stack([ground(SHAPE, seed) for seed in range(30)]).astype("u1")
    frames[17][ink(SHAPE)] = 230
    image = dataset(frames, modality="XA")
    clean, account = cleaned(image)
    after = stored(clean)
    assert_only_the_line_went(frames[17], after[17])
    assert np.array_equal(np.delete(frames, 17, axis=0), np.delete(after, 17, axis=0))
    assert account.boxes == ((17, 1),)
    assert account.frames_examined == 30


@needs_engine
def test_standing_text_goes_from_every_frame_also_where_it_is_hidden():
    frames = np.stack([ground(SHAPE, seed) for seed in range(6)]).astype("u1")
    frames[:, ink(SHAPE)] = 200
    frames[3] = 190  # the text is hardly there in this one
    frames[3][ink(SHAPE)] = 192
    clean, account = cleaned(dataset(frames, modality="XA"))
    assert len(account.boxes) == 6
    assert len(np.unique(stored(clean)[3])) == 1


@needs_engine
def test_ultrasound_is_black_outside_its_regions_in_every_frame_and_read_inside():
    frames = np.stack([ground(SHAPE, seed) for seed in range(5)]).astype("u1")
    frames[:, ink(SHAPE, at=(20, 60))] = 220
    frames[:, ink(SHAPE, "ST. MARY 12.09.2012", at=(5, 3), size=11)] = 220
    image = dataset(frames, modality="US", SOPClassUID=uid.UltrasoundMultiFrameImageStorage)
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0, region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 10, 30, 209, 109
    image.SequenceOfUltrasoundRegions = [region]
    clean, account = cleaned(image)
    after = stored(clean)
    outside = np.ones(SHAPE, dtype=bool)
    outside[30:110, 10:210] = False
    assert not after[:, outside].any()
    assert (after != frames)[:, ink(SHAPE, at=(20, 60))].mean() > 0.99
    assert np.array_equal(after[:, 95:110, 10:210], frames[:, 95:110, 10:210])
    assert (account.how, account.rule) == (How.REGIONS, "ultrasound")


@needs_engine
def test_a_readers_mark_stays_unless_it_is_the_patients_own():
    pixels = burned()
    pixels[ink(SHAPE, "AP", at=(160, 80), size=20)] = 220
    clean, account = cleaned(dataset(pixels))
    assert account.marks_kept == 1
    assert np.array_equal(stored(clean)[78:], pixels[78:])


@needs_engine
def test_no_mark_stays_on_a_page_of_patient_data():
    pixels = burned()
    pixels[ink(SHAPE, "AP", at=(160, 80), size=20)] = 220
    clean, account = cleaned(dataset(pixels, ImageType=["DERIVED", "SECONDARY", "PATIENT_INFO"]))
    assert account.marks_kept == 0
    assert stored(clean)[78:].max() < 110


@needs_engine
def test_a_sites_own_places_are_always_blanked():
    rule = DeviceRule("corner", *SHAPE, boxes=((150, 80, 40, 20),), when=((0x00080060, "^CT$"),))
    image = dataset(ground(SHAPE).astype("i2"), modality="CT", SOPClassUID=uid.CTImageStorage)
    clean, account = cleaned(image, devices=(rule,))
    assert len(np.unique(stored(clean)[80:100, 150:190])) == 1
    assert account.boxes == ((0, 1),)


@needs_engine
def test_pictures_show_the_place_before_and_after_and_hide_themselves():
    seen = []
    cleaned(dataset(burned()), pictures=seen.append)
    (picture,) = seen
    assert picture.before[:4] == picture.after[:4] == b"\x89PNG"
    assert picture.before != picture.after
    assert "PNG" not in repr(picture)
    assert "before" not in repr(picture)


@needs_engine
def test_no_text_reaches_account_log_or_screen(caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        engine.text_engine.cache_clear()
        _, account = cleaned(dataset(burned()))
    captured = capfd.readouterr()
    said = json.dumps(account.to_json()) + repr(account) + caplog.text + captured.out + captured.err
    assert "DAVIDSON" not in said.upper()
    assert not captured.out
    assert not captured.err
    assert "DAVIDSON" not in repr(text_boxes(burned()))


def _answers(monkeypatch, *answers):
    """Let the looks at the picture have these results, one after the other."""
    left = list(answers)
    monkeypatch.setattr(examine, "text_boxes_of", lambda pictures: left.pop(0))


@needs_engine
def test_what_is_left_after_the_first_round_is_blanked_wider(monkeypatch):
    line, rest = TextBox(20, 20, 100, 20, LINE, 0.9), TextBox(120, 20, 30, 20, "LAS", 0.9)
    _answers(monkeypatch, (line,), (rest,), ())
    image = dataset(burned())
    clean, account = cleaned(image)
    assert account.residual_passes == 2
    assert account.boxes == ((0, 2),)
    assert len(np.unique(stored(clean)[20:40, 112:158])) == 1


@needs_engine
def test_text_that_does_not_go_is_refused_and_the_data_set_is_not_touched(monkeypatch):
    line = TextBox(20, 20, 100, 20, LINE, 0.9)
    _answers(monkeypatch, (line,), (line,), (line,))
    image = dataset(burned())
    clean = copy.deepcopy(image)
    with pytest.raises(InputRefusedError) as refused:
        clean_pixels(clean, image, ECHO)
    assert refused.value.reason == "text_not_removed"
    assert LINE not in str(refused.value)
    assert clean.PixelData == image.PixelData
    assert "BurnedInAnnotation" not in clean


def test_without_the_engine_nothing_passes(monkeypatch):
    def absent(name):
        raise engine.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(engine.metadata, "version", absent)
    image = dataset(burned())
    clean = copy.deepcopy(image)
    with pytest.raises(TextEngineMissingError, match=r"pip install 'shoken\[pixels\]'") as missing:
        clean_pixels(clean, image, ECHO)
    assert isinstance(missing.value, AnonymizerError)
    assert "BurnedInAnnotation" not in clean


def test_a_half_installed_engine_is_missing_too(monkeypatch):
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else object())
    engine.text_engine.cache_clear()
    with pytest.raises(TextEngineMissingError):
        text_boxes(burned())
    engine.text_engine.cache_clear()


@needs_engine
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Rows": 60_000, "Columns": 60_000}, "too_large"),
        ({"NumberOfFrames": 10_000_000}, "too_large"),
        ({"Rows": 121}, "truncated"),
        ({"BitsAllocated": 12}, "unparseable"),
        ({"SamplesPerPixel": 4}, "unparseable"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "unparseable"),
    ],
)
def test_impossible_sizes_are_refused_before_decoding(change, reason):
    image = dataset(burned())
    for keyword, value in change.items():
        setattr(image, keyword, value)
    with pytest.raises(InputRefusedError) as refused:
        cleaned(image)
    assert refused.value.reason == reason


@needs_engine
def test_damaged_and_hidden_frames_of_compressed_pixels_are_refused():
    frames = np.stack([ground((64, 64), seed) for seed in range(3)]).astype("u1")
    image = compressed(dataset(frames), uid.RLELossless)
    image.NumberOfFrames = 2
    with pytest.raises(InputRefusedError):
        cleaned(image)
    image.NumberOfFrames = 3
    image.PixelData = image.PixelData[:200] + b"\x00" * (len(image.PixelData) - 200)
    with pytest.raises(InputRefusedError) as refused:
        cleaned(image)
    assert refused.value.reason == "unparseable"


def test_the_engine_is_not_loaded_by_importing_the_package():
    import subprocess

    code = "import sys, anonymizer.pixels; sys.exit(any(name in sys.modules for name in ('rapidocr', 'onnxruntime', 'cv2')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
