"""A patient's own values repeated in text that is kept: found in any width, case, order and script, and nothing else is."""

from __future__ import annotations

import pytest
from deid_factory import KEY, ct, decode, encode
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer.deidentify import deidentify
from anonymizer.echo import Identity, echo_of
from anonymizer.files import encoded
from anonymizer.folding import fold, folded_with_places
from anonymizer.profile import Option, basic_profile

ECHO = echo_of(
    Identity(
        names=("Yamada^Tarou=山田^太郎=やまだ^たろう", "Müller-Lüdenscheidt^Anne", "Li^Wu", "Anonymous^Patient"),
        identifiers=("MRN00412345", "0007731", "A12"),
        phrases=("St. Example General Hospital", "東都中央病院"),
        birth_dates=("19531107",),
    )
)


@pytest.mark.parametrize(
    "text",
    [
        "coil for YAMADA",
        "taro_yamada_tarou_2",
        "TarouYamada",
        "ＹＡＭＡＤＡ様",
        "山田様用",
        "太郎",
        "ﾔﾏﾀﾞ ﾀﾛｳ",
        "ヤマダ",
        "muller",
        "Lüdenscheidt",
        "Anne M",
        "mrn 00412345",
        "MRN-0041-2345",
        "id 7731",
        "0007731",
        "A12 kernel",
        "Example General",
        "GENERAL-HOSPITAL",
        "東都中央病院 CT",
        "1953-11-07",
        "07.11.1953",
        "11/7/1953",
        "19531107",
        "昭和28年11月7日",
        "S28.11.7",
        "from 1.2.840.113619.2.55.3.604688119",
    ],
)
def test_found(text: str) -> None:
    assert ECHO.found_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "B40f",
        "STANDARD",
        "LightSpeed VCT",
        "Patient",
        "anonymous",
        "2.4.2_H2.4M5",
        "A123 series",
        "syngo CT 2007A",
        "fl3d1",
        "山",
        "",
    ],
)
def test_left_alone(text: str) -> None:
    assert not ECHO.found_in(text)
    assert ECHO.cleaned(text) == text


def test_kept_texts_are_cleaned_and_the_receipt_says_so() -> None:
    image = ct(
        ConvolutionKernel="Winterbourne",
        SequenceName="ok",
        ReceiveCoilName="MRN00412345",
        ImageType=["ORIGINAL", "PRIMARY", "WINTERBOURNE"],
    )
    clean, receipt = deidentify(image, KEY)
    assert (clean.ConvolutionKernel, clean.ReceiveCoilName, clean.SequenceName) == ("ANONYMIZED", "ANONYMIZED", "ok")
    assert "WINTERBOURNE" not in str(clean.ImageType)
    assert {line.path for line in receipt.lines if line.reason == "echo"} == {"(0008,0008)", "(0018,1210)", "(0018,1250)"}
    assert "interbourne" not in str(receipt)
    assert "interbourne" not in str(receipt.to_json())


def test_names_found_deep_are_looked_for_everywhere() -> None:
    inner = Dataset()
    inner.EvaluatorName = "Quillfeather^Bo"
    image = ct(ConvolutionKernel="quillfeather", AnatomicRegionSequence=Sequence([inner]))
    assert b"uillfeather" not in encoded(deidentify(decode(encode(image)), KEY)[0])


def test_a_name_that_is_a_term_of_the_standard_costs_nothing() -> None:
    clean, _ = deidentify(ct(PatientName="Axial^Chest", BodyPartExamined="CHEST"), KEY)
    assert (clean.BodyPartExamined, list(clean.ImageType)) == ("CHEST", ["ORIGINAL", "PRIMARY", "AXIAL"])


def test_numbers_that_are_the_patients_id_go() -> None:
    clean, _ = deidentify(ct(PatientID="620115", SeriesNumber="620115", InstanceNumber="62"), KEY)
    assert (clean.SeriesNumber, clean.InstanceNumber) == (0, 62)


