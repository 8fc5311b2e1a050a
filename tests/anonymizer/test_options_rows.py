"""Every option, every row of table E.1-1, depth 0, 1, 2: what the row's letter says; everything else as without the option."""

from __future__ import annotations

from functools import lru_cache

import pytest
from deid_factory import KEY, ct, decode, encode
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer import standard
from anonymizer.actions import dummy_value
from anonymizer.deidentify import deidentify
from anonymizer.profile import Option, Profile, basic_profile
from anonymizer.pseudonym import Pseudonyms
from anonymizer.rules import PRIVATE_PATTERN, TIME_VRS, Rule, dictionary_vrs, standard_rules

DEPTHS = (0, 1, 2)
STEP = 0x00082218  # Anatomic Region Sequence: not in the table, so kept and searched
UID_ROOT = "1.2.826.0.1.3680043.8.498"
ROWS = tuple(rule for rule in standard_rules() if rule.pattern != PRIVATE_PATTERN and "X" not in rule.pattern)
# SOP Instance UID, Study and Series stand in every data set, whose identity pseudonyms are made of.
OPTIONS = tuple(option for option in Option if option.column)


def tag_of(rule: Rule) -> int:
    return int(rule.pattern, 16)


def vr_of(tag: int) -> str:
    return (dictionary_vrs(tag) or ("LO",))[0]


def value_for(vr: str, number: int) -> object:
    if vr == "SQ":
        item = Dataset()
        item.CodeMeaning, item.ReferencedSOPInstanceUID = f"meaning {number}", f"{UID_ROOT}.{number}"
        return Sequence([item])
    by_vr: dict[str, object] = {
        "DA": f"20{number % 90 + 10:02d}0315",
        "DT": f"20{number % 90 + 10:02d}0315101112",
        "TM": f"10{number % 60:02d}11",
        "UI": f"{UID_ROOT}.{number}",
        "IS": str(number + 7),
        "DS": f"{number}.5",
        "AS": f"{number % 80:03d}Y",
        "AE": f"STN{number:04d}X",
        "CS": f"TERM{number:04d}X",
        "PN": f"Holder{number}^Post",
        "UR": f"urn:row:{number}",
        "AT": 0x00080018,
    }
    if vr in ("US", "SS", "UL", "SL"):
        return number + 1
    if vr in ("FL", "FD"):
        return number + 0.5
    return by_vr.get(vr, bytes((number % 251, 7, 0, 1)) if vr in ("OB", "OW", "UN", "OF") else f"word{number:04d}x")


@lru_cache(maxsize=8)
def source(depth: int) -> bytes:
    image = ct()
    target = image
    for _ in range(depth):
        inner = Dataset()
        target.add(DataElement(STEP, "SQ", Sequence([inner])))
        target = inner
    for number, rule in enumerate(ROWS):
        tag = tag_of(rule)
        if tag >> 16 not in (0, 2):
            target.add(DataElement(tag, vr_of(tag), value_for(vr_of(tag), number)))
    return encode(image)


def innermost(image: Dataset, depth: int) -> Dataset:
    for _ in range(depth):
        image = image[STEP].value[0]
    return image


@lru_cache(maxsize=64)
def cleaned(profile: Profile, depth: int) -> Dataset:
    return innermost(deidentify(decode(source(depth)), KEY, profile)[0], depth)


def held(dataset: Dataset, tag: int) -> object:
    """The bytes where the element was left raw, else the value; None when it is not there."""
    if tag not in dataset:
        return None
    return dataset.get_item(tag).value


def letter_of(rule: Rule, option: Option) -> str:
    return rule.options.get(option.column, "")


def same(one: object, two: object) -> bool:
    """Raw bytes are compared as bytes; where one side was converted by being looked at, both as text."""
    if isinstance(one, bytes) and isinstance(two, bytes):
        return one == two
    return as_text(one) == as_text(two)


def as_text(value: object) -> str:
    return value.decode("latin-1").rstrip(" \0") if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name.lower())
def test_every_row_under_every_option(option: Option, depth: int) -> None:
    before = innermost(decode(source(depth)), depth)
    clean, basic = cleaned(basic_profile(option), depth), cleaned(basic_profile(), depth)
    wrong = [
        (rule.pattern, rule.name, letter_of(rule, option), fault)
        for number, rule in enumerate(ROWS)
        if (fault := fault_of(option, number, rule, before, clean, basic))
    ]
    assert wrong == []


