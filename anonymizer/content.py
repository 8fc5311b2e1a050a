"""Report content under Clean Structured Content: what becomes of a content item, by its concept and value type.

Table E.3.4-1 of PS3.15 decides for the concepts it lists (`report_concepts`): X drops the item with everything below it,
D replaces its value, K keeps it, C cleans it. The rest is decided by the value type: texts are cleaned, names replaced,
UIDs and references mapped, dates follow the profile, codes and numbers stay. Ages count as the concept Subject Age.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from anonymizer import elements
from anonymizer.ages import OLDEST, years
from anonymizer.profile import Option, Profile
from anonymizer.report_concepts import Concept, concept_row

# Content Sequence, Acquisition Context Sequence, Specimen Preparation Step Content Item Sequence
CONTENT_SEQUENCES = frozenset({0x0040A730, 0x00400555, 0x00400612})
_VALUE_TYPE, _CONCEPT_NAME, _MEASURED, _UNITS, _NUMBER = 0x0040A040, 0x0040A043, 0x0040A300, 0x004008EA, 0x0040A30A
_CODE_VALUE, _LONG_CODE, _SCHEME = 0x00080100, 0x00080119, 0x00080102
_SUBJECT_AGE = concept_row("DCM", "121033", "NUM")
_AGES = frozenset({("SCT", "397669002"), ("SCT", "424144002"), ("LN", "30525-0"), ("LN", "29553-5"), ("LN", "21612-7")})
_AGE_UNITS = frozenset({"a", "mo", "wk", "d"})


def is_dropped(item: Dataset, profile: Profile) -> bool:
    """Whether a content item goes as a whole: the table says X, or it says an age over 89 years."""
    row = row_for(item)
    letter = letter_for(row, profile)
    if letter == "X":
        return True
    return row is not None and row == _SUBJECT_AGE and not _is_below_ninety(item)


def row_for(item: Dataset) -> Concept | None:
    """The table's row for a content item, None when its concept or value type is not listed."""
    value_type = elements.text_at(item, _VALUE_TYPE)
    for scheme, code in _codes(item, _CONCEPT_NAME):
        if value_type == "NUM" and (scheme, code) in _AGES:
            return _SUBJECT_AGE
        row = concept_row(scheme, code, value_type)
        if row is not None:
            return row
    return None


def letter_for(row: Concept | None, profile: Profile) -> str:
    """X, D, K or C for a row under a profile's options, empty for an unlisted concept.

    Cleaning wins over keeping; X/D becomes D, which is valid whether the template demands the item or not.
    """
    if row is None:
        return ""
    columns = {option.column for option in profile.options}
    letters = {letter for column, letter in row.options if column in columns}
    return "C" if "C" in letters else "K" if "K" in letters else row.basic.rsplit("/", 1)[-1]


def names_somebody(row: Concept, profile: Profile) -> bool:
    """Whether a listed text is a name or a number of somebody or something that goes: no option cleans it, and none keeps it here."""
    return "C" not in {letter for _, letter in row.options} and letter_for(row, profile) != "K"


def cleans_content(profile: Profile) -> bool:
    """Whether the profile keeps report content at all."""
    return Option.CLEAN_STRUCTURED_CONTENT in profile.options


def _codes(item: Dataset, sequence: int) -> list[tuple[str, str]]:
    held = elements.get(item, sequence)
    if held is None or not elements.is_sequence(held):
        return []
    found = []
    for code in elements.items_at(item, held.tag):
        value = elements.text_at(code, _CODE_VALUE) or elements.text_at(code, _LONG_CODE)
        found.append((elements.text_at(code, _SCHEME), value))
    return found


def _is_below_ninety(item: Dataset) -> bool:
    held = elements.get(item, _MEASURED)
    if held is None or not elements.is_sequence(held):
        return False
    return all(_age_of(measured) < OLDEST for measured in elements.items_at(item, held.tag))


def _age_of(measured: Dataset) -> float:
    """The age in years, infinite when it cannot be read."""
    units = [code for _, code in _codes(measured, _UNITS)]
    try:
        if len(units) == 1 and units[0] in _AGE_UNITS:
            return years(float(elements.text_at(measured, _NUMBER)), "y" if units[0] == "a" else units[0])
    except ValueError:
        pass
    return float("inf")
