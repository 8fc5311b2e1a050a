"""Ages over 89: HIPAA's safe harbour (45 CFR 164.514(b)(2)(i)(C)) lets them stand only as one class, 90 and older."""

from __future__ import annotations

import re

OLDEST = 90
OLDEST_TEXT = "090Y"
_DAYS = {"y": 365.25, "m": 30.4375, "w": 7.0, "d": 1.0}
_AGE_STRING = re.compile(r"(\d{3})([DWMY])")
_UNITS = r"years?|yrs?|y/?o|y\.o\.?|months?|mos?|weeks?|wks?|days?|[ymwd]|歳|才|ヶ月|か月|カ月|週|日"
_BEFORE = re.compile(rf"(?<![\d.,])(\d{{2,5}}(?:[.,]\d+)?)(?=[\s\-‐]*(?:{_UNITS})(?:[\s\-‐]*(?:old|of age|o\b)|(?![a-z])))", re.I)
_AFTER = re.compile(r"(?:\b(?:aged?|years)|年齢|満)[\s:：=\-]*(\d{2,3})(?![\d%+]|[.,/]\d)", re.I)
_KANJI_AGE = re.compile(r"(百[一二三四五六七八九]?十?[一二三四五六七八九]?|九十[一二三四五六七八九]?)(?=[歳才])")
_UNIT_AFTER = re.compile(rf"[\s\-‐]*({_UNITS})", re.I)


def capped(value: str) -> str:
    """A DICOM age string (AS) with every age over 89 years said as `090Y`; other values come back as they are.

    Days and weeks cannot reach 90 years in three digits, months neither.
    """
    match = _AGE_STRING.fullmatch(value.strip(" \x00"))
    if match is None or years(int(match[1]), match[2]) < OLDEST:
        return value
    return OLDEST_TEXT


def years(count: float, unit: str) -> float:
    """A count of days, weeks, months or years (by the first letter) as years."""
    return count * _DAYS[unit[0].lower()] / _DAYS["y"]


def without_old_ages(text: str) -> str:
    """A free text with every age over 89 years said as `90+`; English and Japanese wording, in years, months, weeks or days."""
    text = _KANJI_AGE.sub(f"{OLDEST}+", text)
    text = _BEFORE.sub(lambda match: _said(match, _unit_of(text, match.end())), text)
    return _AFTER.sub(lambda match: match[0].replace(match[1], _oldest(match[1], "y")), text)


def _said(match: re.Match[str], unit: str) -> str:
    return _oldest(match[1], unit)


def _oldest(digits: str, unit: str) -> str:
    count = years(float(digits.replace(",", ".")), unit)
    return f"{OLDEST}+" if OLDEST <= count <= 130 else digits


def _unit_of(text: str, place: int) -> str:
    found = _UNIT_AFTER.match(text, place)
    word = found[1].lower() if found else "y"
    return {"歳": "y", "才": "y", "ヶ月": "m", "か月": "m", "カ月": "m", "週": "w", "日": "d"}.get(word, word[0])
