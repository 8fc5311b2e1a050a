"""Laws of the mapping: stable, injective in practice, unlinkable across keys, interval-keeping."""

from __future__ import annotations

import pickle
from datetime import date, timedelta

from deid_factory import KEY, OTHER_KEY, ct
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import UID, CTImageStorage

from anonymizer.deidentify import deidentify
from anonymizer.pseudonym import SHIFT_RANGE_DAYS, Pseudonyms, shifted_date, shifted_datetime

NAMES = st.text(min_size=1, max_size=64).filter(lambda text: text.strip(" \x00"))
UIDS = st.lists(st.integers(0, 10**9), min_size=3, max_size=6).map(lambda parts: "1.2." + ".".join(map(str, parts)))
DATES = st.dates(date(1901, 1, 1) + timedelta(days=SHIFT_RANGE_DAYS), date(2100, 1, 1))


@given(UIDS)
def test_a_uid_stays_a_uid(original: str) -> None:
    mapped = Pseudonyms(KEY).uid(original)
    assert UID(mapped).is_valid
    assert len(mapped) <= 64
    assert mapped.startswith("2.25.")
    assert mapped == Pseudonyms(KEY).uid(original + "\x00")
    assert mapped != Pseudonyms(OTHER_KEY).uid(original)


@given(UIDS, UIDS)
def test_different_uids_stay_different(one: str, two: str) -> None:
    assert (Pseudonyms(KEY).uid(one) == Pseudonyms(KEY).uid(two)) == (one == two)


def test_uids_of_the_standard_stay() -> None:
    assert Pseudonyms(KEY).uid(CTImageStorage) == CTImageStorage


@given(NAMES)
def test_pseudonyms_fit_their_attributes_and_hide_their_origin(original: str) -> None:
    patient, accession = Pseudonyms(KEY).patient_id(original), Pseudonyms(KEY).accession(original)
    assert len(patient) == 17
    assert len(accession) == 16
    assert patient[1:] != accession[1:17]
    assert patient != Pseudonyms(OTHER_KEY).patient_id(original)
    assert 1 <= -Pseudonyms(KEY).shift_days(original) <= SHIFT_RANGE_DAYS


@given(NAMES, DATES, DATES)
def test_every_interval_is_kept_to_the_day(patient: str, one: date, two: date) -> None:
    days = Pseudonyms(KEY).shift_days(patient)
    first, second = (date.fromisoformat(str(shifted_date(day.strftime("%Y%m%d"), days))) for day in (one, two))
    assert second - first == two - one
    assert first != one


@given(DATES, st.times())
def test_a_datetime_keeps_its_time_and_offset(day: date, time) -> None:
    tail = time.strftime("%H%M%S") + ".123456+0900"
    assert str(shifted_datetime(day.strftime("%Y%m%d") + tail, -30)).endswith(tail)
    assert str(shifted_datetime(day.strftime("%Y%m%d"), -30)) == shifted_date(day.strftime("%Y%m%d"), -30)


@given(st.text(max_size=30))
@settings(max_examples=300)
def test_malformed_dates_never_pass(text: str) -> None:
    for moved in (shifted_date(text, -7), shifted_datetime(text, -7)):
        assert moved is None or all(letter in "0123456789.:+-" for letter in moved)


def test_partial_and_ranged_dates() -> None:
    assert shifted_datetime("2001", -400) == "1999"
    assert shifted_datetime("200103", -1) == "200102"
    assert shifted_date("20010101-20020101", -1) is None
    assert shifted_date("2001.01.02", -1) == "20010101"
    assert shifted_date("00010101", -1) is None
    assert shifted_date("２００１０１０２", -1) is None


def test_patients_without_an_id_are_told_apart_by_name_and_birth_date() -> None:
    one, _ = deidentify(ct(PatientID="", PatientName="A^B"), KEY)
    two, _ = deidentify(ct(PatientID="", PatientName="A^C"), KEY)
    nobody, _ = deidentify(ct(PatientID="", PatientName="", PatientBirthDate=""), KEY)
    assert len({one.PatientID, two.PatientID, nobody.PatientID}) == 3
    assert all((one.PatientID, two.PatientID, nobody.PatientID))


def test_references_still_meet_their_targets() -> None:
    source, _ = deidentify(ct(), KEY)
    later, _ = deidentify(ct(SOPInstanceUID="1.2.3.4.5", MultiFrameSourceSOPInstanceUID=ct().SOPInstanceUID), KEY)
    assert later.MultiFrameSourceSOPInstanceUID == source.SOPInstanceUID
    assert later.FrameOfReferenceUID == source.FrameOfReferenceUID


def test_a_key_travels_to_workers_and_never_shows() -> None:
    assert pickle.loads(pickle.dumps(KEY)) == KEY  # noqa: S301 - our own object
    for shown in (repr(KEY), str(KEY), f"{KEY}", repr(Pseudonyms(KEY))):
        assert repr(KEY.secret)[2:10] not in shown
        assert KEY.secret.hex()[:8] not in shown
