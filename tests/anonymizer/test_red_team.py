"""What an attacker of the anonymizer tried: each test was a leak, a lie or a crash before its fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from bytewalk_pairs import both_of
from deid_factory import KEY, ct, encode
from pydicom import uid
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from anonymizer.clean import Clean
from anonymizer.files import _Refused, deidentify_file
from anonymizer.gate import Verdict
from anonymizer.profile import profile_named

PROFILES = (
    "basic",
    "screening",
    "screening+clean_descriptors+clean_graphics+clean_structured_content+retain_patient_characteristics+retain_safe_private",
    "basic+retain_full_dates+retain_uids",
)
SECRET = b"Johann Weber here he is, born 1953"
SR = "1.2.840.10008.5.1.4.1.1.88.11"


def raw(image: Dataset, tag: int, vr: str, value: bytes) -> Dataset:
    """The image with one element as these bytes."""
    image._dict[BaseTag(tag)] = RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, True)
    return image


def out_of(image: Dataset, profile: str, syntax: uid.UID = uid.ExplicitVRLittleEndian) -> bytes:
    """What leaves under a profile, both ways agreeing; empty when refused."""
    _, slow = both_of(encode(image, syntax), profile_named(profile))
    assert isinstance(slow, Clean | _Refused | Verdict)
    return b"".join(slow.pieces) if isinstance(slow, Clean) else b""


def with_pixels(tag: int, vr: str, **changes: object) -> Dataset:
    image = ct(**changes)
    image[tag] = DataElement(tag, vr, SECRET)
    return image


def nested_pixels() -> Dataset:
    image, item = ct(), with_pixels(0x7FE00010, "OW")
    image.ReferencedImageSequence = Sequence([Dataset({element.tag: element for element in item if element.tag.group in (0x28, 0x7FE0)})])
    return image


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "image",
    [
        nested_pixels(),
        with_pixels(0x7FE00008, "OF"),
        with_pixels(0x7FE00009, "OD"),
        with_pixels(0x7FE00010, "OW", SOPClassUID=uid.RTPlanStorage),
        with_pixels(0x7FE00010, "OW", SOPClassUID=SR),
    ],
    ids=["nested", "float_beside", "double_beside", "plan", "report"],
)
def test_pixels_out_of_place_do_not_leave(image: Dataset, profile: str) -> None:
    assert SECRET[:12] not in out_of(image, profile)


def parametric_map(floats: bytes) -> Dataset:
    image = ct(SOPClassUID=uid.ParametricMapStorage, BitsAllocated=32, ImageType=["DERIVED", "PRIMARY"])
    del image.PixelData, image.BitsStored, image.HighBit, image.PixelRepresentation
    image.FloatPixelData = floats
    return image


def test_floating_point_pixels_stay_where_they_belong_and_end_with_the_last_pixel() -> None:
    pixels = bytes(range(64))
    assert pixels in out_of(parametric_map(pixels), "basic")
    padded = out_of(parametric_map(pixels + SECRET), "basic")
    assert pixels in padded and SECRET not in padded
    assert not out_of(parametric_map(pixels[:60]), "basic")


def test_a_file_with_two_kinds_of_pixels_is_refused() -> None:
    image = parametric_map(bytes(64))
    image.PixelData = bytes(64)
    image["PixelData"].VR = "OW"
    assert not out_of(image, "basic")
