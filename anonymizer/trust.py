"""Whether a value that the profile keeps may really stay: its VR is one the standard allows, its form is that of the VR,
and it does not repeat who the patient is. A damaged or made-up file must not carry a name through under another tag.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from pydicom.charset import python_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from anonymizer import elements
from anonymizer.defined_terms import undefined_words
from anonymizer.echo import Echo
from anonymizer.pseudonym import is_time_form, shifted_date, shifted_datetime
from anonymizer.rules import BYTE_VRS, TEXT_VRS, dictionary_entry, dictionary_vrs

PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
CHARACTER_SET = 0x00080005
NUMBER_SIZES = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "UV": 8, "SV": 8, "FL": 4, "FD": 8, "AT": 4}
BINARY_VRS = BYTE_VRS | frozenset(NUMBER_SIZES)
_FORMS = {
    "CS": re.compile(r"[A-Za-z0-9_ \\.,:/+&()\-]{0,1024}"),
    "AS": re.compile(r"(\d{3}[DWMY])?"),
    "UI": re.compile(r"[0-9.\\ \x00]*"),
}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PART_FORMS: dict[str, Callable[[str], object]] = {
    "DS": _NUMBER.fullmatch,
    "IS": re.compile(r"[+-]?\d+", re.ASCII).fullmatch,
    "TM": is_time_form,
    "DA": lambda text: shifted_date(text, 0),
    "DT": lambda text: shifted_datetime(text, 0),
}
_WHOLE = re.compile(r"[+-]?(0*\d+)(?:\.0*)?", re.ASCII)
# VRs that files in the field use for one another; outside these groups a stated VR that the standard does not allow is not trusted.
_EXCHANGEABLE = (
    frozenset({"LO", "SH", "CS", "ST", "LT", "UT", "UC"}),
    frozenset({"US", "SS", "OW", "OB"}),
    frozenset({"UL", "SL", "OL"}),
    frozenset({"IS", "DS"}),
    frozenset({"DA", "TM", "DT"}),
    frozenset({"FL", "FD", "OF", "OD"}),
)


def vr_is_trusted(tag: int, stated: str | None, vr: str) -> bool:
    """Whether the VR a file states (None: none stated) may stand for the standard's `vr` of this attribute.

    Never for a code string: those are kept, so a text that strayed under the tag of one would be too.
    """
    if vr == "CS" and stated not in (None, "CS"):
        return False
    return stated is None or stated in dictionary_vrs(tag) or any(stated in group and vr in group for group in _EXCHANGEABLE)


@dataclass(frozen=True, slots=True)
class Doubt:
    """The look at one data set's kept values. `little` is the byte order of its raw numbers."""

    source: Dataset
    echo: Echo
    little: bool

    def fault(self, element: DataElement | RawDataElement, vr: str) -> str:
        """Why a value cannot stay as it is: `invalid_value`, `echo`, `undecodable`; empty when it can."""
        if vr in BINARY_VRS:
            return self._binary_fault(element, vr)
        text = elements.text_of(self.source, element)
        if element.tag == CHARACTER_SET:
            return "" if charset_is_known(text) else "invalid_value"
        return self.text_fault(vr, text)

    def text_fault(self, vr: str, text: str) -> str:
        """The same of the text of a value that is not Specific Character Set."""
        if not _has_form(vr, text):
            return "invalid_value"
        if not is_legible(text) or (not text.isascii() and not charset_is_known(elements.text_at(self.source, CHARACTER_SET))):
            return "undecodable"
        return "echo" if self._echoes(vr, text) else ""

    def _echoes(self, vr: str, text: str) -> bool:
        if vr in ("DS", "IS"):
            return any(_is_echo(self.echo, part) for part in text.split("\\"))
        if vr == "CS":
            text = "\\".join(undefined_words(part) for part in text.split("\\"))
        return vr in TEXT_VRS and self.echo.found_in(text)

    def _binary_fault(self, element: DataElement | RawDataElement, vr: str) -> str:
        value = element.value
        if element.tag in PIXELS or not isinstance(value, bytes):
            return ""
        if not _count_fits(element.tag, vr, len(value)) or _reads_as_text(value):
            return "invalid_value"
        if vr == "AT" and not self._names_attributes(value):
            return "invalid_value"
        return "echo" if self.echo.found_in_bytes(value) else ""

    def _names_attributes(self, value: bytes) -> bool:
        halves = struct.unpack(f"{'<' if self.little else '>'}{len(value) // 2}H", value)
        return all(dictionary_vrs(group << 16 | number) for group, number in zip(halves[::2], halves[1::2], strict=True))


def is_legible(text: str) -> bool:
    """Whether bytes decoded to letters: a replaced letter or a C1 control says that they were of another character set."""
    return text.isascii() or not any(letter == "\ufffd" or "\x80" <= letter <= "\x9f" for letter in text)


def _has_form(vr: str, text: str) -> bool:
    form, part_form = _FORMS.get(vr), _PART_FORMS.get(vr)
    if part_form is not None:
        return all(not part or part_form(part) for part in map(str.strip, text.split("\\")))
    return form is None or form.fullmatch(text) is not None


def _is_echo(echo: Echo, number: str) -> bool:
    """Whether a number is an identifier or the birth date, whatever its sign, leading zeros and empty fraction."""
    whole = _WHOLE.fullmatch(number.strip())
    if whole is None or len(whole[1]) < 6:
        return False
    return not {whole[1], whole[1].lstrip("0")}.isdisjoint(echo.pieces) or (len(whole[1]) == 8 and echo.found_in(whole[1]))


def charset_is_known(value: str) -> bool:
    """Whether every term of Specific Character Set is one that can be decoded; an empty value is the default repertoire."""
    return all(term.strip() in python_encoding for term in value.split("\\"))


def _count_fits(tag: int, vr: str, length: int) -> bool:
    """Whether a length in bytes is a whole number of values, and no more of them than the dictionary allows."""
    size = NUMBER_SIZES.get(vr)
    if size is None:
        return True
    entry = dictionary_entry(tag)
    most = entry.most if entry is not None else None
    return length % size == 0 and (most is None or length <= size * most)


def _reads_as_text(value: bytes) -> bool:
    """Whether numbers are made of nothing but printable letters: a text that strayed, not a measurement."""
    text = value.strip(b" \x00")
    return len(text) >= 6 and text.isascii() and text.decode().isprintable()
