"""PHI echoed outside its own attribute: the patient's own identifying values, looked for in every text that is kept.

The header says who the patient is; so a name in a kernel description or an ID in a code meaning can be recognised
without guessing. Both sides are folded first: width (NFKD), case, accents, hiragana to katakana. Then

- names (PN anywhere in the data set, physicians too): each component as a word, also cut short, with umlauts written out,
  with one letter wrong (from seven letters on), and in the other script (kana, romaji); ideographic and kana ones also
  inside running text; all components glued together in either order;
- identifiers: whole words from three characters on, inside longer runs from six on, also without leading zeros;
- institutions, addresses: two neighbouring words, a word that few others have, initials;
- the birth date: year-month-day, month-day-year, day-month-year, with any separators, also in Japanese era years;
- anything that has the form of a UID.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from anonymizer.ages import without_old_ages
from anonymizer.folding import WORD, fold, folded_with_places, words_of
from anonymizer.name_forms import NOT_NAMES, add_identifier, add_name, add_phrase, components_of, is_common, is_east_asian
from anonymizer.near import cuts_of, is_near
from anonymizer.personal import looks_personal, personal_spans

__all__ = ["NOT_NAMES", "Echo", "Identity", "echo_of", "fold"]

_ERAS = {"m": 1867, "t": 1911, "s": 1925, "h": 1988, "r": 2018, "明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
_ERA_DATE = re.compile(r"(明治|大正|昭和|平成|令和|(?<![a-z])[mtshr])\D?(\d{1,2})\D{1,2}(\d{1,2})\D{1,2}(\d{1,2})")
_SEPARATED_DATE = re.compile(r"(?<!\d)(\d{1,4})\D{1,2}(\d{1,2})\D{1,2}(\d{1,4})(?!\d)")
_UID = re.compile(r"\d+(?:\.\d+){5,}")
_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "latin-1", "shift_jis", "euc_jp", "gb18030")
_LONGEST_JOIN = 4
_LEFTOVER = re.compile(r"\(\s*\)|\[\s*\]|^[\s,;:/_-]+|[\s,;:/_-]+$")


@dataclass(frozen=True, slots=True)
class Identity:
    """A patient's own identifying values, as written in the header."""

    names: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    birth_dates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Echo:
    """The folded forms to look for. `words` match whole words, `pieces` match anywhere in the text without separators, `near`
    are the cuts of long names that a misspelt one shares.
    """

    words: frozenset[str]
    pieces: tuple[str, ...]
    birth_dates: frozenset[tuple[int, int, int]]
    needles: tuple[bytes, ...]
    near: frozenset[str] = frozenset()

    def found_in(self, text: str) -> bool:
        """Whether a text repeats an identifying value of this patient, or holds a UID."""
        return _found(self, text)

    def found_in_bytes(self, value: bytes) -> bool:
        """Whether a binary value holds an identifying text in any common encoding, whatever its case."""
        lowered = value.lower()
        return any(needle in lowered for needle in self.needles)

    def cleaned(self, text: str) -> str:
        """The text without what repeats an identifying value or has a personal form, ages over 89 as `90+`.

        What is innocent comes back unchanged; what is not innocent even after the cut comes back empty.
        """
        text = without_old_ages(text)
        for _ in range(3):  # a cut may bring together what stood apart
            if not self.found_in(text) and not looks_personal(text):
                return text
            text = _without(text, [*_echo_spans(self, text), *personal_spans(text)])
        return "" if self.found_in(text) or looks_personal(text) else text


@lru_cache(maxsize=256)
def echo_of(identity: Identity) -> Echo:
    """What to look for, given who the patient is."""
    words: set[str] = set()
    pieces: set[str] = set()
    for name in identity.names:
        add_name(name, words, pieces)
    for identifier in identity.identifiers:
        add_identifier(identifier, words, pieces)
    for phrase in identity.phrases:
        add_phrase(phrase, words, pieces)
    texts = (*_name_parts(identity.names), *identity.identifiers)
    needles = sorted({text.encode(code, "ignore").lower() for text in texts if len(text) >= 5 for code in _ENCODINGS})
    dates = frozenset(found for date in identity.birth_dates if (found := _parsed(date)) is not None)
    near = cuts_of(word for part in _name_parts(identity.names) for word in words_of(fold(part)) if not is_common(word))
    return Echo(frozenset(words), tuple(sorted(pieces)), dates, tuple(needle for needle in needles if len(needle) >= 5), near)


