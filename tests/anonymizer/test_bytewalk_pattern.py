"""Files that are recognised run by run come out as those that are looked at element by element, and nothing else is recognised."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bytewalk_pairs import both, both_of
from deid_factory import KEY, SYNTAXES, ct, encode
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.charset import default_encoding
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.sequence import Sequence

from anonymizer import bytewalk, reading
from anonymizer.bytewalk import settled as settled_module
from anonymizer.bytewalk import walk
from anonymizer.bytewalk.lens import Lens
from anonymizer.bytewalk.pattern import Pattern, pattern_of
from anonymizer.clean import Clean, all_entries
from anonymizer.deidentify import SCREENING_PROFILE, walk_for
from anonymizer.files import _cleaned_by_pydicom
from anonymizer.profile import Option, Profile, basic_profile, profile_named

PROFILES = (
    SCREENING_PROFILE,
    basic_profile(),
    profile_named("screening+clean_descriptors+retain_safe_private+clean_graphics+retain_device_identity+retain_patient_characteristics"),
    basic_profile(Option.RETAIN_UIDS, Option.RETAIN_FULL_DATES, Option.RETAIN_INSTITUTION_IDENTITY),
)
PLAIN = SYNTAXES[:2]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    walk._patterns.cache_clear()
    walk._memory.cache_clear()
    yield
    walk._patterns.cache_clear()


def slice_of(number: int, **changes: object) -> Dataset:
    """One of a series: what differs does so in value and in length."""
    image = ct(SOPInstanceUID=f"1.2.826.0.1.3680043.9.7777.1.1.{7**number}", InstanceNumber=str(number))
    image.ImagePositionPatient = [-10.5, -20.25, number * 2.5]
    image.SliceLocation, image.XRayTubeCurrent = f"{number * 2.5:.1f}", str(90 + 7 * number)
    image.AcquisitionTime = image.ContentTime = f"1011{number % 60:02d}" + ".5" * (number % 2)
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "T-1", "SRT", "Chest"
    image.ProcedureCodeSequence = Sequence([item])
    image.add_new(0xFFFCFFFC, "OB", b"\0" * 6)
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    return image


def recognised(content: bytes, profile: Profile = SCREENING_PROFILE) -> bool:
    """Whether a file is of a pattern that is known; asking changes nothing."""
    source = reading.Source(None, len(content), content)  # type: ignore[arg-type] # all of it is in its head
    return any(pattern.match(source) is not None for pattern in walk._patterns(KEY, profile))


def warmed(syntax: uid.UID = PLAIN[0], profile: Profile = SCREENING_PROFILE) -> None:
    for number in range(1, 6):
        both_of(encode(slice_of(number), syntax), profile)


@pytest.mark.parametrize("profile", PROFILES, ids=[profile.name[-25:] for profile in PROFILES])
@pytest.mark.parametrize("syntax", PLAIN, ids=["explicit", "implicit"])
def test_a_series_is_recognised_and_comes_out_the_same(profile: Profile, syntax: uid.UID) -> None:
    for number in range(1, 12):
        content = encode(slice_of(number), syntax)
        assert recognised(content, profile) == (number > 2)
        fast, _ = both_of(content, profile)
        assert fast is not None


CHANGES: dict[str, dict[str, object]] = {
    "who it is": {"PatientID": "OTHER-1"},
    "fewer bits": {"BitsStored": 8, "HighBit": 7},
    "burned in": {"BurnedInAnnotation": "YES"},
    "a screen": {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
    "another kind": {"SOPClassUID": str(uid.SecondaryCaptureImageStorage)},
    "another script": {"SpecificCharacterSet": "ISO_IR 192"},
    "no series": {"SeriesInstanceUID": ""},
    "already stamped": {"PatientIdentityRemoved": "YES"},
    "an echo": {"ReceiveCoilName": "Winterbourne"},
    "one element more": {"KVP": "120"},
    "no study": {"StudyInstanceUID": ""},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("syntax", PLAIN, ids=["explicit", "implicit"])
def test_what_a_decision_rests_on_is_never_taken_for_granted(change: dict[str, object], syntax: uid.UID) -> None:
    warmed(syntax)
    for number in range(6, 16):  # often enough to be learned from
        content = encode(slice_of(number, **(change if number % 2 else {})), syntax)
        both_of(content)


VARIED: dict[str, tuple[str, tuple[object, ...]]] = {
    "what the gate reads": (
        "ImageType",
        (["ORIGINAL", "PRIMARY", "AXIAL"], ["ORIGINAL", "PRIMARY", "LOCALIZER"], ["DERIVED", "DOSE INFO"]),
    ),
    "which series": ("SeriesInstanceUID", ("1.2.3.4", "1.2.3.5", "1.2.3.66")),
    "the bits of a pixel": ("BitsStored", (16, 15, 4)),
    "what is stamped": ("PatientIdentityRemoved", ("NO", "YES", "")),
}


@pytest.mark.parametrize(("keyword", "values"), VARIED.values(), ids=VARIED)
@pytest.mark.parametrize("syntax", PLAIN, ids=["explicit", "implicit"])
def test_what_a_decision_rests_on_may_vary_without_harm(keyword: str, values: tuple[object, ...], syntax: uid.UID) -> None:
    for number in range(1, 13):
        both_of(encode(slice_of(number, **{keyword: values[number % 2 if number < 9 else number % 3]}), syntax))


def test_what_varies_is_looked_at_in_every_file() -> None:
    warmed()
    for number, told in enumerate(("MRN00412345", "-412345", "Winterbourne", "1.5\\2"), 6):
        fast, slow = both_of(
            encode(slice_of(number, SliceLocation="0.0")).replace(b"DS\x04\x000.0 ", b"DS\x0c\x00" + told.ljust(12).encode())
        )
        assert isinstance(slow, Clean)
        if fast is not None:
            assert b"Winterbourne" not in b"".join(fast.pieces)


def test_a_pixel_that_holds_more_bits_is_seen_in_a_file_that_is_recognised() -> None:
    for number in range(1, 6):
        both_of(encode(slice_of(number, BitsAllocated=16, BitsStored=12, HighBit=11)))
    image = slice_of(7, BitsAllocated=16, BitsStored=12, HighBit=11)
    image.PixelData = b"\xff\xff" * (len(image.PixelData) // 2)
    content = encode(image)
    assert recognised(content)
    fast, _ = both_of(content)
    assert fast is not None
    assert b"\xff\xff" * 8 not in b"".join(fast.pieces)


@pytest.mark.parametrize("syntax", PLAIN, ids=["explicit", "implicit"])
def test_damaged_files_of_a_known_pattern_come_out_the_same(syntax: uid.UID, tmp_path: Path) -> None:
    warmed(syntax)
    chance, whole = random.Random(syntax), encode(slice_of(6), syntax)
    names, fasts = iter(range(1000)), 0
    pixels = whole.rindex(b"\xe0\x7f\x10\0")
    for _ in range(250):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2))):
            at = chance.randrange(pixels + 12)
            content[at : at + chance.choice((0, 1, 1, 1, 2))] = bytes(chance.randrange(256) for _ in range(chance.choice((0, 1, 1, 1, 2))))
        path = tmp_path / str(next(names))
        path.write_bytes(content)
        fasts += both(path)[0] is not None
    assert fasts > 25


@pytest.mark.parametrize("syntax", PLAIN, ids=["explicit", "implicit"])
def test_a_file_of_a_known_pattern_that_ends_too_early_is_never_recognised(syntax: uid.UID) -> None:
    warmed(syntax)
    whole = encode(slice_of(6), syntax)
    assert recognised(whole)
    assert not any(recognised(whole[:length]) for length in range(len(whole)))
    assert not recognised(whole + b"\0\0")


def test_the_vault_gets_the_same_of_a_file_that_is_recognised(tmp_path: Path) -> None:
    warmed()
    path = tmp_path / "one"
    path.write_bytes(encode(slice_of(9)))
    source = reading.opened(path)
    assert isinstance(source, reading.Source)
    with source:
        fast, dataset = bytewalk.cleaned(source, KEY, SCREENING_PROFILE, all_entries), source.parsed()
    slow = _cleaned_by_pydicom(dataset, KEY, SCREENING_PROFILE, all_entries)  # type: ignore[arg-type]
    assert fast is not None
    assert isinstance(slow, Clean)
    assert fast.entries == slow.entries != ()


def test_where_nothing_is_alike_the_search_for_patterns_grows_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(*given: Any) -> Pattern | None:
        asked.append(given)
        return pattern_of(*given)

    monkeypatch.setattr(walk, "pattern_of", counted)
    for number in range(40):
        both_of(encode(ct(SOPInstanceUID=f"1.2.3.{number}", SeriesInstanceUID=f"1.2.4.{number}")))
    assert len(asked) == 6  # at 1, 2, 4 ... 32
    assert len(walk._patterns(KEY, SCREENING_PROFILE)) <= 8


VALUES = st.text("0123456789.\\ ", min_size=1, max_size=64)


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from([(0x00080018, "UI"), (0x00080020, "DA"), (0x00080030, "TM")]), value=VALUES, implicit=st.booleans())
@pytest.mark.filterwarnings("ignore")
def test_a_plain_value_is_written_as_pydicom_writes_it(kind: tuple[int, str], value: str, implicit: bool) -> None:
    with reading.quietly():
        element = DataElement(*kind, value)
        buffer = DicomBytesIO()
        buffer.is_implicit_VR, buffer.is_little_endian = implicit, True
        write_data_element(buffer, element, default_encoding)
        assert settled_module._plain_bytes(element, implicit=implicit) in (None, buffer.getvalue())


VARYING = {
    0x00080018: "UI", 0x00080020: "DA", 0x00080032: "TM", 0x00080033: "TM", 0x00200013: "IS", 0x00200032: "DS", 0x00201041: "DS",
    0x00281050: "DS", 0x00080008: "CS", 0x00081030: "LO", 0x00080005: "CS", 0x60000022: "LO", 0x00291010: "DS",
}  # fmt: skip
WORDS = st.sampled_from(["1.2.3.4", "1.2.840.10008.1.2", "20240229", "19531107", "-19531107.0", "101112.5", "24", "1.5", "00412345", " ", "\0", "\\", "\x1b", "\t", "é", "-", "e9"])  # noqa: E501 # fmt: skip


@settings(max_examples=150, deadline=None)
@given(tag=st.sampled_from(sorted(VARYING)), words=st.lists(WORDS, max_size=4), profile=st.sampled_from(PROFILES), implicit=st.booleans())
@pytest.mark.filterwarnings("ignore")
def test_what_is_decided_by_its_text_is_what_the_rules_say(tag: int, words: list[str], profile: Profile, implicit: bool) -> None:
    content = "".join(words).encode("latin-1")
    content += b" " * (len(content) % 2)
    group, number = tag >> 16, tag & 0xFFFF
    first = struct.pack("<HHI", group, number, len(content))
    raw = (first if implicit else first[:4] + VARYING[tag].encode() + struct.pack("<H", len(content))) + content
    with reading.quietly():
        patient = Dataset()
        patient.PatientID, patient.PatientBirthDate, patient.SOPClassUID = "00412345", "19531107", uid.CTImageStorage
        patient.set_original_encoding(implicit, True, default_encoding)
        rules = walk_for(patient, KEY, profile)
        settled = settled_module.Settled(rules, profile.plan(rules.family, 0), default_encoding, default_encoding)
        by_text = settled.plainly(tag, raw)
        quick = by_text(raw) if by_text else None
        assert (by_text is None) == (tag in (0x00080008, 0x00081030, 0x00080005, 0x60000022, 0x00291010) or not _has_a_way(tag, profile))
        if quick is not None:
            assert quick == settled.decide(tag, raw, Lens({tag: raw}, implicit))


def _has_a_way(tag: int, profile: Profile) -> bool:
    """Dates and times that a profile keeps or removes, and UIDs that it keeps, are not decided by their text."""
    kept = {Option.RETAIN_FULL_DATES, Option.RETAIN_UIDS} & profile.options
    return VARYING[tag] in ("DS", "IS") or (not kept and (VARYING[tag] == "UI" or Option.RETAIN_MODIFIED_DATES in profile.options))
