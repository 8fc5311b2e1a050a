"""PHI echoed outside its own attribute: the patient's own identifying values, looked for in every text that is kept.

The header says who the patient is; so a name in a kernel description or an ID in a code meaning can be recognised
without guessing. Both sides are folded first: width (NFKD), case, accents, hiragana to katakana. Then

- names (PN anywhere in the data set): each component as a word, ideographic and kana ones also inside running text,
  and all components glued together in either order;
- identifiers: whole words from three characters on, inside longer runs from six on, also without leading zeros;
- institutions, addresses: any two neighbouring words of theirs;
- the birth date: year-month-day, month-day-year, day-month-year, with any separators, also in Japanese era years;
- anything that has the form of a UID.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from anonymizer.ages import without_old_ages

# Placeholders and words of the trade are nobody's name.
_NOT_NAMES = """
    anonymous anonymized anonymised anonym deidentified unknown none null nobody removed patient name test phantom doctor
    the and for left right chest head brain abdomen pelvis neck spine heart lung liver knee axial sagittal coronal
    original primary derived secondary localizer standard bone soft helical contrast
"""
NOT_NAMES = frozenset(_NOT_NAMES.split())
_ERAS = {"m": 1867, "t": 1911, "s": 1925, "h": 1988, "r": 2018, "明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
_ERA_DATE = re.compile(r"(明治|大正|昭和|平成|令和|(?<![a-z])[mtshr])\D?(\d{1,2})\D{1,2}(\d{1,2})\D{1,2}(\d{1,2})")
_SEPARATED_DATE = re.compile(r"(?<!\d)(\d{1,4})\D{1,2}(\d{1,2})\D{1,2}(\d{1,4})(?!\d)")
_UID = re.compile(r"\d+(?:\.\d+){5,}")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_HIRAGANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}


@dataclass(frozen=True, slots=True)
class Identity:
    """A patient's own identifying values, as written in the header."""

    names: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    birth_dates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Echo:
    """The folded forms to look for. `words` match whole words, `pieces` match anywhere in the text without separators."""

    words: frozenset[str]
    pieces: tuple[str, ...]
    birth_dates: frozenset[tuple[int, int, int]]
    needles: tuple[bytes, ...]

    def found_in(self, text: str) -> bool:
        """Whether a text repeats an identifying value of this patient, or holds a UID."""
        return _found(self, text)

    def found_in_bytes(self, value: bytes) -> bool:
        """Whether a binary value holds an identifying text as it was written, in any common encoding."""
        return any(needle in value for needle in self.needles)

    def cleaned(self, text: str) -> str:
        """The text without the words that repeat an identifying value, ages over 89 as `90+`; empty when that does not suffice."""
        text = without_old_ages(text)
        if not self.found_in(text) and not _looks_personal(text):
            return text
        words = [word for word in text.split() if not self.found_in(word) and not _looks_personal(word)]
        rest = " ".join(words)
        return "" if self.found_in(rest) or _looks_personal(rest) else rest


@lru_cache(maxsize=256)
def echo_of(identity: Identity) -> Echo:
    """What to look for, given who the patient is."""
    words: set[str] = set()
    pieces: set[str] = set()
    for name in identity.names:
        _add_name(name, words, pieces)
    for identifier in identity.identifiers:
        _add_identifier(identifier, words, pieces)
    for phrase in identity.phrases:
        _add_phrase(phrase, pieces)
    texts = (*_name_parts(identity.names), *identity.identifiers)
    needles = sorted({text.encode(code, "ignore") for text in texts if len(text) >= 5 for code in ("utf-8", "utf-16-le", "shift_jis")})
    dates = frozenset(found for date in identity.birth_dates if (found := _parsed(date)) is not None)
    return Echo(frozenset(words), tuple(sorted(pieces)), dates, tuple(needle for needle in needles if len(needle) >= 5))