def fault_of(option: Option, number: int, rule: Rule, before: Dataset, clean: Dataset, basic: Dataset) -> str:
    tag, letter = tag_of(rule), letter_of(rule, option)
    if tag >> 16 in (0, 2):
        return "" if tag not in clean else "a command or file meta element stays"
    if letter == "K":
        return kept_fault(option, tag, before, clean)
    if letter == "C":
        return cleaned_fault(number, tag, clean)
    if not same(held(clean, tag), held(basic, tag)):
        return "not as without the option"
    return ""


def kept_fault(option: Option, tag: int, before: Dataset, clean: Dataset) -> str:
    if vr_of(tag) == "SQ":
        return searched_fault(tag, clean, keeps_uids=option is Option.RETAIN_UIDS)
    return "" if tag in clean and same(held(clean, tag), held(before, tag)) else "not kept as the bytes it was"


def searched_fault(tag: int, clean: Dataset, *, keeps_uids: bool) -> str:
    if tag not in clean or len(clean[tag].value) != 1:
        return "the sequence or its item is gone"
    item = clean[tag].value[0]
    uid_stays = str(item.ReferencedSOPInstanceUID).startswith(UID_ROOT)
    return "" if item.CodeMeaning.startswith("meaning") and uid_stays is keeps_uids else "the item is not searched"


def cleaned_fault(number: int, tag: int, clean: Dataset) -> str:
    vr = vr_of(tag)
    if tag not in clean:
        return "" if tag in NO_DATE or vr in ("OB", "OW") else "removed instead of cleaned"
    if vr == "SQ":
        return searched_fault(tag, clean, keeps_uids=False)
    value, expected = str(clean[tag].value), str(value_for(vr, number))
    if vr in TIME_VRS - {"TM"}:
        shifted = value != expected and len(value) == len(expected) and value != str(dummy_value(vr))
        return "" if shifted else "not shifted"
    if vr == "AE":
        return "" if value == Pseudonyms(KEY).device_title(expected) else "not under its keyed name"
    return "" if value == expected else "an innocent value was changed"


# Under modified dates and yet no date: Timezone Offset From UTC names a place, the other is a free text; bytes (time stamps,
# maker notes) cannot be searched. All of these go.
NO_DATE = (0x00080201, 0x0040B036)


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_basic_profile_keeps_no_row(depth: int) -> None:
    before, clean = innermost(decode(source(depth)), depth), cleaned(basic_profile(), depth)
    stays = [
        rule.pattern
        for rule in ROWS
        if vr_of(tag_of(rule)) != "SQ" and tag_of(rule) in clean and held(clean, tag_of(rule)) == held(before, tag_of(rule))
    ]
    assert stays == []


def test_two_options_speak_for_one_row_and_cleaning_wins() -> None:
    both = cleaned(basic_profile(Option.RETAIN_PATIENT_CHARACTERISTICS, Option.CLEAN_DESCRIPTORS, Option.RETAIN_UIDS), 0)
    assert both.PatientSex.startswith("TERM")
    assert both.Allergies == cleaned(basic_profile(Option.CLEAN_DESCRIPTORS), 0).Allergies
    assert both.PatientBirthDate == ""


def test_the_table_is_covered_whole_and_so_are_its_columns() -> None:
    """Fails when a row, a column or a letter of the generated table is no longer answered."""
    rows = (*standard.ROWS_2024B, *standard.ROWS_ADDED_UNTIL_2026C)
    assert len(rows) == len(standard_rules()) == 656
    assert {option.column for option in OPTIONS} == set(standard.OPTION_COLUMNS)
    answered = dict.fromkeys(standard.OPTION_COLUMNS, 0)
    for row, rule in zip(rows, standard_rules(), strict=True):
        for column, cell in zip(standard.OPTION_COLUMNS, row[4:], strict=True):
            if cell:
                answered[column] += 1
                assert rule.options[column] == cell, (rule.pattern, column)
    assert answered == COUNTS
    assert {row[3] for row in rows} == {"D", "Z", "X", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"}


COUNTS = {
    "rtnSafePrivOpt": 1,
    "rtnUIDsOpt": 59,
    "rtnDevIdOpt": 57,
    "rtnInstIdOpt": 10,
    "rtnPatCharsOpt": 13,
    "rtnLongFullDatesOpt": 165,
    "rtnLongModifDatesOpt": 165,
    "cleanDescOpt": 125,
    "cleanStructContOpt": 3,
    "cleanGraphOpt": 4,
}
