"""Pseudonyms: the same original under the same key is the same pseudonym, today and next year; without the key no way back.

Everything is HMAC-SHA256 of the original value, one purpose each, so a UID's pseudonym says nothing of a patient's.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from pydicom.uid import UID

from anonymizer.key import ProjectKey

SHIFT_RANGE_DAYS = 3652
_UUID_VERSION = 8 << 76
_UUID_VARIANT = 2 << 62
_TIME = r"([01]\d|2[0-3])(:?[0-5]\d(:?([0-5]\d|60)(\.\d{1,6})?)?)?"
_TIME_FORM = re.compile(f"(?:{_TIME})?", re.ASCII)
_TAIL_FORM = re.compile(rf"(?:{_TIME})?(?:[+-](?:0\d|1[0-4])[0-5]\d)?", re.ASCII)  # of DT, behind the day
_LETTERS = re.compile(r"P[A-Z2-7]{16}|A[A-Z2-7]{15}")


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Every mapping of one project key."""

    key: ProjectKey

    def uid(self, original: str) -> str:
        """A valid UID under 2.25 (44 characters at most); UIDs registered in the standard stay as they are.

        Source: PS3.5 section B.2, a UUID (here version 8, custom) as one decimal integer.
        """
        text = original.strip(" \x00")
        return text if is_registered(text) else _uid(self.key, text)

    def patient_id(self, original: str) -> str:
        """`P` and 16 letters or digits (80 bits): fits LO and, as a name, PN."""
        return "P" + self._letters("patient", original, 16)

    def accession(self, original: str) -> str:
        """`A` and 15 letters or digits (75 bits): fits SH."""
        return "A" + self._letters("accession", original, 15)

    def device_title(self, original: str) -> str:
        """`T` and 15 letters or digits (75 bits): fits AE."""
        return "T" + self._letters("device", original, 15)

    def file_handle(self, relative_path: str) -> str:
        """`f` and 20 letters or digits (100 bits) for a file of one export; its name cannot be read off it."""
        return "f" + self._letters("file", relative_path, 20).lower()

    def shift_days(self, patient: str) -> int:
        """How far a patient's dates move: the same for all their studies, 1 to 3652 days back."""
        return -1 - int.from_bytes(self.key.digest("shift", patient.strip(" \x00"))[:8]) % SHIFT_RANGE_DAYS

    def _letters(self, purpose: str, original: str, count: int) -> str:
        return base64.b32encode(self.key.digest(purpose, original.strip(" \x00"))[:15]).decode()[:count]  # 15 bytes are 24 letters


@lru_cache(maxsize=4096)
def is_registered(text: str) -> bool:
    """Whether the standard itself defines this UID (PS3.6 annex A): a SOP class, a transfer syntax, a well-known instance."""
    return bool(UID(text, validation_mode=0).type)


@lru_cache(maxsize=65536)
def _uid(key: ProjectKey, original: str) -> str:
    number = int.from_bytes(key.digest("uid", original)[:16])
    number = number & ~(0xF << 76) & ~(0x3 << 62) | _UUID_VERSION | _UUID_VARIANT
    return f"2.25.{number}"


def shifted_date(value: str, days: int) -> str | None:
    """A DA value moved by whole days, or None when it is not one date (empty, a range, malformed, out of range)."""
    digits = value.strip(" \x00").replace(".", "")
    if len(digits) != 8 or not _is_digits(digits):
        return None
    try:
        moved = date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}"


def shifted_datetime(value: str, days: int) -> str | None:
    """A DT value moved by whole days at its own precision, or None when malformed.

    A year or a month alone moves as its first day would and is cut again to what was given.
    """
    text = value.strip(" \x00")
    head = text[: next((i for i, letter in enumerate(text) if not letter.isdigit()), len(text))]
    if len(head) < 4 or _TAIL_FORM.fullmatch(text[8:]) is None or len(head) % 2:
        return None
    moved = shifted_date((head[:8] + "0101")[:8] if len(head) < 8 else head[:8], days)
    return None if moved is None else moved[: min(len(head), 8)] + (text[8:] if len(head) >= 8 else "")


def is_time_form(value: str) -> bool:
    """Whether a text is one time of day (TM), to a millionth of a second at most, also with the colons of old; or empty."""
    return _TIME_FORM.fullmatch(value.strip(" \x00")) is not None


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def is_letters(text: str) -> bool:
    """Whether a text has the form of a patient's or an accession number's pseudonym."""
    return _LETTERS.fullmatch(text.strip(" \x00")) is not None


def is_pseudonymous_uid(text: str) -> bool:
    """Whether a UID has the form that `Pseudonyms.uid` gives: 2.25 and a UUID of version 8."""
    number = text.strip(" \x00").removeprefix("2.25.")
    if len(number) > 39 or not _is_digits(number) or number == text.strip(" \x00"):
        return False
    return int(number) >> 76 & 0xF == 8 and int(number) >> 62 & 3 == 2 and int(number) < 1 << 128