@lru_cache(maxsize=16384)
def _found(echo: Echo, text: str) -> bool:
    folded = fold(text)
    words = words_of(folded)
    joined = {"".join(words[start : start + length]) for length in range(1, _LONGEST_JOIN + 1) for start in range(len(words))}
    if not echo.words.isdisjoint(joined) or any(_is_misspelt(echo, word) for word in words):
        return True
    compact = "".join(words)
    return any(piece in compact for piece in echo.pieces) or any(_date_spans(echo, folded)) or _UID.search(folded) is not None


def _echo_spans(echo: Echo, text: str) -> list[tuple[int, int]]:
    """Where in the original text identifying values stand; a Latin word or number that holds one is taken whole."""
    folded, places = folded_with_places(text)
    words = [(match[0], match.start(), match.end()) for match in WORD.finditer(folded)]
    spans = [
        (words[start][1], words[start + length - 1][2])
        for length in range(1, _LONGEST_JOIN + 1)
        for start in range(len(words) - length + 1)
        if "".join(word for word, _, _ in words[start : start + length]) in echo.words
    ]
    spans += [(first, behind) for word, first, behind in words if _is_misspelt(echo, word)]
    letters = [place for _, first, behind in words for place in range(first, behind)]
    compact = "".join(word for word, _, _ in words)
    for piece in echo.pieces:
        for match in re.finditer(re.escape(piece), compact):
            first, last = letters[match.start()], letters[match.end() - 1]
            spans.append((first, last + 1) if is_east_asian(piece) else _whole_words(words, first, last))
    spans += [*_date_spans(echo, folded), *(match.span() for match in _UID.finditer(folded))]
    return [(places[first], places[behind - 1] + 1) for first, behind in spans]


def _is_misspelt(echo: Echo, word: str) -> bool:
    return is_near(word, echo.near) and not is_common(word)


def _whole_words(words: list[tuple[str, int, int]], first: int, last: int) -> tuple[int, int]:
    return next(word[1] for word in words if word[2] > first), next(word[2] for word in words if word[2] > last)


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    kept = list(text)
    for first, behind in spans:
        kept[first:behind] = [" "] * (behind - first)
    left = " ".join("".join(kept).split())
    while (shorter := _LEFTOVER.sub("", left).strip()) != left:
        left = shorter
    return left


def _date_spans(echo: Echo, folded: str) -> Iterator[tuple[int, int]]:
    if not echo.birth_dates:
        return
    for match in WORD.finditer(folded):
        word = match[0]
        if len(word) == 8 and word.isdigit() and not echo.birth_dates.isdisjoint(_orders(word)):
            yield match.span()
    for match in _SEPARATED_DATE.finditer(folded):
        one, two, three = int(match[1]), int(match[2]), int(match[3])
        orders = {(one, two, three), (three, one, two), (three, two, one)}
        if not echo.birth_dates.isdisjoint(
            orders | {(year + century, *day) for year, *day in orders for century in (1900, 2000) if year < 100}
        ):
            yield match.span()
    for match in _ERA_DATE.finditer(folded):
        if (_ERAS[match[1]] + int(match[2]), int(match[3]), int(match[4])) in echo.birth_dates:
            yield match.span()


def _orders(digits: str) -> Iterator[tuple[int, int, int]]:
    yield int(digits[:4]), int(digits[4:6]), int(digits[6:])
    yield int(digits[4:]), int(digits[:2]), int(digits[2:4])
    yield int(digits[4:]), int(digits[2:4]), int(digits[:2])


def _parsed(date: str) -> tuple[int, int, int] | None:
    digits = "".join(letter for letter in date if letter.isascii() and letter.isdigit())
    return (int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) >= 8 else None


def _name_parts(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(part for name in names for group in name.split("=") for part in components_of(group) if part.strip())
