"""Which readings are lines of text, and which lines are harmless reader's marks.

The detector also marks vertebrae, airways, rulers and grids. What the reader makes of them is told from text by three
facts: a single letter identifies nobody; a row of ticks reads as `LLLL`, `11111` or `FEE`; two or three letters read
with a low score are a shape. The thresholds were set on simulated pictures (benchmarks/burned_text.py, seed 1).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from anonymizer.echo import Echo

_LINE_SCORE = 0.65
_SHORT_LETTERS = 3
_SHORT_SCORE = 0.8
_SHORT_DETECTION = 0.5
_TICKS_SCORE = 0.9
_TICKS_DETECTION = 0.6
_MARK_SCORE = 0.9
_TICKS = frozenset("LETFIHKMilmtjf17|")

# Sides, projections and positions that technologists print, and units that devices print after a number; they say
# nothing of who it is. A unit without its number is no mark, nor is HEAD: Ma and Head are family names.
_POSITIONS = """
    L R LT RT LEFT RIGHT LL RL LAT AP PA LAO RAO LPO RPO CC MLO LM ML RCC LCC RMLO LMLO ERECT SUPINE PRONE 左 右 立位 臥位
"""
POSITIONS = frozenset(_POSITIONS.split())
UNITS = frozenset(["CM", "MM", "S", "MS", "HZ", "KHZ", "MHZ", "KV", "KVP", "MA", "MAS", "MGY", "DB", "FPS", "BPM", "HU"])
_EITHER_POSITION, _EITHER_UNIT = ("|".join(sorted(words, key=len, reverse=True)) for words in (POSITIONS, UNITS))
_MARK = re.compile(rf"(?<!\S)(?:{_EITHER_POSITION}|\d{{1,4}}(?:\.\d{{1,2}})? ?(?:{_EITHER_UNIT}))(?!\S)")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader made of a box (never shown), its score, and how sure the detector was; scores between 0 and 1."""

    text: str = field(repr=False)
    score: float
    detection: float


def is_line(reading: Reading) -> bool:
    """Whether a reading is a line of text of two letters or digits or more."""
    letters = [letter for letter in reading.text if letter.isalnum()]
    if len(letters) < 2:
        return False
    if len(set(letters)) == 1 or _TICKS.issuperset(letters):
        return reading.score >= _TICKS_SCORE and reading.detection >= _TICKS_DETECTION
    if len(letters) <= _SHORT_LETTERS:
        return reading.score >= _SHORT_SCORE and reading.detection >= _SHORT_DETECTION
    return reading.score >= _LINE_SCORE


def may_continue(reading: Reading) -> bool:
    """Whether a box beside a line of text is taken for a part of it."""
    return any(letter.isalnum() for letter in reading.text)


def is_mark(text: str, score: float, echo: Echo) -> bool:
    """Whether a line may stay: only listed positions and numbers with a unit, surely read, nothing of the patient's own."""
    words = " ".join(unicodedata.normalize("NFKC", text).upper().replace("/", " ").split())
    rest = _MARK.sub("", words).strip()
    return bool(words) and not rest and score >= _MARK_SCORE and not echo.found_in(text)
