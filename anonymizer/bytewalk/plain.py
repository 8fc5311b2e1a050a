"""What becomes of an element by the text of its value alone: one UID, one date, one time, or numbers that stay.

These are what varies from slice to slice. `Element` decides them by the same functions; here is only said which of its ways
such a value takes, so that nothing has to be built for it. Whatever else a value may be is for `Element`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from pydicom.dataset import Dataset

from anonymizer.actions import Action
from anonymizer.bytewalk.header import CHARACTER_SET, uid_text
from anonymizer.element import depends_on_siblings, moved
from anonymizer.profile import Decision
from anonymizer.rules import dictionary_vrs
from anonymizer.trust import Doubt
from anonymizer.walk import Walk

Lines = tuple[tuple[tuple[tuple[int, ...], str, str], int], ...]
PADDING = {"UI": b"\0", "DA": b" ", "TM": b" "}
_UNUSUAL = (b"\\", b"\x1b")


class Decided(NamedTuple):
    """What became of one element: its bytes in the output (none when it goes) and its lines of the receipt."""

    out: bytes
    lines: Lines


Plainly = Callable[[bytes], Decided | None]


def plainly(tag: int, raw: bytes, walk: Walk, decision: Decision) -> Plainly | None:
    """How elements with the head of this one are decided by the text of a value; None where that is not enough.

    What it gives is None too for a value that `Element` must look at.
    """
    vr, stated = dictionary_vrs(tag)[:1], None if walk.implicit else raw[4:6].decode("latin-1")
    if len(dictionary_vrs(tag)) != 1 or stated not in (None, *vr) or tag == CHARACTER_SET or depends_on_siblings(tag, decision):
        return None
    match decision.action, vr[0]:
        case Action.MAP_UID, "UI":
            return partial(_uid, tag, walk, decision.reason)
        case Action.CLEAN, "DA" | "TM":
            return partial(_time, tag, vr[0], walk, decision.reason)
        case Action.KEEP, "DS" | "IS":
            return partial(_numbers, vr[0], Doubt(Dataset(), walk.echo, True))
    return None


def head_and_value(tag: int, vr: str, value: str, *, implicit: bool) -> bytes:
    """A UID, date or time as pydicom writes it: an element with a short head, its value padded to even length."""
    content = value.encode() + PADDING[vr] * (len(value) % 2)
    group, number, size = tag >> 16, tag & 0xFFFF, len(content)
    head = struct.pack("<HHI", group, number, size) if implicit else struct.pack("<HH2sH", group, number, vr.encode(), size)
    return head + content


def _text(raw: bytes) -> str:
    """The one value of an element with a short head; "" where it is not plainly one."""
    value = raw[8:]
    return value.decode().strip(" \x00") if value.isascii() and not any(byte in value for byte in _UNUSUAL) else ""


def _uid(tag: int, walk: Walk, reason: str, raw: bytes) -> Decided | None:
    original = uid_text(raw[8:])
    mapped = original and walk.pseudonyms.uid(original)
    if not mapped or mapped == original:
        return None
    return Decided(head_and_value(tag, "UI", mapped, implicit=walk.implicit), ((((tag,), "uid_mapped", reason), 1),))


def _time(tag: int, vr: str, walk: Walk, reason: str, raw: bytes) -> Decided | None:
    text = _text(raw)
    value = moved(vr, text, walk.days) if text else None
    if not value:
        return None
    action = "kept_time" if vr == "TM" else "date_shifted"
    return Decided(head_and_value(tag, vr, value, implicit=walk.implicit), ((((tag,), action, reason), 1),))


def _numbers(vr: str, doubt: Doubt, raw: bytes) -> Decided | None:
    value = raw[8:]
    if not value or not value.isascii() or b"\x1b" in value or doubt.text_fault(vr, value.decode().strip(" \x00")):
        return None
    return Decided(raw, ())
