"""People who do not exist, and what a hospital would write of them: the answer key's cast."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

# PN as the header holds it, and the character set it is written in.
NAMES: tuple[tuple[str, str | list[str]], ...] = (
    ("Winterbourne^Ariadne^Q", "ISO_IR 100"),
    ("Müllerová^Jürgen", "ISO_IR 100"),
    ("Featherstonehaugh^Basil", "ISO_IR 100"),
    ("Okonkwo^Chidimma", "ISO_IR 100"),
    ("Yamada^Tarou=山田^太郎=やまだ^たろう", "ISO_IR 192"),
    ("Kurosawa^Setsuko=黒澤^節子=クロサワ^セツコ", "ISO_IR 192"),
    ("Shinohara^Kenta=篠原^健太=しのはら^けんた", ["", "ISO 2022 IR 87"]),
    ("Wang^XiaoDong=王^小东", "GB18030"),
    ("Zhang^Meihua=张^美华", "ISO_IR 192"),
)
FAMILIES = [
    "Abernathy",
    "Castellano",
    "Dubrovsky",
    "Eklund",
    "Fitzgibbon",
    "Grzelak",
    "Hawthorne",
    "Ivanenko",
    "Jamrozik",
    "Kowalczyk",
    "Lindqvist",
    "Mbeki",
]
GIVENS = [
    "Oswald",
    "Perpetua",
    "Quentin",
    "Rosalind",
    "Septimus",
    "Theodora",
    "Ulrich",
    "Vivienne",
    "Wilhelmina",
    "Xanthe",
    "Yolanda",
    "Zebedee",
]
HOSPITALS = ("Harbour General Hospital", "St Brendan Infirmary", "Lakeside Teaching Hospital", "Kitahama Memorial Clinic")
PHYSICIANS = ("Blackwood^Cornelius", "Ferreira^Dulce", "Nakagawa^Hiroshi", "Petrov^Anastasia", "Lindholm^Sven")


@dataclass(frozen=True, slots=True)
class Person:
    """One patient: how the header names them, in which character set, and who treats them where."""

    name: str
    charset: str | list[str]
    patient_id: str
    birth: date
    age: str
    sex: str
    phone: str
    hospital: str
    physician: str
    first_visit: date
    days_between: int

    @property
    def family(self) -> str:
        return self.name.split("=")[0].split("^")[0]

    @property
    def given(self) -> str:
        return self.name.split("=")[0].split("^")[1]

    @property
    def ideographs(self) -> tuple[str, ...]:
        """Family and given name in ideographs, when the header has them."""
        groups = self.name.split("=")
        return tuple(groups[1].split("^")) if len(groups) > 1 else ()


def people(count: int, chance: random.Random) -> tuple[Person, ...]:
    """As many patients; the named ones first, every seventh of them past 89."""
    made: list[tuple[str, str | list[str]]] = [(f"{FAMILIES[n % 12]}^{GIVENS[(5 * n + n // 12) % 12]}", "ISO_IR 100") for n in range(count)]
    return tuple(_person(number, *named, chance) for number, named in enumerate([*NAMES, *made][:count]))


def _person(number: int, name: str, charset: str | list[str], chance: random.Random) -> Person:
    years = 93 if number % 7 == 3 else 20 + number
    visit = date(2014, 1, 10) + timedelta(days=chance.randrange(2500))
    return Person(
        name=name,
        charset=charset,
        patient_id=f"{chance.choice(('MRN', 'H-', '00', 'KM'))}{chance.randrange(10**6, 10**7)}",
        birth=visit - timedelta(days=round(365.25 * years) + 100),
        age=f"{years:03d}Y",
        sex="FM"[number % 2],
        phone=f"+81-3-{chance.randrange(1000, 9999)}-{chance.randrange(1000, 9999)}",
        hospital=HOSPITALS[number % 4],
        physician=PHYSICIANS[number % 5],
        first_visit=visit,
        days_between=chance.randrange(30, 900),
    )
