"""Japanese names in Latin letters and in kana: the spellings of one that the other may have, for recognising a name.

Romanisations are Hepburn and Kunrei, with long vowels written out, doubled or dropped. Kana are compared without their
voicing marks (`echo.fold` drops them), so only the shape of the syllables counts.
"""

from __future__ import annotations

import re
from itertools import product

_MONO = {
    "ア": "a", "イ": "i", "ウ": "u", "エ": "e", "オ": "o", "カ": "ka", "キ": "ki", "ク": "ku", "ケ": "ke", "コ": "ko",
    "ガ": "ga", "ギ": "gi", "グ": "gu", "ゲ": "ge", "ゴ": "go", "サ": "sa", "シ": "shi", "ス": "su", "セ": "se", "ソ": "so",
    "ザ": "za", "ジ": "ji", "ズ": "zu", "ゼ": "ze", "ゾ": "zo", "タ": "ta", "チ": "chi", "ツ": "tsu", "テ": "te", "ト": "to",
    "ダ": "da", "ヂ": "ji", "ヅ": "zu", "デ": "de", "ド": "do", "ナ": "na", "ニ": "ni", "ヌ": "nu", "ネ": "ne", "ノ": "no",
    "ハ": "ha", "ヒ": "hi", "フ": "fu", "ヘ": "he", "ホ": "ho", "バ": "ba", "ビ": "bi", "ブ": "bu", "ベ": "be", "ボ": "bo",
    "パ": "pa", "ピ": "pi", "プ": "pu", "ペ": "pe", "ポ": "po", "マ": "ma", "ミ": "mi", "ム": "mu", "メ": "me", "モ": "mo",
    "ヤ": "ya", "ユ": "yu", "ヨ": "yo", "ラ": "ra", "リ": "ri", "ル": "ru", "レ": "re", "ロ": "ro", "ワ": "wa", "ヲ": "o", "ン": "n",
}  # fmt: skip
_GLIDES = {"ャ": "ya", "ュ": "yu", "ョ": "yo"}
_KUNREI = (("sh", "sy"), ("ch", "ty"), ("j", "zy"), ("tsu", "tu"), ("fu", "hu"))
_SYLLABLES = {latin: kana for kana, latin in _MONO.items() if kana not in "ヂヅヲ"} | {
    **{row + glide[1:]: kana + small for row, kana in (("ky", "キ"), ("gy", "ギ"), ("ny", "ニ"), ("hy", "ヒ"), ("by", "ビ"),
       ("py", "ピ"), ("my", "ミ"), ("ry", "リ"), ("sy", "シ"), ("ty", "チ"), ("zy", "ジ")) for small, glide in _GLIDES.items()},
    **{row + glide[1:]: kana + small for row, kana in (("sh", "シ"), ("ch", "チ"), ("j", "ジ"))
       for small, glide in _GLIDES.items()},
    "si": "シ", "ti": "チ", "tu": "ツ", "hu": "フ", "zi": "ジ",
}  # fmt: skip
_LONG = re.compile(r"o[uoh](?=[^aeiouy]|$)|uu")
_MOST_LONG_VOWELS = 3


def is_kana(text: str) -> bool:
    """Whether a text is hiragana or katakana throughout."""
    return bool(text) and all("\u3041" <= letter <= "\u3096" or "\u30a1" <= letter <= "\u30fc" for letter in text)


def latin_of(kana: str) -> frozenset[str]:
    """Every romanisation of a name in kana that is looked for, in small letters; empty when it is no plain name."""
    text = _hepburn("".join(chr(ord(letter) + 0x60) if "\u3041" <= letter <= "\u3096" else letter for letter in kana))
    if not text:
        return frozenset()
    return frozenset(short for form in _systems(text) for short in (form, _LONG.sub(lambda match: match[0][0], form)))


def kana_of(latin: str) -> frozenset[str]:
    """Every katakana spelling of a romanised name that is looked for; empty when it does not read as Japanese."""
    text = latin.replace("mb", "nb").replace("mp", "np").replace("mm", "nm")
    syllables = _split(text)
    if syllables is None:
        return frozenset()
    open_vowels = [place for place, syllable in enumerate(syllables) if syllable[-1:] in "ou"][:_MOST_LONG_VOWELS]
    forms = set()
    for lengths in product(("", "ウ"), repeat=len(open_vowels)):
        added = dict(zip(open_vowels, lengths, strict=True))
        forms.add("".join(_kana(syllable) + added.get(place, "") for place, syllable in enumerate(syllables)))
    return frozenset(form.replace(one, other) for form in forms for one, other in (("", ""), ("ズ", "ヅ"), ("ジ", "ヂ")))


def _hepburn(katakana: str) -> str:
    text, doubled = "", False
    for letter in katakana:
        if letter == "ッ":
            doubled = True
        elif letter in _GLIDES and text.endswith("i"):
            bare = text[:-1]
            text = bare + _GLIDES[letter][bare.endswith(("sh", "ch", "j")) :]
        elif letter == "ー" and text:
            text += text[-1]
        elif letter in _MONO:
            text += (_MONO[letter][0] if doubled else "") + _MONO[letter]
            doubled = False
        else:
            return ""
    return text


def _systems(hepburn: str) -> tuple[str, ...]:
    kunrei = hepburn.replace("shi", "si").replace("chi", "ti").replace("ji", "zi")
    for one, other in _KUNREI:
        kunrei = kunrei.replace(one, other)
    return (hepburn, kunrei, re.sub("n(?=[bmp])", "m", hepburn))


def _split(latin: str) -> list[str] | None:
    """The syllables of a romanised word; None when it has others than Japanese has."""
    text, place, found = re.sub(r"([kstpcg])(?=\1)|t(?=ch)", "*", latin), 0, []
    while place < len(text):
        if text[place] == "*":
            found.append("*")
            place += 1
            continue
        size = next((size for size in (3, 2, 1) if text[place : place + size] in _SYLLABLES), 0)
        if not size:
            return None
        found.append(text[place : place + size])
        place += size
    return found


def _kana(syllable: str) -> str:
    return "ッ" if syllable == "*" else _SYLLABLES[syllable]
