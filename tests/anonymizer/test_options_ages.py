"""Ages over 89 are one class; younger ones stay as they were."""

from __future__ import annotations

import pytest
from deid_factory import KEY, ct
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.ages import capped, without_old_ages, years
from anonymizer.deidentify import deidentify
from anonymizer.profile import Option, basic_profile


@given(st.integers(0, 999), st.sampled_from("DWMY"))
def test_an_age_string_says_at_most_090y(count: int, unit: str) -> None:
    value = f"{count:03d}{unit}"
    assert capped(value) == ("090Y" if years(count, unit) >= 90 else value)


@pytest.mark.parametrize(("age", "said"), [("093Y", "090Y"), ("090Y", "090Y"), ("089Y", "089Y"), ("999M", "999M"), ("004D", "004D")])
def test_under_patient_characteristics(age: str, said: str) -> None:
    image = ct(PatientAge=age, PatientSize="1.61", PatientWeight="60", EthnicGroup="X")
    clean = deidentify(image, KEY, basic_profile(Option.RETAIN_PATIENT_CHARACTERISTICS))[0]
    assert (clean.PatientAge, clean.PatientSex, clean.PatientSize, clean.PatientBirthDate) == (said, "F", 1.61, "")
    assert "PatientAge" not in deidentify(image, KEY)[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("93 year old male", "90+ year old male"),
        ("93yo F", "90+yo F"),
        ("93-year-old", "90+-year-old"),
        ("aged 95, fall", "aged 90+, fall"),
        ("Age: 101", "Age: 90+"),
        ("1104 months old", "90+ months old"),
        ("33000 days old", "90+ days old"),
        ("93歳 男性", "90+歳 男性"),
        ("９３歳", "90+歳"),
        ("九十三歳", "90+歳"),
        ("94.5 years old", "90+ years old"),
    ],
)
def test_in_free_text(text: str, said: str) -> None:
    assert without_old_ages(text) == said
    clean = deidentify(ct(SpecificCharacterSet="ISO_IR 192", StudyDescription=text), KEY, basic_profile(Option.CLEAN_DESCRIPTORS))[0]
    assert clean.StudyDescription == said


@pytest.mark.parametrize(
    "text", ["89 year old", "TE 93 ms", "MIP 93 mm", "120 kV 95 mAs", "95% RR", "5-year follow-up", "T2 1000 d", "CT 93 slices", "age 90+"]
)
def test_what_is_no_old_age_stays(text: str) -> None:
    assert without_old_ages(text) == text
