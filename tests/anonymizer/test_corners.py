"""Where header tools leak: file meta, preamble, private and UN sequences, overlays, trailing elements, odd VRs, charsets."""

from __future__ import annotations

import copy
import struct
from io import BytesIO

import pytest
from deid_factory import KEY, SYNTAXES, ct, decode, encode
from pydicom import dcmread, uid
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer.deidentify import deidentify
from anonymizer.errors import InputRefusedError
from anonymizer.files import encoded
from anonymizer.profile import Option, basic_profile, screening_profile

NAME = b"Winterbourne"


def cleaned_bytes(content: bytes) -> bytes:
    return encoded(deidentify(decode(content), KEY)[0])


def explicit(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    long = vr in (b"UN", b"SQ", b"OB", b"OW", b"UT")
    return head + (b"\0\0" + struct.pack("<I", len(value)) if long else struct.pack("<H", len(value))) + value


def implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def spliced(element: bytes, before_group: int = 0x0010) -> bytes:
    """A CT file with one hand-made element put where its tag belongs (before a group of explicit VR little endian)."""
    content = encode(ct())
    place = content.index(struct.pack("<HH", before_group, 0x0010) + b"PN" if before_group == 0x10 else struct.pack("<HH", 0x7FE0, 0x10))
    return content[:place] + element + content[place:]


def test_file_meta_and_preamble_are_new() -> None:
    content = encode(ct(), preamble=b"Winterbourne^Ariadne".ljust(128, b"!"))
    clean = dcmread(BytesIO(cleaned_bytes(content)))
    assert clean.preamble == bytes(128)
    assert clean.file_meta.MediaStorageSOPInstanceUID == clean.SOPInstanceUID
    assert "SourceApplicationEntityTitle" not in clean.file_meta
    assert b"SECRETAE" not in cleaned_bytes(content)


def test_the_data_set_says_what_was_done() -> None:
    image = ct(LongitudinalTemporalInformationModified="UNMODIFIED", DeidentificationMethod="by Winterbourne")
    clean, receipt = deidentify(image, KEY, screening_profile())
    assert (clean.PatientIdentityRemoved, clean.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
    assert [item.CodeValue for item in clean.DeidentificationMethodCodeSequence] == ["113100", "113107"]
    assert receipt.method_codes == ("113100", "113107")
    strict, _ = deidentify(image, KEY, basic_profile())
    assert strict.LongitudinalTemporalInformationModified == "REMOVED"
    assert strict.StudyDate == ""
    full, _ = deidentify(image, KEY, basic_profile(Option.RETAIN_FULL_DATES))
    assert (full.LongitudinalTemporalInformationModified, full.StudyDate) == ("UNMODIFIED", "20240229")


def test_the_input_is_not_changed() -> None:
    content = encode(ct(AnatomicRegionSequence=Sequence([ct()])))
    source = decode(content)
    for image in (source, ct(AnatomicRegionSequence=Sequence([ct()]))):
        before = copy.deepcopy(image)
        clean, _ = deidentify(image, KEY)
        clean.ImageType[0] = "CHANGED"
        assert image == before
    assert encoded(source)[-2000:] == content[-2000:]


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_geometry_and_pixels_are_the_same_bytes(syntax: uid.UID) -> None:
    source = decode(encode(ct(), syntax))
    clean = decode(encoded(deidentify(source, KEY)[0]))
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "Rows",
        "ConvolutionKernel",
        "SliceThickness",
        "ImageType",
    ):
        assert clean[keyword].value == source[keyword].value
    assert clean.PixelData == source.PixelData
    assert clean.file_meta.TransferSyntaxUID == syntax


@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined"])
def test_a_sequence_encoded_as_un_is_searched(undefined: bool) -> None:
    inner = implicit(0x00080104, b"kept meaning") + implicit(0x00100010, b"Winterbourne^Ariadne") + implicit(0x0020000D, b"1.2.826.0.1.99")
    if undefined:
        item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
        value = item + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        element = struct.pack("<HH", 0x0008, 0x2218) + b"UN\0\0" + struct.pack("<I", 0xFFFFFFFF) + value
    else:
        element = explicit(0x00082218, b"UN", struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner)
    result = cleaned_bytes(spliced(element))
    assert NAME not in result
    assert b"1.2.826.0.1.99" not in result
    assert dcmread(BytesIO(result)).AnatomicRegionSequence[0].CodeMeaning == "kept meaning"


def test_private_blocks_go_with_everything_in_them() -> None:
    image = ct()
    block = image.private_block(0x0099, "Winterbourne creator", create=True)
    nested = Dataset()
    nested.CodeMeaning = "hidden Winterbourne"
    block.add_new(1, "SQ", Sequence([nested]))
    block.add_new(2, "LO", "Winterbourne")
    inner = Dataset()
    inner.private_block(0x0011, "DEEP", create=True).add_new(3, "UN", b"Winterbourne")
    image.AnatomicRegionSequence = Sequence([inner])
    result = cleaned_bytes(encode(image))
    assert NAME not in result
    assert not any(element.tag.is_private for element in dcmread(BytesIO(result)).iterall())


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x60003000, "OW", b"Winterbourne"),
        (0x60024000, "LT", "Winterbourne"),
        (0x60040022, "LO", "Winterbourne"),
        (0x50003000, "OW", b"Winterbourne"),
        (0xFFFCFFFC, "OB", b"Winterbourne"),
        (0x00880200, "SQ", None),
        (0x00091001, "UN", b"Winterbourne"),
        (0x00186666, "UT", "Winterbourne"),
        (0x00280010, "LO", "Winterbourne"),
        (0x00189074, "LO", "Winterbourne"),
        (0x00200032, "DS", None),
    ],
    ids=lambda value: f"{value:08X}" if isinstance(value, int) else "",
)
def test_odd_places_do_not_carry_a_name_through(tag: int, vr: str, value: object) -> None:
    image = ct()
    if vr == "SQ":
        icon = Dataset()
        icon.CodeMeaning = "Winterbourne"
        value = Sequence([icon])
    if vr == "DS":
        content = encode(image).replace(b"-10.5\\-20.25\\30.125", b"Winterbourne\\0.1\\20")
    else:
        image.add(DataElement(tag, vr, value))
        content = encode(image)
    assert NAME in content.split(b"ISO_IR")[1]
    assert NAME not in cleaned_bytes(content)


