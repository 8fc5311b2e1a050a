"""Invented patients: names in kanji, kana and Latin letters, and everything else that must never leave a hospital."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

UTF8, JAPANESE, LATIN = ("ISO_IR 192",), ("", "ISO 2022 IR 87"), ("ISO_IR 100",)

_FAMILIES = (
    ("Yamada", "山田", "やまだ"), ("Satou", "佐藤", "さとう"), ("Suzuki", "鈴木", "すずき"), ("Takahashi", "高橋", "たかはし"),
    ("Kobayashi", "小林", "こばやし"), ("Inoue", "井上", "いのうえ"), ("Watanabe", "渡辺", "わたなべ"), ("Matsumoto", "松本", "まつもと"),
)  # fmt: skip
_GIVEN = {
    "F": (("Hanako", "花子", "はなこ"), ("Yoshiko", "良子", "よしこ"), ("Misaki", "美咲", "みさき"), ("Akemi", "明美", "あけみ")),
    "M": (("Tarou", "太郎", "たろう"), ("Kenji", "健二", "けんじ"), ("Hiroshi", "宏", "ひろし"), ("Makoto", "誠", "まこと")),
}
_LATIN_FAMILIES = ("Müller", "Okafor", "Lindqvist", "García", "O'Neill", "Dupont", "Petrova", "Andersson")
_LATIN_GIVEN = {"F": ("Anna", "Zoë", "Ingrid", "María"), "M": ("Jürgen", "Emeka", "Lars", "André")}
_CITIES = ("札幌市中央区", "仙台市青葉区", "横浜市西区", "京都市左京区", "福岡市博多区")
_LATIN_CITIES = ("12 Harbour Lane, Aberdeen", "Hauptstraße 4, Köln", "3 rue du Port, Brest")
_HOSPITALS = (("Minato General Hospital", "港総合病院"), ("Kita Medical Center", "北医療センター"), ("Sakura Clinic", "さくら医院"))


@dataclass(frozen=True, slots=True)
class FakePatient:
    """One invented person and visit. `charset` is DICOM's Specific Character Set, `name` a PN value in it; dates are DA values."""

    charset: tuple[str, ...]
    name: str
    roman_name: str
    patient_id: str
    birth_date: str
    sex: str
    age: str
    address: str
    telephone: str
    hospital: str
    physician: str
    operator: str
    accession: str
    study_date: str
    study_time: str
    history: str


def fake_patient(seed: int, charset: tuple[str, ...] | None = None) -> FakePatient:
    """The invented patient of a seed; `charset` picks how the name is written (UTF8, JAPANESE or LATIN; None draws one)."""
    rng = np.random.default_rng((seed, 0xFA4E))
    chosen = charset or (UTF8, JAPANESE, LATIN)[int(rng.integers(3))]
    sex = "FM"[int(rng.integers(2))]
    name, roman = _name(rng, sex, chosen)
    visit = date(2024, 1, 8) + timedelta(days=int(rng.integers(400)))
    born = visit - timedelta(days=int(rng.integers(35 * 365, 88 * 365)))
    hospital = _HOSPITALS[int(rng.integers(len(_HOSPITALS)))]
    cities = _LATIN_CITIES if chosen == LATIN else _CITIES
    return FakePatient(
        charset=chosen,
        name=name,
        roman_name=roman,
        patient_id=f"{rng.integers(10**7, 10**8)}",
        birth_date=born.strftime("%Y%m%d"),
        sex=sex,
        age=f"{(visit - born).days // 365:03d}Y",
        address=f"{cities[int(rng.integers(len(cities)))]} {rng.integers(1, 30)}-{rng.integers(1, 20)}",
        telephone=f"090-{rng.integers(1000, 9999)}-{rng.integers(1000, 9999)}",
        hospital=hospital[0] if chosen == LATIN else hospital[1],
        physician=_name(rng, "M", chosen)[0],
        operator=_name(rng, "F", chosen)[0],
        accession=f"A{rng.integers(10**6, 10**7)}",
        study_date=visit.strftime("%Y%m%d"),
        study_time=f"{rng.integers(8, 18):02d}{rng.integers(60):02d}{rng.integers(60):02d}",
        history=f"{roman.replace('^', ' ')}, cough for three weeks"
        if chosen == LATIN
        else f"{name.split('=')[1].replace('^', ' ')} 咳嗽三週間",
    )


def _name(rng: np.random.Generator, sex: str, charset: tuple[str, ...]) -> tuple[str, str]:
    """The PN value and its Latin group."""
    if charset == LATIN:
        families, given = _LATIN_FAMILIES, _LATIN_GIVEN[sex]
        latin = f"{families[int(rng.integers(len(families)))]}^{given[int(rng.integers(len(given)))]}"
        return latin, latin
    family = _FAMILIES[int(rng.integers(len(_FAMILIES)))]
    first = _GIVEN[sex][int(rng.integers(len(_GIVEN[sex])))]
    groups = [f"{a}^{b}" for a, b in zip(family, first, strict=True)]
    return "=".join(groups), groups[0]
