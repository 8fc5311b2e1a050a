"""Whether a value that the profile keeps may really stay: its VR is one the standard allows, its form is that of the VR,
and it does not repeat who the patient is. A damaged or made-up file must not carry a name through under another tag.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from pydicom.charset import python_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from anonymizer import elements
from anonymizer.defined_terms import undefined_words
from anonymizer.echo import Echo
from anonymizer.pseudonym import is_time_form
from anonymizer.rules import BYTE_VRS, TEXT_VRS, dictionary_entry, dictionary_vrs

PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
CHARACTER_SET = 0x00080005
NUMBER_SIZES = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "UV": 8, "SV": 8, "FL": 4, "FD": 8, "AT": 4}
BINARY_VRS = BYTE_VRS | frozenset(NUMBER_SIZES)
_FORMS = {
    "DS": re.compile(r"[0-9+\-.eE \\]*"),
    "IS": re.compile(r"[0-9+\- \\]*"),
    "CS": re.compile(r"[A-Za-z0-9_ \\.,:/+&()\-]{0,1024}"),
    "AS": re.compile(r"(\d{3}[DWMY])?"),
    "UI": re.compile(r"[0-9.\\ \x00]*"),
    "DA": re.compile(r"[0-9.\\ ]*"),
    "TM": re.compile(r"[0-9.:\\ +\-]*"),
    "DT": re.compile(r"[0-9.\\ +\-]*"),
}
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
    """Whether the VR a file states (None: none stated) may stand for the standard's `vr` of this attribute."""
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
        form = _FORMS.get(vr)
        if (form is not None and form.fullmatch(text) is None) or (vr == "TM" and not all(map(is_time_form, text.split("\\")))):
            return "invalid_value"
        if not text.isascii() and not charset_is_known(elements.text_at(self.source, CHARACTER_SET)):
            return "undecodable"
        return "echo" if self._echoes(vr, text) else ""

    def _echoes(self, vr: str, text: str) -> bool:
        if vr in ("DS", "IS"):
            return any(len(part.strip()) >= 6 and part.strip() in self.echo.pieces for part in text.split("\\"))
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