def test_clean_descriptors_keeps_what_is_not_personal() -> None:
    image = ct(
        StudyDescription="CT chest Winterbourne follow-up",
        SeriesDescription="Thorax 1.5 B70f",
        ImageComments="seen by Dr. Vale on 12/03/2024",
    )
    clean, _ = deidentify(image, KEY, basic_profile(Option.CLEAN_DESCRIPTORS))
    assert clean.StudyDescription == "CT chest follow-up"
    assert clean.SeriesDescription == "Thorax 1.5 B70f"
    assert "2024" not in clean.ImageComments
    basic, _ = deidentify(image, KEY)
    assert "StudyDescription" not in basic


CLEANED = [
    ("CT chest Yamada follow-up", "CT chest follow-up"),
    ("山田太郎 頭部MRI", "頭部MRI"),
    ("前回(ヤマダタロウ)と比較", "前回と比較"),
    ("Tarouの胸部CT", "の胸部CT"),
    ("seen with 1953-11-07 film", "seen with film"),
    ("scan 2 for MRN-0041-2345, repeat", "scan 2 for , repeat"),
    ("transferred from Example General", "transferred from"),
    ("Referred by Dr. Vale for staging", "Referred by for staging"),
    ("担当医: 佐藤 胸部CT", "胸部CT"),
    ("佐藤先生 再検", "再検"),
    ("mail vale@example.org today", "mail today"),
    ("on 12 March 2024 and March 3rd, 2023", "on and"),
    ("令和6年2月29日 撮影", "撮影"),
]


@pytest.mark.parametrize(("text", "left"), CLEANED)
def test_only_what_is_personal_is_cut_out(text: str, left: str) -> None:
    assert ECHO.cleaned(text) == left


@pytest.mark.parametrize(
    "text", ["腹部CT 同様の仕様", "模様眺め", "Thorax 1.5 B70f", "t2_tse_sag_320", "Mr_1 t1", "MPR 3 mm / 2 mm", "", "(C+)", "AX T1 +C -"]
)
def test_innocent_text_comes_back_as_it_was(text: str) -> None:
    assert ECHO.cleaned(text) == text


@given(st.text(alphabet="abYamadTro 山田太郎やまだヤマﾔﾏﾀﾞ-_^.,0123456789", max_size=40))
def test_cleaning_leaves_nothing_to_find_and_cleans_once(text: str) -> None:
    left = ECHO.cleaned(text)
    assert not ECHO.found_in(left)
    assert ECHO.cleaned(left) == left


@given(st.text(max_size=30))
def test_folding_letter_by_letter_is_folding(text: str) -> None:
    folded, places = folded_with_places(text)
    assert folded == fold(text)
    assert len(places) == len(folded)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Müller^Jörg", "MUELLER"),
        ("Mueller^Joerg", "Mueller"),
        ("Hattori^Shouji", "ハットリ"),
        ("Satou^Hanako", "サトウ"),
        ("はっとり^しょうじ", "Hattori Shoji"),
        ("なんば^ゆうじ", "NAMBA"),
        ("おおた^りょう", "Ota Ryo"),
        ("Szczepański^Wojciech", "Szczepan"),
        ("Winterbourne^Ariadne", "WINTERBOU"),
    ],
)
def test_other_spellings_of_a_name(name: str, text: str) -> None:
    assert echo_of(Identity(names=(name,))).found_in(text)


MISSPELT = ["Winterbuorne", "Winterbourn", "Winterbounre", "Wimterbourne", "Winterbbourne", "Arjadne"]


@pytest.mark.parametrize("text", MISSPELT)
def test_a_long_name_with_one_letter_wrong(text: str) -> None:
    echo = echo_of(Identity(names=("Winterbourne^Ariadne",)))
    assert echo.found_in(text)
    assert echo.cleaned(f"CT {text} chest") == "CT chest"


@pytest.mark.parametrize("text", ["winter", "interbody", "Ariane 5", "contrast", "abdomen"])
def test_other_words_are_not_misspelt_names(text: str) -> None:
    assert not echo_of(Identity(names=("Winterbourne^Ariadne", "Contrasta^Abdomenn"))).found_in(text)
