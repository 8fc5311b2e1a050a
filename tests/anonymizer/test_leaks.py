"""Every row of table E.1-1, at the top and one, two and five sequences deep, in every plain transfer syntax and one compressed,
under every option: nothing gets out but what an option names.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path

import pytest
from deid_factory import KEY, SYNTAXES, decode, encode
from leak_markers import DEPTHS, innermost, leaks_in, marked, plain_bytes, sought, tag_of, value_for, vr_of
from pydicom import uid

from anonymizer.attribute_types import Family
from anonymizer.deidentify import deidentify
from anonymizer.files import DEIDENTIFIED, deidentify_file, encoded
from anonymizer.profile import Option, Profile, basic_profile, screening_profile
from anonymizer.rules import TIME_VRS, Rule, standard_rules

ALL_SYNTAXES = (*SYNTAXES, uid.RLELossless)
# Every option at once, as far as they go together; Clean Pixel Data and Recognizable Features name no attribute.
TOGETHER = frozenset(option for option in Option if option.column) - {Option.RETAIN_FULL_DATES}
PROFILES = (basic_profile(), *(basic_profile(option) for option in Option if option.column), basic_profile(*TOGETHER))
COLUMNS = {profile: tuple(option.column for option in profile.options) for profile in PROFILES}


@lru_cache(maxsize=64)
def source(depth: int, syntax: uid.UID) -> bytes:
    """All rows marked, in a transfer syntax; the preamble, the file meta and the bytes behind the data set are marked too."""
    image = marked(depth)
    if syntax == uid.RLELossless:
        plain = decode(encode(image))
        plain.compress(uid.RLELossless, generate_instance_uid=False)
        image = plain
    return encode(image, syntax, preamble=b"PREAMBLEMARK".ljust(128, b"\0"))


def spoken_for(rule: Rule, profile: Profile) -> bool:
    """Whether an option of the profile may leave this row's value: K, or C of a text or a time that tells nothing of anybody."""
    letters = {rule.options.get(column, "") for column in COLUMNS[profile]}
    vr = vr_of(tag_of(rule))
    return "K" in letters or ("C" in letters and vr not in ("DA", "DT", "PN", "AE", "UI"))


def through_a_file(content: bytes, profile: Profile, folder: Path) -> bytes:
    """The output's bytes; a file is cleaned the fast way where that may be taken."""
    (folder / "in.dcm").write_bytes(content)
    outcome = deidentify_file(folder / "in.dcm", folder / "out", KEY, profile)
    assert outcome.status == DEIDENTIFIED, (outcome.reason, outcome.detail)
    return (folder / "out" / outcome.output).read_bytes()


@pytest.mark.parametrize("syntax", ALL_SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize(
    "tail", [b"TRAILINGMARK Winterbourne", b"\xfc\xff\xfc\xffOB\0\0\x0c\0\0\0TRAILINGMARK"], ids=["bare", "an element"]
)
def test_what_follows_the_pixels_does_not_get_out(tail: bytes, syntax: uid.UID, tmp_path: Path) -> None:
    (tmp_path / "in.dcm").write_bytes(source(0, syntax) + tail)
    deidentify_file(tmp_path / "in.dcm", tmp_path / "out", KEY, basic_profile())
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        assert b"TRAILINGMARK" not in path.read_bytes()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name[:60])
@pytest.mark.parametrize("depth", DEPTHS)
def test_no_marker_survives_but_where_an_option_says_so(depth: int, profile: Profile, tmp_path: Path) -> None:
    """Every syntax here: the fast and the slow way, what is deflated and what is compressed."""
    for syntax in ALL_SYNTAXES if len(profile.options) != 1 else (uid.ExplicitVRLittleEndian, uid.RLELossless):
        content = plain_bytes(through_a_file(source(depth, syntax), profile, tmp_path), syntax)
        wrong = [(rule.pattern, rule.name) for rule in leaks_in(content, depth) if not spoken_for(rule, profile)]
        assert wrong == [], syntax.name
        assert b"PREAMBLEMARK" not in content
        assert b"SECRETAE" not in content


@pytest.mark.parametrize("syntax", ALL_SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("depth", DEPTHS)
def test_every_marker_is_in_the_input(depth: int, syntax: uid.UID) -> None:
    """Else the test above would mean nothing."""
    before = plain_bytes(source(depth, syntax), syntax)
    missing = [rule.pattern for number, rule in enumerate(standard_rules()) if (m := sought(rule, number, depth)) and m not in before]
    assert missing == []


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_row_that_an_option_keeps_is_there(depth: int) -> None:
    for profile in PROFILES[1:]:
        (option, *others) = sorted(profile.options, key=lambda option: option.code)
        if others:
            continue
        left = {rule.pattern for rule in leaks_in(encoded(deidentify(decode(source(depth, SYNTAXES[0])), KEY, profile)[0]), depth)}
        kept = {
            rule.pattern for n, rule in enumerate(standard_rules()) if rule.options.get(option.column) == "K" and sought(rule, n, depth)
        }
        times = {pattern for pattern in kept if vr_of(int(pattern.replace("X", "0"), 16)) == "SQ"}
        assert kept - left <= times, option.name


@pytest.mark.parametrize("profile", [basic_profile(), screening_profile()], ids=lambda profile: profile.name)
@pytest.mark.parametrize("depth", DEPTHS)
def test_no_row_keeps_its_value(depth: int, profile: Profile) -> None:
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


@pytest.mark.parametrize("option", [option for option in Option if option.column], ids=lambda option: option.name.lower())
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


def _anywhere() -> tuple[Family, int]:
    return Family.OTHER, 1
