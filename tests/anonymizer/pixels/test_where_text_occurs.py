"""The rules of where text occurs: each row is reached, and what nothing proves free of text is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import uid
from pydicom.dataset import Dataset

from anonymizer.pixels import How, rule_for
from anonymizer.pixels.where import RULES, DeviceRule, device_boxes, table

CT = {"SOPClassUID": uid.CTImageStorage, "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "BitsAllocated": 16}
CT |= {"PhotometricInterpretation": "MONOCHROME2"}
CASES = {
    "ultrasound": {"Modality": "US"},
    "ultrasound_class": {"Modality": "OT", "SOPClassUID": uid.UltrasoundImageStorage},
    "stated": {"BurnedInAnnotation": "YES"},
    "screen_type": {"ImageType": ["DERIVED", "SECONDARY", "DOSE_INFO"]},
    "captured": {"ConversionType": "WSD"},
    "screen_described": {"SeriesDescription": "Dose Report"},
    "screen_protocol": {"ProtocolName": "Screen capture"},
    "screen_comment": {"ImageComments": "exam summary"},
    "secondary_capture": {"SOPClassUID": uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage},
    "visible_light": {"SOPClassUID": uid.VLEndoscopicImageStorage},
    "angiography": {"SOPClassUID": uid.XRayAngiographicImageStorage},
    "radiography": {"Modality": "DX"},
    "camera": {"Modality": "XC"},
    "radiography_class": {"SOPClassUID": uid.DigitalXRayImageStorageForPresentation, "Modality": ""},
    "colour": {"PhotometricInterpretation": "RGB"},
    "eight_bit": {"BitsAllocated": 8},
    "localizer": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    "derived": {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]},
    "scanner_original": {"BurnedInAnnotation": "NO"},
    "anything_else": {"ImageType": ["ORIGINAL"]},
}


def header(**changes):
    dataset = Dataset()
    for keyword, value in (CT | changes).items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize("name", CASES)
def test_each_row_is_reached(name):
    assert rule_for(header(**CASES[name])).name == name


def test_every_row_has_its_case():
    assert [rule.name for rule in RULES] == list(CASES)


def test_only_an_original_primary_slice_is_not_read():
    assert [rule.name for rule in RULES if rule.how is How.NONE] == ["scanner_original"]
    assert rule_for(Dataset()).how is How.OCR


def test_a_devices_places_go_with_the_size_of_its_screen():
    rule = DeviceRule("acme", 10, 20, boxes=((0, 0, 20, 2),), when=((0x00080070, "ACME"),))
    assert device_boxes(header(Rows=10, Columns=20, Manufacturer="Acme Ltd"), (rule,)) == ((0, 0, 20, 2),)
    assert device_boxes(header(Rows=11, Columns=20, Manufacturer="Acme Ltd"), (rule,)) == ()
    assert device_boxes(header(Rows=10, Columns=20, Manufacturer="Other"), (rule,)) == ()


def test_the_table_lists_every_row():
    lines = table().splitlines()
    assert len(lines) == len(RULES) + 2
    assert all(rule.name in line for rule, line in zip(RULES, lines[2:], strict=True))


def test_the_documentation_shows_this_table():
    page = Path(__file__).resolve().parents[3] / "docs" / "clean-pixel-data.md"
    assert table() in page.read_text(encoding="utf-8")
