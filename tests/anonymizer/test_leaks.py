"""Every row of table E.1-1, at the top and one, two and five sequences deep, in every plain transfer syntax: nothing gets out."""

from __future__ import annotations

import zlib
from datetime import date, timedelta

import pytest
from deid_factory import KEY, SYNTAXES, ct, decode, encode
from pydicom import uid
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer.deidentify import deidentify
from anonymizer.files import encoded
from anonymizer.profile import Option, basic_profile, screening_profile
from anonymizer.rules import TIME_VRS, Rule, dictionary_vrs, standard_rules

DEPTHS = (0, 1, 2, 5)
NUMBERS = ("US", "SS", "UL", "SL", "FL", "FD")


def tag_of(rule: Rule) -> int:
    if rule.pattern == "ODD":
        return 0x00991001
    return int(rule.pattern.replace("50XXXXXX", "50003000").replace("60XX", "6002"), 16)


def vr_of(tag: int) -> str:
    return (dictionary_vrs(tag) or ("LO",))[0]


def marker(number: int, depth: int) -> str:
    return f"ZQ{number:04d}D{depth}W"


def value_for(vr: str, number: int, depth: int) -> object:
    """A value of the VR that cannot come about by chance."""
    plain = {
        "DA": (date(2031, 1, 1) + timedelta(days=5 * number + depth)).strftime("%Y%m%d"),
        "DT": f"2047{number % 12 + 1:02d}{depth + 10}{number % 10:02d}5959.{number:04d}{depth}",
        "TM": f"{number % 24:02d}{depth:02d}59.{number:04d}9",
        "UI": f"1.2.826.0.1.999.{number}.{depth}.3",
        "IS": f"77{number:04d}{depth}",
        "DS": f"{number}.{depth}375",
        "AS": f"{number % 100:03d}Y",
    }
    if vr == "SQ":
        item = Dataset()
        item.ReferencedSOPInstanceUID = f"1.2.826.0.1.999.{number}.{depth}.3"
        return Sequence([item])
    if vr in NUMBERS:
        return 4000 + number
    return plain.get(vr, b"\x01\x02" + marker(number, depth).encode() if vr in ("OB", "OW", "UN") else marker(number, depth))


def marked(depth: int) -> Dataset:
    """All rows in one data set at a depth, on top of a CT slice."""
    image = ct()
    target = image
    for _ in range(depth):
        inner = Dataset()
        target.add(DataElement(0x00082218, "SQ", Sequence([inner])))  # Anatomic Region Sequence: not in the table
        target = inner
    for number, rule in enumerate(standard_rules()):
        tag = tag_of(rule)
        if tag >> 16 not in (0, 2):
            target.add(DataElement(tag, vr_of(tag), value_for(vr_of(tag), number, depth)))
    image.SOPClassUID = uid.CTImageStorage
    return image


def innermost(image: Dataset, depth: int) -> Dataset:
    for _ in range(depth):
        image = image[0x00082218].value[0]
    return image


def plain_bytes(content: bytes, syntax: uid.UID) -> bytes:
    if syntax != uid.DeflatedExplicitVRLittleEndian:
        return content
    start = 144 + int.from_bytes(content[140:144], "little")
    return content[:start] + zlib.decompress(content[start:], -zlib.MAX_WBITS)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("depth", DEPTHS)
def test_no_marker_of_any_row_is_in_the_bytes(depth: int, syntax: uid.UID) -> None:
    source = encode(marked(depth), syntax)
    clean, _ = deidentify(decode(source), KEY, basic_profile())
    before, content = plain_bytes(source, syntax), plain_bytes(encoded(clean), syntax)
    leaks = []
    for number, rule in enumerate(standard_rules()):
        vr = vr_of(tag_of(rule))
        if vr in NUMBERS or vr == "AS":
            continue
        value = value_for("UI" if vr == "SQ" else vr, number, depth)
        sought = value if isinstance(value, bytes) else str(value).encode()
        assert sought in before or tag_of(rule) >> 16 in (0, 2), "the marker must be in the input for the test to mean anything"
        if sought in content:
            leaks.append((rule.pattern, rule.name, vr))
    assert leaks == []


@pytest.mark.parametrize("profile", [basic_profile(), screening_profile()], ids=lambda profile: profile.name)
@pytest.mark.parametrize("depth", DEPTHS)
def test_no_row_keeps_its_value(depth: int, profile) -> None:
    clean, _ = deidentify(marked(depth), KEY, profile)
    inner = innermost(clean, depth)
    kept = []
    for number, rule in enumerate(standard_rules()):
        tag = tag_of(rule)
        vr = vr_of(tag)
        if tag not in inner or vr == "SQ" or (vr == "TM" and profile.options):
            continue
        if str(inner[tag].value) == str(value_for(vr, number, depth)):
            kept.append((rule.pattern, rule.name))
    assert kept == []


@pytest.mark.parametrize("option", list(Option), ids=lambda option: option.name.lower())
def test_an_option_keeps_or_cleans_each_row_it_names(option: Option) -> None:
    clean, _ = deidentify(marked(0), KEY, basic_profile(option))
    wrong = []
    for number, rule in enumerate(standard_rules()):
        letter = rule.options.get(option.column)
        tag = tag_of(rule)
        vr = vr_of(tag)
        if letter != "K" or tag >> 16 in (0, 2) or vr == "SQ" or tag == 0x00080018:
            continue
        if tag not in clean or str(clean[tag].value) != str(value_for(vr, number, 0)):
            wrong.append((rule.pattern, rule.name, letter))
    assert wrong == []


def test_modified_dates_moves_every_date_row_by_the_same_days() -> None:
    clean, _ = deidentify(marked(0), KEY, screening_profile())
    distances = set()
    for number, rule in enumerate(standard_rules()):
        tag = tag_of(rule)
        if vr_of(tag) == "DA" and rule.options.get("rtnLongModifDatesOpt") == "C":
            before, after = value_for("DA", number, 0), str(clean[tag].value)
            distances.add(date.fromisoformat(str(before)) - date.fromisoformat(after))
    assert len(distances) == 1
    assert 1 <= distances.pop().days <= 3652


def test_the_table_is_covered_whole() -> None:
    rules = standard_rules()
    assert (len(rules), sum(rule.edition == "2024b" for rule in rules)) == (656, 621)
    for profile in (basic_profile(), screening_profile()):
        for rule in rules:
            decision = profile.decide(tag_of(rule), *_anywhere())
            assert decision.action.value in "DZXCU", rule.name
    assert sum(vr_of(tag_of(rule)) in TIME_VRS for rule in rules) > 150


def _anywhere():
    from anonymizer.attribute_types import Family

    return Family.OTHER, 1
