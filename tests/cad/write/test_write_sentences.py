"""Methods and reasons in Japanese: every number carried over, nothing lost, what is unknown kept as it is."""

from __future__ import annotations

import re

import pytest

from cad.finding import Measurement
from cad.measure.aorta.landmarks import METHODS
from cad.measure.growth import Change, Sighting, growth_measurements
from cad.write.sentences import in_language

SAID = [
    "usual step 2.75 mm, but 13.75 mm between -72.45 and -58.70 mm, 5.50 mm between 12.80 and 18.30 mm "
    "along the normal: about 5 slices missing",
    "no volume could be made of it: usual step 2.75 mm, but 5.50 mm between 12.80 and 18.30 mm along the normal: about 1 slice missing",
    "could serve (axial 133 slices of 2.5 mm, body part CHEST, contrast, a late phase, soft kernel), but another is preferred: axial "
    "104 slices of 2.75 mm, body part not named, lung kernel",
    "CT axial 133 slices, 2.5 mm apart (STANDARD)",
    "CT coronal 30 slices, 8 mm apart",
    "modality CT, needs MR",
    "coronal slices of 8 mm, needs axial ones or slices of at most 3 mm",
    "MacMahon, Radiology 2017;284:228; 1 nodule of at least 50% confidence counted",
    "share of the shell 2 to 4 mm around it taken by structures from -500 HU, "
    "thinner than 5 mm, that lead 5 mm away; strands count as vessels",
    "air (below -800 HU, to half the height of its wall) enclosed in the outline, by volume",
    "4156 voxels inside the outline",
    "not compared: the prior may be of another person; the bones agree with r = 0.21",
    "the bones agree with r = 0.86, which reaches 0.4",
    "an archive: its 12 files follow one by one",
    "60000 files in one archive (accepted: at most 50000)",
    "unpacks to 9000 MiB from 12 (accepted: at most 200 times its size)",
    "an encrypted archive member (accepted: without a password)",
    "an archive member of more than 4 GiB",
    "an archive inside an archive (accepted: unpack it first)",
    "1.96 SD of that noise, at least 25 % (NELSON, BTS)",
    "ImageType says localizer: a planning view, not a volume",
    "modality MR; CT and MR are read",
    "3 samples a pixel; grey images are read",
    "2 other studies of this patient cannot be put in order: a study date is missing or was removed",
]
NAMES = r"NELSON|BTS|UID|SOP|ImageType|ln|CT|MR|HU|CHEST|STANDARD|RECIST|MacMahon|Radiology|mm|mg|r|MiB|GiB|zip"


@pytest.mark.parametrize("said", SAID)
def test_a_sentence_is_japanese_and_keeps_its_numbers(said: str) -> None:
    told = in_language("ja", said)
    assert sorted(re.findall(r"-?\d+(?:\.\d+)?", told)) == sorted(re.findall(r"-?\d+(?:\.\d+)?", said))
    assert not set(re.findall(r"[A-Za-z]+", told)) - set(NAMES.split("|")), told
    assert in_language("en", said) == said


def test_what_no_pattern_knows_stays() -> None:
    assert in_language("ja", "a reason of tomorrow, 3 mm") == "a reason of tomorrow, 3 mm"


def test_sequences_looked_at_together_are_told_in_japanese() -> None:
    beside = in_language("ja", "looked at as T2 beside the preferred series; it moved by up to 7 mm to lie on it")
    assert beside == "優先シリーズに並べてT2として使用（最大7 mm移動して重ねた）"
    kept = in_language("ja", "MR type T1c (GR, TE 2.9; the header keeps an emptied contrast agent)")
    assert kept == "MR種別 T1c（GR, TE 2.9、ヘッダーに空の造影剤欄が残る）"
    assert in_language("ja", "MR type T1 (GR, TE 2.9)") == "MR種別 T1（GR, TE 2.9）"


def test_the_aortas_method_is_known() -> None:
    assert all(in_language("ja", method) != method for method in METHODS.values())


@pytest.mark.parametrize("on_grid", [Change(0.5, 0.05), None])
def test_every_method_of_growth_is_known(on_grid: Change | None) -> None:
    seen = Sighting((Measurement("volume", 300.0, "mm3", "", (250.0, 350.0)), Measurement("effective_diameter", 8.3, "mm", "")), 1.0, 1.0)
    for measurement in growth_measurements(seen, seen, 100, on_grid):
        told = in_language("ja", measurement.method)
        assert not set(re.findall(r"[A-Za-z]+", told)) - set(NAMES.split("|")), measurement.method
