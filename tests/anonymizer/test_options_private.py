"""Retain Safe Private: only listed elements, only under their exact creator, and never a patient's value in them."""

from __future__ import annotations

import pytest
from deid_factory import KEY, SYNTAXES, ct, decode, encode
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer.deidentify import deidentify
from anonymizer.files import encoded
from anonymizer.profile import Option, basic_profile
from anonymizer.safe_private import rows_of, safe_attribute, safe_attributes

KEEPS = basic_profile(Option.RETAIN_SAFE_PRIVATE)


def with_private(*elements: tuple[int, str, object], group: int = 0x0019, creator: str = "SIEMENS MR HEADER", start: int = 0x10) -> Dataset:
    image = ct()
    if start > 0x10:
        image.private_block(group, "SOMEBODY ELSE", create=True).add_new(0x0C, "LO", "Winterbourne")
    block = image.private_block(group, creator, create=True)
    for offset, vr, value in elements:
        block.add_new(offset, vr, value)
    return image


def cleaned(image: Dataset, syntax: uid.UID = uid.ExplicitVRLittleEndian) -> Dataset:
    return decode(encoded(deidentify(decode(encode(image, syntax)), KEY, KEEPS)[0]))


def privates(image: Dataset) -> dict[str, object]:
    return {f"{element.tag:08X}": element.value for element in image.iterall() if element.tag.is_private}


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_listed_elements_stay_with_their_creator(syntax: uid.UID) -> None:
    image = with_private((0x0C, "IS", "1000"), (0x0D, "CS", "DIRECTIONAL"), (0x27, "FD", [1.5, 0.0, 2.0]), (0x29, "LO", "not listed"))
    found = privates(cleaned(image, syntax))
    assert list(found) == ["00190010", "0019100C", "0019100D", "00191027"]
    assert (found["0019100C"], found["0019100D"], list(found["00191027"])) == (1000, "DIRECTIONAL", [1.5, 0.0, 2.0])


def test_blocks_are_read_where_their_creator_put_them() -> None:
    found = privates(cleaned(with_private((0x0C, "IS", "800"), start=0x11)))
    assert found == {"00190011": "SIEMENS MR HEADER", "0019110C": 800}


@pytest.mark.parametrize("creator", ["SIEMENS MR HEADERS", "Siemens MR Header", "SIEMENS", "GEMS_ACQU_01"])
def test_another_creator_is_not_safe(creator: str) -> None:
    assert privates(cleaned(with_private((0x0C, "IS", "1000"), creator=creator))) == {}


def test_without_the_option_or_the_creator_everything_goes() -> None:
    image = with_private((0x0C, "IS", "1000"))
    assert privates(deidentify(image, KEY)[0]) == {}
    del image[0x00190010]
    assert privates(cleaned(image)) == {}


def test_values_are_still_searched() -> None:
    ge = with_private((0x9E, "LO", "FSE Winterbourne T2"), (0x23, "DS", "00412345"), (0x24, "DS", "1.5"), creator="GEMS_ACQU_01")
    ge.PatientID = "412345"
    found = privates(cleaned(ge))
    assert found["0019109E"] == "FSE T2"
    assert "00191023" not in found or str(found["00191023"]) != "412345"
    assert found["00191024"] == 1.5


STRANGE = [(0x0C, "LO", "Winterbourne"), (0x0C, "UN", b"Winterbourne"), (0x0E, "LO", "Winterbourne"), (0x0D, "CS", "WINTERBOURNE")]


@pytest.mark.parametrize(("offset", "vr", "value"), STRANGE)
def test_another_vr_or_form_is_not_trusted(offset: int, vr: str, value: object) -> None:
    assert b"interbourne" not in encoded(deidentify(decode(encode(with_private((offset, vr, value)))), KEY, KEEPS)[0]).lower()


def test_sequences_are_searched_and_what_is_not_listed_in_them_goes() -> None:
    item = Dataset()
    item.PatientName = "Winterbourne^Ariadne"
    inner = item.private_block(0x2001, "Philips Imaging DD 001", create=True)
    inner.add_new(0x2D, "SS", 20)
    inner.add_new(0x99, "LO", "not listed")
    item.private_block(0x2005, "Unknown", create=True).add_new(1, "LO", "Winterbourne")
    image = with_private((0x5F, "SQ", Sequence([item])), (0x03, "FL", 1000.0), group=0x2001, creator="Philips Imaging DD 001")
    found = privates(cleaned(image))
    assert sorted(found) == ["20010010", "20011003", "2001102D", "2001105F"]
    assert b"interbourne" not in encoded(deidentify(image, KEY, KEEPS)[0])
    alone = with_private((0x98, "SQ", Sequence([item])), group=0x2001, creator="Philips Imaging DD 001")
    assert privates(cleaned(alone)) == {}


def test_listed_bytes_that_nobody_can_search_go() -> None:
    image = with_private((0x12, "OB", b"opaque" * 4), (0x01, "LO", "v2"), group=0x7E01, creator="HOLOGIC, Inc.")
    assert privates(cleaned(image)) == {"7E010010": "HOLOGIC, Inc.", "7E011001": "v2"}


def test_uids_are_mapped_and_a_file_does_not_vouch_for_itself() -> None:
    said = Dataset()
    said.PrivateGroupReference, said.PrivateCreatorReference, said.BlockIdentifyingInformationStatus = 0x0099, "MINE", "SAFE"
    image = with_private((0x02, "UI", "1.2.826.0.1.99.5"), group=0x0099, creator="NQHeader")
    image.private_block(0x0099, "MINE", create=True).add_new(1, "LO", "anything")
    image.PrivateDataElementCharacteristicsSequence = Sequence([said])
    clean = cleaned(image)
    assert privates(clean)["00991002"].startswith("2.25.")
    assert "MINE" not in privates(clean).values()
    assert "PrivateDataElementCharacteristicsSequence" not in clean


def test_the_dictionary_is_the_standards_table() -> None:
    assert len(safe_attributes()) == len({(row.creator, row.group, row.offset) for row in safe_attributes()}) == 479
    assert len({row.creator for row in safe_attributes()}) == 20
    assert all(row.group % 2 and 0 <= row.offset <= 0xFF for row in safe_attributes())
    row = safe_attribute("Philips PET Private Group ", 0x7053, 0x00)
    assert row is not None
    assert (row.vr, row.meaning) == ("DS", "SUV Factor")
    assert safe_attribute("Philips PET Private Group", 0x7055, 0x00) is None
    assert rows_of("Philips PET Private Group", 0x7055) == ()
    assert [row.offset for row in rows_of("Philips PET Private Group", 0x7053)] == [0x00, 0x09]
