"""The fast way gives what the slow way gives, byte for byte, or steps aside; it never passes what the other refuses."""

from __future__ import annotations

import gc
import random
import struct
from pathlib import Path

import pydicom.data
import pytest
from bytewalk_pairs import both, both_of
from deid_factory import KEY, SYNTAXES, ct, encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer import bytewalk, reading
from anonymizer.bytewalk.header import header_of
from anonymizer.bytewalk.walk import _Memory, _memory
from anonymizer.clean import Clean
from anonymizer.files import SCREENING_PROFILE, deidentify_for_vault, scan_identity
from anonymizer.profile import Option, Profile, basic_profile, profile_named, screening_profile
from anonymizer.vault import entries_of

PROFILES = (
    screening_profile(),
    basic_profile(),
    profile_named("screening+clean_descriptors+retain_safe_private+clean_graphics+retain_device_identity+retain_patient_characteristics"),
    basic_profile(Option.RETAIN_UIDS, Option.RETAIN_FULL_DATES, Option.RETAIN_INSTITUTION_IDENTITY),
)
NAMED = [profile.name[-25:] for profile in PROFILES]
PLAIN = SYNTAXES[:2]


def nested(**attributes: object) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def rich(number: int = 1, **changes: object) -> Dataset:
    """A slice with sequences of both kinds, private elements, an overlay, odd values and a tail."""
    image = ct(SOPInstanceUID=f"1.2.826.0.1.3680043.9.7777.1.1.{number}", InstanceNumber=str(number))
    image.ImagePositionPatient = [-10.5, -20.25, number * 2.5]
    image.AcquisitionTime = f"1011{number % 60:02d}.5"
    deep = nested(PatientName="Winterbourne^Ariadne", CodeMeaning="seen by Winterbourne", ReferencedSOPInstanceUID="1.2.3.4.5")
    image.ProcedureCodeSequence = Sequence([nested(CodeValue="T-1", CodingSchemeDesignator="SRT", CodeMeaning="Chest")])
    image.AnatomicRegionSequence = Sequence([nested(CodeMeaning="Lung", AnatomicRegionModifierSequence=Sequence([deep, Dataset()]))])
    image.RequestAttributesSequence = Sequence([])
    image.StudyComments, image.ReceiveCoilName, image.KVP = "about Winterbourne", "HEAD", None
    image.SmallestImagePixelValue = 0
    block = image.private_block(0x0029, "WINTERBOURNE 1.0", create=True)
    block.add_new(1, "LO", "secret Winterbourne")
    block.add_new(2, "SQ", Sequence([nested(PatientID="MRN00412345")]))
    image.add_new(0x60000010, "US", 4)
    image.add_new(0x60003000, "OW", b"\x01\x02")
    image.add_new(0xFFFCFFFC, "OB", b"\0" * 6)
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    return image


def undefined_lengths(image: Dataset) -> Dataset:
    for element in image.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
    return image


@pytest.mark.parametrize("profile", PROFILES, ids=NAMED)
@pytest.mark.parametrize("syntax", PLAIN, ids=["explicit", "implicit"])
@pytest.mark.parametrize("open_ended", [False, True], ids=["defined", "undefined"])
def test_both_ways_agree_on_a_series(profile: Profile, syntax: uid.UID, open_ended: bool) -> None:
    for number in range(1, 5):
        image = undefined_lengths(rich(number)) if open_ended else rich(number)
        if open_ended and syntax == uid.ImplicitVRLittleEndian:
            del image[0x00291002]  # nothing says that it is a sequence; the slow way guesses
        fast, _ = both_of(encode(image, syntax), profile)
        assert fast is not None


@pytest.mark.parametrize("syntax", SYNTAXES[2:], ids=["big endian", "deflated"])
def test_other_encodings_are_left_to_the_slow_way(syntax: uid.UID) -> None:
    fast, slow = both_of(encode(rich(), syntax))
    assert fast is None
    assert isinstance(slow, Clean)


