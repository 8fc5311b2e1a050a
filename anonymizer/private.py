"""Private elements under Retain Safe Private: only what the standard lists, only under the exact name of its creator."""

from __future__ import annotations

from pydicom.dataset import Dataset

from anonymizer import elements
from anonymizer.safe_private import SafeAttribute, is_safe_creator, safe_attribute

_UNSEARCHABLE = frozenset({"", "OB", "OW", "OW/OB"})


def is_creator(tag: int) -> bool:
    """Whether the tag reserves a block (PS3.5 section 7.8.1): element 0010 to 00FF of an odd group."""
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


def row_for(source: Dataset, tag: int) -> SafeAttribute | None:
    """The table's row for a private data element of a data set or item; None when it is not listed for its creator,
    when its block has no creator in that same data set, or when its value is bytes that nobody can search.
    """
    group, element = tag >> 16, tag & 0xFFFF
    creator = elements.text_at(source, group << 16 | element >> 8) if element > 0xFF else ""
    row = safe_attribute(creator, group, element & 0xFF)
    return None if row is None or row.vr in _UNSEARCHABLE else row


def reserves_something_kept(source: Dataset, tag: int) -> bool:
    """Whether a creator element names a creator of the table and its block holds an element of it that is listed."""
    group, block = tag >> 16, tag & 0xFF
    if not is_safe_creator(elements.text_at(source, tag), group):
        return False
    first = group << 16 | block << 8
    return any(first <= int(other) <= first | 0xFF and row_for(source, int(other)) for other in source.keys())  # noqa: SIM118
