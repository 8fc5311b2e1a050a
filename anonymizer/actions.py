"""The actions of PS3.15 table E.1-1a, how compound actions are settled, and what a dummy value looks like."""

from __future__ import annotations

from enum import Enum

from pydicom.dataelem import empty_value_for_VR

from anonymizer.attribute_types import AttributeType


class Action(Enum):
    """What is done to one attribute. The values are the letters of PS3.15 table E.1-1a."""

    DUMMY = "D"
    ZERO = "Z"
    REMOVE = "X"
    KEEP = "K"
    CLEAN = "C"
    MAP_UID = "U"


# What a compound action means for type 1, type 2, type 3 and for an attribute whose type is not known.
# The unknown case takes the choice that is valid under every type: it never keeps a value.
_X, _Z, _D, _U = Action.REMOVE, Action.ZERO, Action.DUMMY, Action.MAP_UID
_COMPOUND: dict[str, dict[AttributeType, Action]] = {
    "X/Z": {AttributeType.REQUIRED: _D, AttributeType.EMPTY_ALLOWED: _Z, AttributeType.OPTIONAL: _X, AttributeType.UNKNOWN: _Z},
    "X/D": {AttributeType.REQUIRED: _D, AttributeType.EMPTY_ALLOWED: _D, AttributeType.OPTIONAL: _X, AttributeType.UNKNOWN: _D},
    "Z/D": {AttributeType.REQUIRED: _D, AttributeType.EMPTY_ALLOWED: _Z, AttributeType.OPTIONAL: _Z, AttributeType.UNKNOWN: _D},
    "X/Z/D": {AttributeType.REQUIRED: _D, AttributeType.EMPTY_ALLOWED: _Z, AttributeType.OPTIONAL: _X, AttributeType.UNKNOWN: _D},
    "X/Z/U*": {AttributeType.REQUIRED: _U, AttributeType.EMPTY_ALLOWED: _Z, AttributeType.OPTIONAL: _X, AttributeType.UNKNOWN: _U},
}
_SIMPLE = {action.value: action for action in Action}


def resolve(letters: str, attribute_type: AttributeType) -> Action:
    """The one action that a cell such as `X/Z/D` means for an attribute of this type.

    Source: PS3.15 section E.1.1 and table E.1-1a. Raises KeyError for letters the standard does not have.
    """
    if letters in _SIMPLE:
        return _SIMPLE[letters]
    return _COMPOUND[letters][attribute_type]


def is_compound(letters: str) -> bool:
    """Whether the cell needs the attribute's type."""
    return letters in _COMPOUND


_DUMMIES: dict[str, object] = {
    **dict.fromkeys(("LO", "SH", "ST", "LT", "UT", "UC", "PN", "CS", "AE"), "ANONYMIZED"),
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "UR": "about:blank",
    **dict.fromkeys(("IS", "DS"), "0"),
    **dict.fromkeys(("US", "SS", "UL", "SL", "UV", "SV"), 0),
    **dict.fromkeys(("FL", "FD"), 0.0),
    "AT": 0x00000000,
    **dict.fromkeys(("OB", "OW", "OF", "OD", "OL", "OV", "UN"), b"\x00" * 8),
}


def empty_value(vr: str) -> object:
    """The zero-length value of a value representation as pydicom holds it."""
    return [] if vr == "SQ" else empty_value_for_VR(vr)


def dummy_value(vr: str) -> object:
    """A valid, constant, non-empty value of a value representation (not SQ or UI, which the engine makes).

    Binary dummies are eight zero bytes, a whole number of every word size.
    """
    return _DUMMIES[vr]
