"""What statements say, in what order, and that they say nothing that was not measured."""

import re

import pytest

from cad.errors import ShokenError
from cad.explain.claim import claim_of_scan
from cad.explain.statement import aorta_statement, lesion_statement, nodule_statement
from cad.explain.wording import AORTA_PLACES, LOCATIONS, OUTCOMES, TEXTURES
from cad.finding import Claim, Measurement

NODULE = (
    Measurement("location", None, "", "m", label="right_upper_zone"),
    Measurement("long_axis", 8.24, "mm", "m", (7.9, 8.6)),
    Measurement("short_axis", 6.61, "mm", "m", (6.3, 6.9)),
    Measurement("volume", 214.4, "mm3", "m", (190.0, 240.0)),
    Measurement("texture", None, "", "m", label="part_solid"),
    Measurement("mean_hu", -312.0, "[hnsf'U]", "m"),
    Measurement("solid_fraction", 0.42, "1", "m"),
    Measurement("spiculation_index", 0.15, "1", "m"),
    Measurement("lobulation_index", 0.02, "1", "m"),
    Measurement("margin_width", 2.1, "mm", "m"),
    Measurement("pleural_contact", 0.0, "1", "m", label="free"),
)
AORTA = (
    Measurement("aorta_ascending_max", 45.3, "mm", "m", (44.6, 46.0)),
    Measurement("aorta_mid_arch", 31.0, "mm", "m"),
    Measurement("aorta_diaphragm", None, "mm", "m", outcome="not_in_scan"),
    Measurement("aorta_max", 45.3, "mm", "m", (44.6, 46.0)),
)
ORDER = ["site", "size", "texture", "margin", "attachment", "impression", "confidence"]


def test_english():
    said = nodule_statement(NODULE, 0.86, "en")
    assert [c.topic for c in said.clauses] == ORDER
    assert said.text.startswith("Nodule in the upper zone of the right lung. It measures 8.2 x 6.6 mm; volume 214 mm3")
    for words in (
        "part-solid",
        "-312 HU",
        "42%",
        "spiculated",
        "does not touch the pleura",
        "Confidence 86% (high)",
        "because",
        "would change",
    ):
        assert words in said.text


def test_japanese():
    said = nodule_statement(NODULE, 0.86, "ja")
    assert [c.topic for c in said.clauses] == ORDER
    assert said.text.startswith("右肺上肺野に結節を認めます。大きさは8.2×6.6 mm、体積214 mm³")
    for words in ("部分充実型", "平均CT値 -312 HU", "スピキュラ", "胸膜との接触は認めません", "確信度86%（高い）", "結論は変わり得ます"):
        assert words in said.text
    assert not re.search(r"[a-z]{4,}", said.text.replace("Fleischner", ""))


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_clause_names_measurements_that_exist(lang):
    names = {m.name for m in NODULE} | {"calcified_fraction"}
    for clause in nodule_statement(NODULE, 0.5, lang).clauses:
        assert clause.sources
        assert set(clause.sources) <= names


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_number_said_was_measured(lang):
    """Numbers come from the measurements, their intervals, the confidence, or a named threshold."""
    said = nodule_statement(NODULE, 0.86, lang).text
    known = {f"{m.value:.{d}f}" for m in NODULE if m.value is not None for d in (0, 1, 2)}
    known |= {f"{v:.0f}" for m in NODULE if m.interval for v in m.interval} | {"42", "86", "95", "7.4", "6", "2017", "3"}
    assert {n.lstrip("-") for n in re.findall(r"-?\d+(?:\.\d+)?", said)} <= {k.lstrip("-") for k in known}


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "cannot be measured: no outline was found"), ("ja", "輪郭が得られないため計測できません")]
)
def test_what_was_not_measured_is_said_to_be_so(lang, words):
    empty = tuple(Measurement(m.name, None, m.unit, "m", outcome="empty_mask") for m in NODULE)
    said = nodule_statement(empty, 0.2, lang)
    assert words in said.text
    assert "None" not in said.text
    assert nodule_statement((), 0.2, lang).clauses[1].text


