"""What Clean Structured Content does to a content item of a report, as data: table E.3.4-1 of PS3.15, edition 2026a (211 rows),
and the three concepts that editions up to 2026d added.

A row names a concept (coding scheme, code), the value type of the item, what the basic profile does, and which options
change that. The rows are facts of the standard's table (NEMA); SNOMED codes also count under the retired designators
with the identifiers PS3.16 table O-1 gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

EDITION = "2026a"
TABLE = "PS3.15 table E.3.4-1"

# What an option letter of the rows below stands for: (column of table E.1-1, action).
_OPTION_LETTERS = {
    "u": (("rtnUIDsOpt", "K"),),
    "d": (("rtnDevIdOpt", "K"),),
    "i": (("rtnInstIdOpt", "K"),),
    "p": (("rtnPatCharsOpt", "K"),),
    "t": (("rtnLongFullDatesOpt", "K"), ("rtnLongModifDatesOpt", "C")),
    "c": (("cleanDescOpt", "C"),),
}
_RETIRED_SNOMED = {
    "116224001": "DD-60002",
    "398325003": "DF-0068E",
    "398164008": "DF-0070B",
    "271921002": "F-00033",
    "160476009": "F-02455",
    "363698007": "G-C0E3",
    "397898000": "G-D320",
    "398201009": "G-D321",
    "440252007": "PA-30029",
    "371524004": "R-42B89",
}


@dataclass(frozen=True, slots=True)
class Concept:
    """One row: basic action letters, and the letter under each option column of table E.1-1 that names this concept."""

    scheme: str
    code: str
    value_type: str
    basic: str
    options: tuple[tuple[str, str], ...]


def concept_row(scheme: str, code: str, value_type: str) -> Concept | None:
    """The row for a content item, or None when the table does not list its concept with this value type."""
    return _by_code().get((scheme, code, value_type))


@lru_cache(maxsize=1)
def concept_rows() -> tuple[Concept, ...]:
    """Every row of the table."""
    rows = []
    for line in filter(None, _ROWS.splitlines()):
        scheme, code, value_type, basic, *letters = line.split()
        options = tuple(pair for letter in "".join(letters) for pair in _OPTION_LETTERS[letter])
        rows.append(Concept(scheme, code, value_type, basic, options))
    return tuple(rows)


@lru_cache(maxsize=1)
def _by_code() -> dict[tuple[str, str, str], Concept]:
    rows = {(row.scheme, row.code, row.value_type): row for row in concept_rows()}
    for row in concept_rows():
        retired = _RETIRED_SNOMED.get(row.code) if row.scheme == "SCT" else None
        rows |= {(scheme, retired, row.value_type): row for scheme in ("SRT", "SNM3", "99SDM") if retired}
    return rows


# Scheme, code, value type, basic action, options that change it (u UIDs, d device, i institution, p patient
# characteristics, t full dates K and modified dates C, c clean descriptors).
_ROWS = """
DCM 109054 TEXT X c
DCM 109056 TEXT X c
DCM 110119 TEXT X d
DCM 110180 UIDREF D u
DCM 110190 TEXT X
DCM 111018 DATE X/D t
DCM 111019 TIME X/D t
DCM 111021 TEXT X c
DCM 111033 TEXT D c
DCM 111040 COMPOSITE D u
DCM 111054 DATE X/D t
DCM 111058 TEXT D c
DCM 111060 DATE X/D t
DCM 111061 TIME X/D t
DCM 111469 DATETIME D t
DCM 111516 TEXT X c
DCM 111526 DATETIME X/D t
DCM 111527 DATETIME X t
DCM 111535 DATETIME X t
DCM 111536 DATETIME X t
DCM 111700 TEXT X
DCM 111702 DATETIME X t
DCM 111703 TEXT X c
DCM 111705 TEXT D
DCM 111706 TEXT X
DCM 111724 TEXT X
DCM 112002 UIDREF D u
DCM 112040 UIDREF D u
DCM 112050 TEXT X c
DCM 112227 UIDREF X/D u
DCM 112229 IMAGE D u
DCM 112347 TEXT D
DCM 112351 TEXT D
DCM 112352 TEXT D
DCM 112353 COMPOSITE X u
DCM 112354 IMAGE X u
DCM 112356 UIDREF D u
DCM 112357 UIDREF D u
DCM 112359 COMPOSITE X u
DCM 112361 COMPOSITE X u
DCM 112363 TEXT D
DCM 112364 COMPOSITE X u
DCM 112366 COMPOSITE X u
DCM 112371 COMPOSITE D u
DCM 112372 COMPOSITE X u
DCM 112373 COMPOSITE X u
DCM 113012 TEXT X c
DCM 113503 UIDREF D u
DCM 113511 TEXT X
DCM 113512 TEXT X
DCM 113513 TEXT X
DCM 113514 TEXT X
DCM 113516 TEXT X
DCM 113552 TEXT X c
DCM 113605 TEXT X
DCM 113701 COMPOSITE X u
DCM 113720 TEXT X c
DCM 113723 DATETIME D t
DCM 113724 TEXT D c
DCM 113769 UIDREF D u
DCM 113795 IMAGE D u
DCM 113809 DATETIME D t
DCM 113810 DATETIME D t
DCM 113815 TEXT D c
DCM 113832 TEXT D d
DCM 113850 PNAME D
DCM 113870 PNAME D
DCM 113871 TEXT X
DCM 113872 TEXT X
DCM 113873 TEXT X i
DCM 113877 TEXT X d
DCM 113880 TEXT X/D d
DCM 113907 TEXT X c
DCM 113985 UIDREF D u
DCM 120999 TEXT X d
DCM 121000 CONTAINER X d
DCM 121002 COMPOSITE D u
DCM 121008 PNAME D
DCM 121009 TEXT X i
DCM 121012 UIDREF X/D ud
DCM 121013 TEXT X d
DCM 121016 TEXT X d
DCM 121017 TEXT X i
DCM 121018 UIDREF X u
DCM 121019 UIDREF X u
DCM 121020 TEXT X
DCM 121021 TEXT X
DCM 121022 TEXT X
DCM 121028 UIDREF X u
DCM 121029 PNAME D
DCM 121030 TEXT X/D
DCM 121031 DATE X
DCM 121032 CODE X p
DCM 121033 NUM X p
DCM 121036 PNAME X
DCM 121039 UIDREF X u
DCM 121041 TEXT X
DCM 121065 TEXT X/D c
DCM 121071 TEXT X/D c
DCM 121075 TEXT X c
DCM 121077 TEXT X c
DCM 121080 IMAGE X u
DCM 121080 WAVEFORM X u
DCM 121088 PNAME X
DCM 121106 TEXT X c
DCM 121110 TEXT X c
DCM 121111 TEXT X c
DCM 121112 IMAGE D u
DCM 121112 WAVEFORM X u
DCM 121114 PNAME D
DCM 121120 COMPOSITE X u
DCM 121121 TEXT X
DCM 121122 TEXT X dc
DCM 121124 TEXT X/D
DCM 121125 DATETIME X t
DCM 121126 UIDREF D u
DCM 121138 IMAGE D u
DCM 121143 WAVEFORM D u
DCM 121145 TEXT X c
DCM 121152 PNAME X
DCM 121154 TEXT D
DCM 121173 TEXT X c
DCM 121191 IMAGE X/D u
DCM 121193 TEXT D d
DCM 121196 TEXT X d
DCM 121197 TEXT X i
DCM 121198 UIDREF X ud
DCM 121200 IMAGE X u
DCM 121214 IMAGE D u
DCM 121232 UIDREF D u
DCM 121233 IMAGE D u
DCM 121342 IMAGE X u
DCM 121431 DATETIME X t
DCM 121432 DATETIME X t
DCM 121433 DATETIME X t
DCM 121434 TEXT X i
DCM 121435 PNAME X
DCM 121435 TEXT X
DCM 122073 COMPOSITE X u
DCM 122075 COMPOSITE X u
DCM 122081 DATETIME X t
DCM 122082 DATETIME X t
DCM 122083 TEXT X/D c
DCM 122105 DATETIME X t
DCM 122128 TEXT X i
DCM 122146 DATETIME X/D t
DCM 122163 DATETIME X t
DCM 122165 DATETIME X t
DCM 122173 DATETIME X t
DCM 122177 TEXT X c
DCM 122701 DATETIME X t
DCM 122712 DATETIME D t
DCM 123003 DATETIME X/D t
DCM 123004 DATETIME X t
DCM 125010 TEXT X
DCM 125201 IMAGE X u
DCM 125203 TEXT X c
DCM 126070 TEXT X c
DCM 126071 TEXT X c
DCM 126100 COMPOSITE X u
DCM 126201 DATE X t
DCM 126202 TIME X t
DCM 127857 DATE D t
DCM 127858 TIME D t
DCM 128230 TEXT X c
DCM 128403 TEXT D c
DCM 128414 COMPOSITE D u
DCM 128414 IMAGE D u
DCM 128416 COMPOSITE D u
DCM 128425 COMPOSITE X u
DCM 128425 IMAGE X u
DCM 128425 UIDREF X u
DCM 128426 TEXT X c
DCM 128429 UIDREF D u
DCM 128436 COMPOSITE D u
DCM 128444 COMPOSITE D u
DCM 128447 COMPOSITE X u
DCM 128470 COMPOSITE X u
DCM 128470 IMAGE X u
DCM 128470 UIDREF X u
DCM 128774 TEXT X
DCM 128775 TEXT X
DCM 130507 TEXT X c
DCM 130527 TEXT D i
DCM 130884 DATETIME X t
DCM 130885 UIDREF X u
DCM 131561 DATE X t
DCM 131562 TIME X t
DCM 131563 TEXT X c
LN 11329-0 TEXT X c
LN 11778-8 DATE X t
LN 11951-1 TEXT D
LN 11955-2 DATE X t
LN 18118-0 TEXT X c
LN 18785-6 TEXT D c
LN 74711-3 TEXT X d
NCDR 15 DATETIME X t
NCDR 52 DATETIME D t
NCDR 53 TEXT X
NCDR 76 PNAME D
NCIt C54627 NUM X
NCIt C67447 TEXT X c
SCT 116224001 TEXT X c
SCT 160476009 TEXT X c
SCT 271921002 TEXT X/D c
SCT 363698007 TEXT D c
SCT 371524004 COMPOSITE X u
SCT 371524004 TEXT X c
SCT 397898000 DATETIME D t
SCT 398164008 DATETIME X t
SCT 398201009 DATETIME D t
SCT 398325003 DATETIME X t
SCT 440252007 TEXT D c
UMLS C2348792 TEXT X/D c
"""
