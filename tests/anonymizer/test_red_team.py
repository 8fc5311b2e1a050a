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
from anonymizer.files import Refused, deidentify_file
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
    assert isinstance(slow, Clean | Refused | Verdict)
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
    assert pixels in padded
    assert SECRET not in padded
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


# the header's name, the charset, and the same name as a scanner or a person writes it into another attribute
OTHER_WAYS = [
    ("ISO_IR 192", "Ng^Ka", "NG KA"),
    ("ISO_IR 192", "Li^Yu", "Yu Li"),
    ("ISO_IR 192", "Sørensen^Åse", "SORENSEN"),
    ("ISO_IR 192", "Wałęsa^Ula", "WALESA"),
    ("ISO_IR 192", "Yıldız^Işıl", "YILDIZ"),
    ("ISO_IR 192", "Đặng^Thu", "DANG"),
    ("ISO_IR 100", "Mueller^Hans", "Müller"),
    ("ISO_IR 192", "Weber^Jo", "\u200bW\u200be\u200bb\u200be\u200br"),
    ("ISO_IR 100", "^^^Winterbourne", "Winterbourne"),
]


@pytest.mark.parametrize(("charset", "name", "written"), OTHER_WAYS)
def test_a_name_is_found_in_other_letters_and_places(charset: str, name: str, written: str) -> None:
    image = ct(SpecificCharacterSet=charset, PatientName=name, ConvolutionKernel=written)
    assert written.encode("utf-8" if charset.endswith("192") else "latin-1") not in out_of(image, "basic")


def test_each_part_of_an_other_name_is_looked_for() -> None:
    assert b"Bellamy" not in out_of(ct(OtherPatientNames="Bellamy^Ariadne", ConvolutionKernel="Bellamy"), "basic")


def test_a_name_is_a_name_whatever_vr_the_file_states() -> None:
    image = ct(ConvolutionKernel="Weberhans")
    del image.PatientName
    assert b"Weberhans" not in out_of(raw(image, 0x00100010, "LO", b"Weberhans^Jo "), "basic")


@pytest.mark.parametrize("written", [b"\x01WEBER, JOHANNA.\x02\xff", b"\x01" + "Weber".encode("utf-16-be") + b"\x01"])
def test_kept_bytes_are_searched_in_any_case_and_byte_order(written: bytes) -> None:
    assert written not in out_of(ct(PatientName="Weber^Jo", RedPaletteColorLookupTableData=written), "basic")


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", ""])
@pytest.mark.parametrize("profile", ["basic", "basic+clean_descriptors"])
@pytest.mark.parametrize("tag", [0x00181210, 0x0008103E], ids=["kernel", "description"])
def test_letters_of_another_character_set_than_declared_do_not_leave(charset: str, profile: str, tag: int) -> None:
    image = ct(SpecificCharacterSet=charset, PatientName="Yamada^Taro")
    written = "山田".encode("shift_jis")
    assert written not in out_of(raw(image, tag, "LO", written), profile)


@pytest.mark.parametrize(("allocated", "stored"), [(8, 4), (32, 16)])
def test_bits_that_no_pixel_uses_hold_nothing_in_any_word_size(allocated: int, stored: int) -> None:
    hidden = SECRET[: 16 * allocated // 16 // 2] if allocated == 8 else SECRET[:32]
    pixels = hidden[:16].ljust(16, b"!") if allocated == 8 else b"".join(b"\1\0" + hidden[at : at + 2] for at in range(0, 32, 2))
    image = ct(BitsAllocated=allocated, BitsStored=stored, HighBit=stored - 1, PixelData=pixels)
    image["PixelData"].VR = "OW"
    assert pixels[:8] not in out_of(image, "basic")


def test_names_of_files_in_a_directory_record_do_not_leave() -> None:
    content = out_of(ct(ReferencedFileID=["WEBER", "IM1"], FileSetID="WEBERHANS"), "screening")
    assert b"WEBER" not in content


@pytest.mark.parametrize("date", ["3/5/2024", "7.11.53", "1/2/24", "07NOV1953", "R6.3.5", "7-Nov-1953"])
def test_dates_in_free_text_go_however_short(date: str) -> None:
    content = out_of(ct(SeriesDescription=f"seen {date} again"), "basic+clean_descriptors")
    assert b"seen again" in content


@pytest.mark.parametrize("text", ["thickness 1.5.2", "T1 3/4 5", "CT 5.0/5.0/120", "0.5 mm 1-2-3", "2 mag 50"])
def test_numbers_in_free_text_that_are_no_dates_stay(text: str) -> None:
    assert text.encode() in out_of(ct(SeriesDescription=text), "basic+clean_descriptors")


def test_content_of_a_report_in_an_image_tells_both_ways_the_same() -> None:
    """The fast way did not know of the pixels when it asked who the patient is, so it searched for more than the slow way."""
    item, concept = Dataset(), Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = "121022", "DCM", "Accession Number"
    item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", "Kestrelman"
    item.ConceptNameCodeSequence = Sequence([concept])
    image = ct(ContentSequence=Sequence([item]), Manufacturer="Kestrelman", ConvolutionKernel="Kestrelman")
    assert out_of(image, "screening+clean_structured_content")