def tagged(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    return head + (b"\0\0" + struct.pack("<I", len(value)) if vr in (b"UN", b"SQ") else struct.pack("<H", len(value))) + value


def before(group: int, element: bytes, content: bytes) -> bytes:
    place = content.index(struct.pack("<HH", group, 0x10))
    return content[:place] + element + content[place:]


ODDITIES = {
    "bytes left over": lambda content: content + b"\0\0\0",
    "an element twice": lambda content: content + content[content.index(b"\xe0\x7f\x10\0") :],
    "a sequence as UN": lambda content: before(0x10, tagged(0x00082218, b"UN", struct.pack("<HHI", 0xFFFE, 0xE000, 0)), content),
    "a VR nobody knows": lambda content: before(0x10, tagged(0x00081072, b"ZZ", b"ab"), content),
    "out of order": lambda content: before(0x10, tagged(0x00181000, b"LO", b"ab"), content),
    "wrong meta length": lambda content: content[:140] + struct.pack("<I", 10) + content[144:],
    "no prefix": lambda content: content[132:],
    "cut": lambda content: content[:-2],
    "an odd UID": lambda content: content.replace(b"7777.1.1.1", b"7777.1.1 1"),
}


@pytest.mark.parametrize("change", ODDITIES.values(), ids=ODDITIES)
def test_what_has_not_one_reading_is_left_to_the_slow_way(change: object) -> None:
    fast, _ = both_of(change(encode(ct())))  # type: ignore[operator]
    assert fast is None


def test_what_one_patient_may_keep_another_may_not() -> None:
    kept, _ = both_of(encode(ct(PatientName="Okonkwo^Ada", ReceiveCoilName="Winterbourne")))
    cleaned, _ = both_of(encode(ct(ReceiveCoilName="Winterbourne")))
    assert kept is not None
    assert cleaned is not None
    assert b"Winterbourne" in b"".join(kept.pieces)
    assert b"Winterbourne" not in b"".join(cleaned.pieces)


def test_the_same_bytes_at_another_depth_are_another_patient() -> None:
    above = ct(ReferencedStudySequence=Sequence([nested(CodeMeaning="a")]))
    below = ct(ReferencedPatientSequence=Sequence([nested(PatientID="MRN00412345")]))
    del below.PatientID
    first, _ = both_of(encode(above))
    second, _ = both_of(encode(below))
    assert first is not None
    assert second is not None


CHARSETS = [
    ("ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう", "太郎　山田さん"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田太郎 頭部"),
    (["ISO_IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", "ヤマダ タロウ"),
    ("GB18030", "Wang^XiaoDong=王^小东", "王小东 胸部"),
    ("ISO_IR 100", "Müller^Jörg", "Spüle"),
]


@pytest.mark.parametrize(("charset", "name", "text"), CHARSETS, ids=["utf8", "ir87", "ir13", "gb18030", "latin1"])
@pytest.mark.parametrize("syntax", PLAIN, ids=["explicit", "implicit"])
def test_every_script_comes_out_the_same(charset: object, name: str, text: str, syntax: uid.UID) -> None:
    image = ct(SpecificCharacterSet=charset, PatientName=name, ReceiveCoilName=text, ContrastBolusAgent=text, SequenceName="t1")
    image.AnatomicRegionSequence = Sequence([nested(PatientName=name, CodeMeaning=text)])
    for profile in PROFILES:
        fast, slow = both_of(encode(image, syntax), profile)
        assert isinstance(slow, Clean)
        assert fast is not None


@pytest.mark.filterwarnings("ignore")
def test_an_unknown_charset_is_left_to_the_slow_way() -> None:
    fast, slow = both_of(encode(ct(ReceiveCoilName="Spüle")).replace(b"ISO_IR 100", b"ISO_IR 999"))
    assert fast is None
    assert isinstance(slow, Clean)


_TAGS = """
    00080008 00080060 00080070 00081030 0008103E 00100010 00101010 00180050 00181030 00181250 00189087 00200012
    00200032 00201041 00204000 00280106 00281050 00321060 00400254 0040A124 00880140 00081155 00190010 00191001
    00191002 00081072 60000010 00189073
"""
TAGS = st.sampled_from([int(text, 16) for text in _TAGS.split()])
VALUES = st.binary(max_size=12) | st.sampled_from(
    [b"1.5 ", b"20240229", b"Winterbourne", b"1.2.3.4", b" 7 ", b"A\\B ", b"ACME", b"\x1b$BabC", b""]
)
Made = dict[int, tuple[str, object]]


@st.composite
def made(draw: st.DrawFn, depth: int = 2) -> Made:
    """Some attributes with values that may or may not be of their VR, and a sequence of the same."""
    elements: Made = {}
    for tag in draw(st.sets(TAGS, max_size=8)):
        proper = dictionary_VR(tag)[:2] if not tag >> 16 & 1 else "LO"
        elements[tag] = draw(st.sampled_from([proper, proper, proper, "LO", "UT", "UN"])), draw(VALUES)
    if depth:
        elements[0x00082218] = "SQ", draw(st.lists(made(depth=depth - 1), max_size=2))
    return elements


def laid_out(elements: Made, implicit: bool, open_ended: bool) -> dict[int, bytes]:
    """Whole elements by tag, as they stand in a file."""
    return {tag: one_laid_out(tag, *elements[tag], implicit, open_ended) for tag in sorted(elements)}


def one_laid_out(tag: int, vr: str, value: object, implicit: bool, open_ended: bool) -> bytes:
    if isinstance(value, list):
        inside = [b"".join(laid_out(item, implicit, open_ended).values()) for item in value]
        end = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) if open_ended else b""
        items = [struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF if open_ended else len(item)) + item + end for item in inside]
        content = b"".join(items) + (struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) if open_ended else b"")
    else:
        content = bytes(value) + b" " * (len(value) % 2)  # type: ignore[arg-type, call-overload]
    length = 0xFFFFFFFF if open_ended and vr == "SQ" else len(content)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return head + struct.pack("<I", length) + content
    return (
        head
        + vr.encode()
        + (b"\0\0" + struct.pack("<I", length) if vr in ("SQ", "UN", "UT", "OB", "OW") else struct.pack("<H", length))
        + content
    )


