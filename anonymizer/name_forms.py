"""The forms in which an identifying value is looked for: a name's parts, orders, scripts and cuts; an identifier; an institution."""

from __future__ import annotations

import re
from itertools import pairwise
from math import ceil

from anonymizer.defined_terms import DEFINED_TERMS
from anonymizer.folding import fold, words_of
from anonymizer.kana import is_kana, kana_of, latin_of

# Placeholders and words of the trade are nobody's name.
_NOT_NAMES = """
    anonymous anonymized anonymised anonym deidentified unknown none null nobody removed patient name test phantom doctor
    the and for left right chest head brain abdomen pelvis neck spine heart lung liver knee axial sagittal coronal
    original primary derived secondary localizer standard bone soft helical contrast
"""
NOT_NAMES = frozenset(_NOT_NAMES.split())
# Words that many institutions have in their name, and so say nothing of one.
_GENERIC = """
    hospital general university medical center centre clinic clinics department radiology radiological imaging memorial saint national
    central city regional institute health healthcare community county state school college medicine nuclear cancer children
    childrens surgery surgical diagnostic diagnostics services service group north south east west northern southern eastern western
    cardiology oncology neurology emergency paediatric paediatrics pediatric pediatrics orthopedics orthopaedics pulmonary respiratory
    vascular intensive inpatient outpatient floor building ultrasound mammography tomography angiography interventional neuroradiology
    screening trial study clinical
    international research foundation trust royal district municipal veterans affairs care house street avenue road square
"""
_GENERIC_WORDS = frozenset(_GENERIC.split()) | NOT_NAMES
_UMLAUTS = (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ø", "oe"), ("å", "aa"))
_SHORTEST_CUT = 5
_CUT_SHARE = 0.65
_LONG_NUMBER = 5


def add_name(name: str, words: set[str], pieces: set[str]) -> None:
    """A PN value: each component as a word, East Asian ones anywhere; all components glued in either order."""
    for group in name.split("="):
        components = components_of(group)
        for spell in (str, _expanded, _contracted):
            _add_components([spell(component) for component in components], words, pieces)


def components_of(group: str) -> list[str]:
    """Family, given and middle name of one script; of a name that stands in prefix or suffix only, those."""
    components = group.split("^")
    return components[:3] if any(map(str.strip, components[:3])) else components


def _add_components(components: list[str], words: set[str], pieces: set[str]) -> None:
    parts = ["".join(words_of(fold(part))) for part in components]
    for word in {*parts, *(word for part in components for word in words_of(fold(part)))} - NOT_NAMES:
        _add_word(word, words, pieces)
    scripts = [{part, *_other_script(component)} for part, component in zip(parts, components, strict=True)]
    for other in {form for forms in scripts for form in forms} - set(parts):
        _add_word(other, words, pieces)
    full = [part for part in parts if part]
    for glued in ("".join(full), "".join(reversed(full))):
        if len(full) > 1 and (len(glued) >= 5 or (is_east_asian(glued) and len(glued) >= 2)):
            pieces.add(glued)
        elif len(full) > 1 and len(glued) >= 3 and not glued.isdigit():
            words.add(glued)  # Ng^Ka: neither part is long enough alone


def _add_word(word: str, words: set[str], pieces: set[str]) -> None:
    if word in NOT_NAMES:
        return
    if is_east_asian(word):
        pieces.update({word} if len(word) >= 2 else ())
    elif len(word) >= 3 and not word.isdigit():
        words.add(word)
        shortest = max(_SHORTEST_CUT, ceil(len(word) * _CUT_SHARE))
        words.update(cut for size in range(shortest, len(word)) if (cut := word[:size]) not in NOT_NAMES)
        pieces.update({word} if len(word) >= 6 else ())


def _other_script(component: str) -> frozenset[str]:
    """A kana name in Latin letters, a romanised one in kana; folded."""
    text = component.strip()
    if is_kana(text):
        return frozenset(form for form in latin_of(text) if len(form) >= 3)
    folded = fold(text)
    forms = kana_of(folded) if folded.isascii() and folded.isalpha() and len(folded) >= 4 else frozenset()
    return frozenset(fold(form) for form in forms if len(form) >= 2)


def _expanded(component: str) -> str:
    text = component.lower()
    for letter, pair in _UMLAUTS:
        text = text.replace(letter, pair)
    return text


def _contracted(component: str) -> str:
    """Umlauts that the header writes out, as one letter: Mueller is Müller in a text."""
    text = component.lower()
    for letter, pair in _UMLAUTS:
        text = text.replace(pair, letter)
    return text


def add_identifier(identifier: str, words: set[str], pieces: set[str]) -> None:
    """An ID, and a long number in it: a whole word from three characters on, inside longer runs from six on, also without
    leading zeros.
    """
    parts = words_of(fold(identifier))
    compact, digits = "".join(parts), {part for part in parts if part.isdigit() and len(part) >= _LONG_NUMBER}
    for form in {compact, compact.lstrip("0"), *digits, *(part.lstrip("0") for part in digits)} - NOT_NAMES:
        if len(form) >= 6:
            pieces.add(form)
        elif len(form) >= 3 and form != "000":
            words.add(form)


def add_phrase(phrase: str, words: set[str], pieces: set[str]) -> None:
    """An institution or address: two neighbouring words, any word that few others have, the initials of three words or more."""
    folded = words_of(fold(phrase))
    for pair in pairwise(folded):
        glued = "".join(pair)
        if len(glued) >= 8:
            pieces.add(glued)
    words.update(filter(_is_distinctive, folded))
    initials = re.findall(r"\b[A-Z]", phrase)
    if len(initials) >= 3:
        words.add("".join(initials).lower())
    whole = "".join(folded)
    if len(whole) >= (3 if is_east_asian(whole) else 6) and whole not in _GENERIC_WORDS:
        pieces.add(whole)


def _is_distinctive(word: str) -> bool:
    """Whether a word of an institution's name says which one it is."""
    return len(word) >= 5 and word.isalpha() and not is_common(word) and not is_east_asian(word)


def is_common(word: str) -> bool:
    """Whether a folded word is one of the trade: a placeholder, a part of many institutions' names, a term of the standard."""
    return word in _GENERIC_WORDS or word.upper() in DEFINED_TERMS


def is_east_asian(word: str) -> bool:
    """Whether a text has a letter of an East Asian script."""
    return any(ord(letter) >= 0x2E80 for letter in word)