def test_a_damaged_tag_does_not_carry_a_name_through_as_a_number() -> None:
    content = encode(ct(), uid.ImplicitVRLittleEndian)
    moved = content.replace(struct.pack("<HHI", 0x10, 0x10, 20) + NAME, struct.pack("<HHI", 0x28, 0x09, 20) + NAME)
    assert moved != content
    assert NAME not in cleaned_bytes(moved)


def test_bytes_behind_the_last_pixel_go() -> None:
    longer = ct(PixelData=ct().PixelData + b"Winterbourne")
    for source in (longer, decode(encode(longer))):
        clean, receipt = deidentify(source, KEY)
        assert clean.PixelData == ct().PixelData
        assert any(line.reason == "bytes_behind_the_last_pixel" for line in receipt.lines)


def test_nesting_without_end_is_refused() -> None:
    image = ct()
    for _ in range(60):
        outer = Dataset()
        outer.AnatomicRegionSequence = Sequence([image if image.get("Rows") is None else Dataset()])
        image = outer
    deep = ct(AnatomicRegionSequence=image.AnatomicRegionSequence)
    with pytest.raises(InputRefusedError) as refusal:
        deidentify(deep, KEY)
    assert refusal.value.reason == "nested_too_deep"


CHARSETS = [
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田太郎 頭部"),
    ("ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう", "太郎　山田さん"),
    (["ISO_IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", "ヤマダ タロウ"),
    ("GB18030", "Wang^XiaoDong=王^小东", "王小东 胸部"),
]


@pytest.mark.parametrize(("charset", "name", "echo"), CHARSETS, ids=["ir87", "utf8", "ir13", "gb18030"])
@pytest.mark.parametrize("syntax", SYNTAXES[:2], ids=["explicit", "implicit"])
def test_no_part_of_a_name_in_any_script_survives(charset: object, name: str, echo: str, syntax: uid.UID) -> None:
    inner = Dataset()
    inner.PatientName, inner.CodeMeaning = name, echo
    image = ct(SpecificCharacterSet=charset, PatientName=name, ReceiveCoilName=echo, SequenceName="t1")
    image.AnatomicRegionSequence = Sequence([inner])
    clean = decode(cleaned_bytes(encode(image, syntax)))
    texts = "".join(str(element.value) for element in clean.iterall())
    for part in name.replace("=", "^").split("^"):
        assert part not in texts
    assert echo not in texts
    assert clean.SequenceName == "t1"


@pytest.mark.filterwarnings("ignore:Unknown encoding")
def test_kept_text_in_an_unknown_charset_is_not_trusted() -> None:
    content = encode(ct(ReceiveCoilName="Spüle")).replace(b"ISO_IR 100", b"ISO_IR 999")
    clean = decode(cleaned_bytes(content))
    assert (clean.SpecificCharacterSet, clean.ReceiveCoilName) == ("ISO_IR 192", "ANONYMIZED")


def test_enhanced_geometry_stays(shared_data) -> None:
    paths = [*sorted((shared_data / "dicom2nifti" / "philips_enhanced").rglob("*.dcm")), shared_data / "eCT_Supplemental.dcm"]
    for path in paths:
        source = dcmread(path)
        clean = decode(encoded(deidentify(source, KEY)[0]))
        assert clean.PixelData == source.PixelData
        assert standard_geometry(source) == standard_geometry(clean)
        assert len(standard_geometry(clean)) > 8


def standard_geometry(image: Dataset) -> list[str]:
    """Geometry at any depth outside private sequences, which go as a whole."""
    found = []
    for element in image:
        if element.keyword in GEOMETRY:
            found.append(str(element))
        elif element.VR == "SQ" and not element.tag.is_private and element.keyword not in REFERENCES:
            found += [line for item in element.value for line in standard_geometry(item)]
    return found


REFERENCES = ("ReferencedImageSequence", "SourceImageSequence", "IconImageSequence")
GEOMETRY = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "DimensionIndexValues",
    "RescaleSlope",
    "FrameType",
)


def test_a_text_that_strayed_under_a_code_string_s_tag_does_not_stay() -> None:
    """One flipped bit makes (0008,0050) Accession Number, SH, into (0008,0052) Query/Retrieve Level, a CS that no rule lists."""
    content = encode(ct())
    strayed = content.replace(struct.pack("<HH", 0x0008, 0x0050) + b"SH", struct.pack("<HH", 0x0008, 0x0052) + b"SH")
    assert strayed != content
    assert b"ACC778899" not in cleaned_bytes(strayed)