def test_size_texture_and_novelty_change_the_words():
    small = tuple(Measurement(m.name, 4.0, "mm", "m") if m.name.endswith("_axis") else m for m in NODULE)
    said = nodule_statement(small, 0.2, "en", claim=claim_of_scan("unusual")).text
    assert "below the 6 mm" in said
    assert "growth beyond 6 mm" in said
    assert "(low)" in said
    assert "the scan is unusual" in said
    calcified = tuple(Measurement("texture", None, "", "m", label="calcified") if m.name == "texture" else m for m in NODULE)
    assert "calcified nodule" in nodule_statement(calcified, 0.5, "en").text


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ("45.3 mm at its widest", "Not measurable at the level of the diaphragm", "dilated aorta")),
        ("ja", ("最大径は45.3 mm", "横隔膜レベルは撮像範囲に含まれないため計測できません", "大動脈拡張")),
    ],
)
def test_the_aorta(lang, words):
    said = aorta_statement(AORTA, 0.9, lang)
    assert [c.topic for c in said.clauses] == ["size", "landmark", "landmark", "landmark", "impression", "follow_up", "confidence"]
    assert all(w in said.text for w in words)
    narrow = tuple(Measurement(m.name, 30.0, "mm", "m") for m in AORTA)
    assert ("no dilatation" if lang == "en" else "拡張を認めません") in aorta_statement(narrow, 0.9, lang).text
    assert ("not assessed" if lang == "en" else "評価できません") in aorta_statement((), 0.9, lang).text


@pytest.mark.parametrize(("lang", "words"), [("en", ("left cerebral hemisphere", "higher")), ("ja", ("左大脳半球", "高い"))])
def test_a_brain_lesion(lang, words):
    brain = (Measurement("location", None, "", "m", label="left_hemisphere"), *NODULE[1:4], Measurement("contrast_ratio", 1.6, "1", "m"))
    said = lesion_statement(brain, 0.6, lang).text
    assert all(w in said for w in words)
    assert "lung" not in said
    assert "HU" not in said


def test_both_languages_know_the_same_words():
    for tables in (LOCATIONS, TEXTURES, AORTA_PLACES, OUTCOMES):
        assert set(tables["en"]) == set(tables["ja"])
    with pytest.raises(ShokenError, match="en, ja"):
        nodule_statement(NODULE, 0.5, "de")


def claimed(**facts):
    return Claim("lesion", 0.9, (38, 41), if_changed=(("fat", 0.12), ("erased", 0.02)), **facts)


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        (
            "en",
            (
                "Called a lesion: of 41 calibration findings called so, 38 (93%) were",
                "at most 10% of the look-alikes",
                "fat 12%, painted over 2%",
            ),
        ),
        ("ja", ("同判定41件中38件、93%が病変", "偽陽性がこう判定されるのは最大10%", "脂肪濃度なら12%、消去すると2%")),
    ],
)
def test_the_verdict_says_how_often_it_was_right_and_what_would_change_the_score(lang, words):
    said = nodule_statement(NODULE, 0.9, lang, claim=claimed())
    assert [c.topic for c in said.clauses][-3:] == ["confidence", "verdict", "if_changed"]
    assert all(word in said.text for word in words)


@pytest.mark.parametrize(
    ("lang", "words", "gone"),
    [
        ("en", ("Score 90%, not calibrated for such a finding", "does not hold under small changes", "Undecided"), "Confidence"),
        ("ja", ("スコア90%（このような所見には較正されていません）", "スコアが保たれない", "判定は保留"), "確信度90%"),
    ],
)
def test_a_claim_that_was_taken_away_is_not_worded_as_a_confidence(lang, words, gone):
    said = nodule_statement(NODULE, 0.9, lang, claim=Claim("unsure", 0.9, calibrated=False, doubts=("unsteady",))).text
    assert all(word in said for word in words)
    assert gone not in said