def with_extra(extra: Made, syntax: uid.UID, open_ended: bool) -> bytes:
    """A CT file into which these elements are put."""
    whole = encode(ct(), syntax)
    source = reading.Source(None, len(whole), whole)  # type: ignore[arg-type]
    header = header_of(source)
    assert header is not None
    raws = dict(zip(header.tags, header.raws, strict=True)) | laid_out(extra, header.implicit, open_ended)
    pixels = whole.rindex(b"\xe0\x7f\x10\0")
    return whole[: whole.index(header.raws[0])] + b"".join(raws[tag] for tag in sorted(raws)) + whole[pixels:]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(extra=made(), syntax=st.sampled_from(PLAIN), profile=st.sampled_from(PROFILES), open_ended=st.booleans())
@pytest.mark.filterwarnings("ignore")
def test_both_ways_agree_on_made_up_data_sets(extra: Made, syntax: uid.UID, profile: Profile, open_ended: bool) -> None:
    both_of(with_extra(extra, syntax, open_ended), profile)


@pytest.mark.parametrize("syntax", PLAIN, ids=["explicit", "implicit"])
def test_both_ways_agree_on_damaged_files(syntax: uid.UID, tmp_path: Path) -> None:
    chance = random.Random(syntax)
    whole = encode(undefined_lengths(rich()) if syntax == PLAIN[0] else rich(), syntax)
    fasts = 0
    for _ in range(250):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            content[chance.randrange(132, len(content))] = chance.choice((0, 1, 2, 8, 16, 32, 255, chance.randrange(256)))
        (tmp_path / "damaged").write_bytes(content)
        fasts += both(tmp_path / "damaged")[0] is not None
    assert fasts > 25


def test_both_ways_agree_on_every_real_file(shared_data: Path) -> None:
    fasts = slows = 0
    for path in sorted(shared_data.rglob("*")):
        if path.is_file():
            fast, slow = both(path)
            fasts, slows = fasts + (fast is not None), slows + isinstance(slow, Clean)
    assert slows > 100
    assert fasts / slows > 0.98


@pytest.mark.filterwarnings("ignore")
def test_both_ways_agree_on_the_files_that_come_with_pydicom() -> None:
    paths = list((Path(pydicom.data.__file__).parent / "charset_files").glob("*.dcm"))
    assert paths
    for path in paths:
        both(path)


def test_the_scan_agrees_with_the_slow_scan(tmp_path: Path) -> None:
    path = tmp_path / "one"
    for image in (rich(), ct(SOPClassUID=uid.SecondaryCaptureImageStorage)):
        path.write_bytes(encode(image))
        scanned = scan_identity(path, KEY)
        bare = tmp_path / "bare"
        bare.write_bytes(encode(image)[132:])
        assert scanned == scan_identity(bare, KEY)


def test_a_vault_gets_the_same_entries_from_both_ways(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(encode(rich()))
    (tmp_path / "deflated").write_bytes(encode(rich(), uid.DeflatedExplicitVRLittleEndian))
    plain, deflated = (deidentify_for_vault(tmp_path / name, tmp_path / "out", KEY) for name in ("plain", "deflated"))
    assert plain.entries == deflated.entries
    assert plain.entries == entries_of(rich(), KEY)
    assert "Winterbourne" not in repr(plain)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anonymizer.bytewalk.settled._MAX_BYTES", 20_000)
    _memory.cache_clear()
    for number in range(1, 40):
        fast, _ = both_of(encode(ct(ContentTime=f"{number:06d}", PatientID=f"{number % 35:08d}")))
        assert fast is not None
    (memory,) = (held for held in gc.get_objects() if isinstance(held, _Memory) and held.settled)
    assert len(memory.settled) <= 32
    for settled in memory.settled.values():
        assert sum(map(len, settled.known)) < 20_000


def test_pixels_that_are_to_be_cleaned_are_left_to_the_slow_way(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(encode(ct()))
    source = reading.opened(tmp_path / "one")
    assert isinstance(source, reading.Source)
    with source:
        assert bytewalk.cleaned(source, KEY, SCREENING_PROFILE) is not None
        assert bytewalk.cleaned(source, KEY, basic_profile(Option.CLEAN_PIXEL_DATA)) is None
