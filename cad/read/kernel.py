"""What a CT reconstruction kernel is for, by the vendors' naming: soft tissue, lung or bone.

Sources: the vendors' DICOM conformance statements and user manuals' kernel tables, in the coarse classes that choosing needs.
Numbers of Siemens kernels grow with sharpness; Canon numbers them by purpose; GE and Philips name them.
"""

from __future__ import annotations

import re
from typing import Literal

KernelClass = Literal["soft", "lung", "bone", ""]

# (pattern over the upper-case name, class); the first that fits. Siemens' letters are in `_siemens`, Canon's numbers in `_canon`.
_NAMED: tuple[tuple[str, KernelClass], ...] = (
    (r"LUNG|CHST|CHEST|肺", "lung"),
    (r"BONE|EDGE|ULTRA|骨", "bone"),
    (r"SHARP", "lung"),
    (r"SOFT|SMOOTH|STANDARD|ST(A?N)?D\+?$|DETAIL|BRAIN|縦隔|軟部", "soft"),
)
_PHILIPS: dict[str, KernelClass] = {
    "A": "soft",
    "B": "soft",
    "C": "soft",
    "D": "bone",
    "E": "bone",
    "L": "lung",
    "YA": "soft",
    "YB": "lung",
}
_CANON: tuple[tuple[range, KernelClass], ...] = (
    (range(1, 30), "soft"),
    (range(30, 40), "bone"),
    (range(40, 50), "soft"),
    (range(50, 60), "lung"),
    (range(80, 87), "bone"),
)
_SHARP_FROM = 55  # Siemens: 30 to 49 soft tissue, from here lung (body) or bone (head, extremity)


def kernel_class(kernel: str) -> KernelClass:
    """ "soft", "lung", "bone", or "" for a name that is not known or missing."""
    name = re.split(r"[\\\s]", kernel.strip().upper())[0]
    for pattern, purpose in _NAMED:
        if re.search(pattern, name):
            return purpose
    return _canon(name) or _siemens(name) or _PHILIPS.get(name, "")


def _canon(name: str) -> KernelClass:
    found = re.fullmatch(r"F[CL](\d\d)\D*\d?", name)
    number = int(found.group(1)) if found else -1
    return next((purpose for numbers, purpose in _CANON if number in numbers), "")


def _siemens(name: str) -> KernelClass:
    """Letters (B body, H head, U ultra high, I and J iterative, Q quantitative), then r regular or l lung, a number, letters."""
    found = re.fullmatch(r"([BHUIJTQDCAS])([A-Z]?)(\d\d)[A-Z]{0,2}", name)
    if not found:
        return ""
    family, kind, number = found.group(1), found.group(2), int(found.group(3))
    if kind == "L":
        return "lung"
    if number < _SHARP_FROM:
        return "soft"
    return "bone" if family in "HU" else "lung"
