"""Laws of pseudonyms that an attacker or a study would test: valid, injective, stable, unlinkable; dates keep every interval."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from math import sqrt

from deid_factory import KEY, OTHER_KEY, ct
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import UID, UID_dictionary

from anonymizer.deidentify import deidentify
from anonymizer.key import ProjectKey
from anonymizer.pseudonym import (
    SHIFT_RANGE_DAYS,
    Pseudonyms,
    is_letters,
    is_pseudonymous_uid,
    is_registered,
    shifted_date,
    shifted_datetime,
)

OURS, THEIRS = Pseudonyms(KEY), Pseudonyms(OTHER_KEY)
PATIENTS = [f"MRN{n:07d}" for n in range(4000)]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
ROOT = "1.2.840.113619.2.55.3."
PADDING = st.text(alphabet=" \x00", max_size=4)
KEYS = st.binary(min_size=32, max_size=32).map(ProjectKey)
RECORDED = ("PONAIZ34NC6KXS6CA", "AQGO5EHRID6XE3G5", -137, "2.25.323208961630152450876443539203389659764")
DAYS = st.dates(date(1920, 1, 1), date(2100, 12, 31))


def chi_square(observed: list[int], expected: float) -> float:
    return sum((count - expected) ** 2 / expected for count in observed)


def limit(freedom: int) -> float:
    """Five standard deviations above the mean of a chi-square distribution: one false alarm in a million."""
    return freedom + 5 * sqrt(2 * freedom)


def test_neighbouring_uids_get_different_valid_uids() -> None:
    mapped = {OURS.uid(f"{ROOT}{n}") for n in range(20_000)}
    assert len(mapped) == 20_000
    assert all(len(uid) <= 64 and UID(uid).is_valid and is_pseudonymous_uid(uid) for uid in mapped)
    assert not any(is_pseudonymous_uid(f"{ROOT}{n}") for n in range(50))


def test_neighbouring_patients_get_different_letters() -> None:
    assert len({OURS.patient_id(patient) for patient in PATIENTS}) == len(PATIENTS)
    assert len({OURS.accession(patient) for patient in PATIENTS}) == len(PATIENTS)
    assert all(is_letters(OURS.patient_id(p)) and is_letters(OURS.accession(p)) for p in PATIENTS[:50])


def test_the_mapping_is_the_same_next_year() -> None:
    """Written down once: a change of these values breaks every project that goes on with its key."""
    assert (OURS.patient_id("MRN00412345"), OURS.accession("ACC778899"), OURS.shift_days("MRN00412345"), OURS.uid("1.2.3")) == RECORDED


def test_every_registered_uid_stays() -> None:
    registered = [uid for uid in UID_dictionary if is_registered(uid)]
    assert len(registered) > 400
    assert all(OURS.uid(uid) == uid for uid in registered)
    assert not any(is_pseudonymous_uid(uid) for uid in registered)


def test_letters_are_spread_evenly_at_every_place() -> None:
    mapped = [OURS.patient_id(patient) for patient in PATIENTS]
    for place in range(1, 17):
        counts = [sum(letters[place] == letter for letters in mapped) for letter in ALPHABET]
        assert chi_square(counts, len(PATIENTS) / 32) < limit(31), place


def test_pseudonyms_of_two_keys_are_independent() -> None:
    """A table of the first letters under both keys: were one key's letters to say anything of the other's, it would not be even."""
    for one, two in ((OURS, THEIRS), (OURS, Pseudonyms(ProjectKey(bytes(31) + b"\x01")))):
        table = [0] * 64
        for patient in PATIENTS:
            first, second = one.patient_id(patient), two.patient_id(patient)
            table[
                "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".index(first[1]) // 4 * 8 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".index(second[1]) // 4
            ] += 1
        assert chi_square(table, len(PATIENTS) / 64) < limit(63)
        shared = [next(n for n in range(17) if one.uid(p)[5 + n] != two.uid(p)[5 + n]) for p in PATIENTS[:1000]]
        assert sum(shared) / len(shared) < 0.35, "UIDs of two keys share more leading digits than chance gives"
        assert {one.patient_id(p) for p in PATIENTS}.isdisjoint(two.patient_id(p) for p in PATIENTS)


def test_purposes_are_independent() -> None:
    same = sum(OURS.patient_id(p)[1:4] == OURS.accession(p)[1:4] for p in PATIENTS)
    assert same <= 3


def test_shifts_are_spread_over_ten_years_and_never_zero() -> None:
    shifts = [OURS.shift_days(patient) for patient in PATIENTS]
    assert all(-SHIFT_RANGE_DAYS <= shift <= -1 for shift in shifts)
    counts = [0] * 16
    for shift in shifts:
        counts[(-shift - 1) * 16 // SHIFT_RANGE_DAYS] += 1
    assert chi_square(counts, len(PATIENTS) / 16) < limit(15)
    low = sum((OURS.shift_days(p) & 1) == (THEIRS.shift_days(p) & 1) for p in PATIENTS)
    assert abs(low - len(PATIENTS) / 2) < 5 * sqrt(len(PATIENTS) / 4)


@given(KEYS, st.text(min_size=1, max_size=64), PADDING, PADDING)
def test_padding_makes_no_other_patient(key: ProjectKey, patient: str, before: str, after: str) -> None:
    mapping, variant = Pseudonyms(key), before + patient + after
    assert mapping.patient_id(patient) == mapping.patient_id(variant)
    assert mapping.accession(patient) == mapping.accession(variant)
    assert mapping.shift_days(patient) == mapping.shift_days(variant)


@given(PADDING)
@settings(max_examples=15, deadline=None)
def test_one_patient_across_studies_whatever_the_padding(after: str) -> None:
    one, _ = deidentify(ct(), KEY)
    two, _ = deidentify(ct(PatientID=f" MRN00412345{after}", StudyInstanceUID="1.2.3", StudyDate="20240301"), KEY)
    assert one.PatientID == two.PatientID
    assert _day(two.StudyDate) - _day(one.StudyDate) == timedelta(days=1)


@given(KEYS, st.text(min_size=1, max_size=20), st.lists(DAYS, min_size=2, max_size=6))
def test_every_interval_is_kept_to_the_day_over_leap_years(key: ProjectKey, patient: str, days: list[date]) -> None:
    shift = Pseudonyms(key).shift_days(patient)
    assert shift != 0
    moved = [_day(str(shifted_date(f"{day:%Y%m%d}", shift))) for day in days]
    assert [each - moved[0] for each in moved] == [day - days[0] for day in days]
    assert all(_day(str(shifted_date(f"{each:%Y%m%d}", -shift))) == day for each, day in zip(moved, days, strict=True))


@given(
    st.sampled_from(["20240229", "20240301", "20231231", "20240101", "20000229", "19991231", "21000228", "20240331"]),
    st.sampled_from(["", "10", "1011", "101112", "101112.000001", "235959.999999", "000000"]),
    st.sampled_from(["", "+0900", "-0330", "+1400"]),
    st.integers(-SHIFT_RANGE_DAYS, -1),
)
def test_a_datetime_moves_by_days_and_keeps_clock_and_offset(day: str, clock: str, offset: str, shift: int) -> None:
    moved = str(shifted_datetime(day + clock + offset, shift))
    assert moved == str(shifted_date(day, shift)) + clock + offset
    assert shifted_datetime(moved, -shift) == day + clock + offset


@given(DAYS, DAYS, st.text(min_size=1, max_size=20))
def test_ages_stay_within_the_year_that_leap_days_allow(birth: date, study: date, patient: str) -> None:
    shift = OURS.shift_days(patient)
    moved = [_day(str(shifted_date(f"{day:%Y%m%d}", shift))) for day in (birth, study)]
    assert (moved[1] - moved[0]).days == (study - birth).days
    assert abs(_years(*moved) - _years(birth, study)) <= 1


def _years(birth: date, study: date) -> int:
    return study.year - birth.year - ((study.month, study.day) < (birth.month, birth.day))


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day without a clock
