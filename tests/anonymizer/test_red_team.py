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


def test_a_uid_that_no_disk_takes_as_a_folder_is_refused_and_not_told(tmp_path: Path) -> None:
    """The disk's error named the folder, which under retain_uids is what the file states."""
    (tmp_path / "file").write_bytes(encode(ct(StudyInstanceUID="1." + "2" * 300)))
    outcome = deidentify_file(tmp_path / "file", tmp_path / "out", KEY, profile_named("basic+retain_uids"))
    assert (outcome.status, outcome.reason) == ("refused", "missing_identity")


NUMBERS = [
    (0x00200012, "IS", b"19531107"),
    (0x00200012, "IS", b"555-123-9876"),
    (0x00200012, "IS", b"-412345 "),
    (0x00180060, "DS", b"412345.00 "),
    (0x00180060, "DS", b"07111953"),
    (0x00180060, "DS", b"1953-11-07"),
]


@pytest.mark.parametrize(("tag", "vr", "value"), NUMBERS, ids=[value.decode() for _, _, value in NUMBERS])
def test_a_number_that_is_an_identifier_a_birth_date_or_no_number_does_not_leave(tag: int, vr: str, value: bytes) -> None:
    image = raw(ct(PatientID="412345"), tag, vr, value)
    assert value.strip() not in out_of(image, "screening")


TIMES = [
    (0x00080033, "TM", b"19531107", "screening"),
    (0x00080033, "TM", b"555123412345"[:10], "screening"),
    (0x0008002A, "DT", b"2024022900412345", "screening"),
    (0x0008002A, "DT", b"20240229+0041234", "screening"),
    (0x00080020, "DA", b"00412345", "basic+retain_full_dates"),
    (0x0008002A, "DT", b"2024022900412345", "basic+retain_full_dates"),
]


@pytest.mark.parametrize(("tag", "vr", "value", "profile"), TIMES)
def test_a_time_that_is_none_does_not_leave(tag: int, vr: str, value: bytes, profile: str) -> None:
    assert value[-8:] not in out_of(raw(ct(), tag, vr, value), profile)


@pytest.mark.parametrize("value", [b"101112.123456 ", b"1011", b"10:11:12", b"235960"])
def test_real_times_stay(value: bytes) -> None:
    assert value.strip() in out_of(raw(ct(), 0x00080033, "TM", value + b" " * (len(value) % 2)), "screening")


@pytest.mark.parametrize("value", [b"1.5e-3\\-20.25\\.5", b"-0.000001 "])
def test_real_numbers_stay(value: bytes) -> None:
    assert value.strip() in out_of(raw(ct(), 0x00180050, "DS", value + b" " * (len(value) % 2)), "screening")