def fold(text: str) -> str:
    """One form for all widths, cases, accents and both kana."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).translate(_HIRAGANA)


@lru_cache(maxsize=16384)
def _found(echo: Echo, text: str) -> bool:
    folded = fold(text)
    words = _WORD.findall(folded)
    joined = {"".join(words[start : start + length]) for length in (1, 2, 3, 4) for start in range(len(words))}
    if not echo.words.isdisjoint(joined):
        return True
    compact = "".join(words)
    return any(piece in compact for piece in echo.pieces) or _has_birth_date(echo, folded, words) or _UID.search(folded) is not None


def _has_birth_date(echo: Echo, folded: str, words: list[str]) -> bool:
    if not echo.birth_dates:
        return False
    found = {date for word in words if len(word) == 8 and word.isdigit() for date in _orders(word)}
    for first, middle, last in _SEPARATED_DATE.findall(folded):
        one, two, three = int(first), int(middle), int(last)
        found |= {(one, two, three), (three, one, two), (three, two, one)}
    for era, year, month, day in _ERA_DATE.findall(folded):
        found.add((_ERAS[era] + int(year), int(month), int(day)))
    return not echo.birth_dates.isdisjoint(found)


def _orders(digits: str) -> Iterable[tuple[int, int, int]]:
    yield int(digits[:4]), int(digits[4:6]), int(digits[6:])
    yield int(digits[4:]), int(digits[:2]), int(digits[2:4])
    yield int(digits[4:]), int(digits[2:4]), int(digits[:2])


def _parsed(date: str) -> tuple[int, int, int] | None:
    digits = "".join(letter for letter in date if letter.isascii() and letter.isdigit())
    return (int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) >= 8 else None


def _name_parts(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(part for name in names for group in name.split("=") for part in group.split("^")[:3] if part.strip())


def _add_name(name: str, words: set[str], pieces: set[str]) -> None:
    for group in name.split("="):
        parts = ["".join(_WORD.findall(fold(part))) for part in group.split("^")[:3]]
        singles = [word for part in group.split("^")[:3] for word in _WORD.findall(fold(part))]
        for word in {*parts, *singles} - NOT_NAMES:
            if _is_east_asian(word):
                pieces.update({word} if len(word) >= 2 else ())
            elif len(word) >= 3 and not word.isdigit():
                words.add(word)
                pieces.update({word} if len(word) >= 6 else ())
        full = [part for part in parts if part]
        for glued in ("".join(full), "".join(reversed(full))):
            if len(full) > 1 and (len(glued) >= 5 or (_is_east_asian(glued) and len(glued) >= 2)):
                pieces.add(glued)


def _add_identifier(identifier: str, words: set[str], pieces: set[str]) -> None:
    compact = "".join(_WORD.findall(fold(identifier)))
    for form in {compact, compact.lstrip("0")} - NOT_NAMES:
        if len(form) >= 6:
            pieces.add(form)
        elif len(form) >= 3 and form != "000":
            words.add(form)


def _add_phrase(phrase: str, pieces: set[str]) -> None:
    words = _WORD.findall(fold(phrase))
    for pair in pairwise(words):
        glued = "".join(pair)
        pieces.update({glued} if len(glued) >= 8 else ())
    whole = "".join(words)
    if len(whole) >= (3 if _is_east_asian(whole) else 6) and whole not in NOT_NAMES:
        pieces.add(whole)


def _is_east_asian(word: str) -> bool:
    return any(ord(letter) >= 0x2E80 for letter in word)


_PERSONAL = re.compile(
    r"(?i)\b(dr|prof|mr|mrs|ms|md)\.?\s+\w|\^|@|医師|先生|様|殿|氏"
    r"|\d{2,4}[-/.年]\d{1,2}[-/.月]\d{1,4}|(?<!\d)(19|20)\d{6}(?!\d)|\+?\d[\d ()-]{8,}\d"
)


def _looks_personal(text: str) -> bool:
    """Forms that free text has no business keeping: titles, carets, addresses of mail, dates, telephone numbers."""
    return _PERSONAL.search(unicodedata.normalize("NFKC", text)) is not None
