"""Private elements under Retain Safe Private: only what the standard lists, only under the exact name of its creator."""

from __future__ import annotations

from pydicom.dataset import Dataset

from anonymizer import elements
from anonymizer.safe_private import SafeAttribute, rows_of, safe_attribute

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
    """Whether a creator element names a creator of the table and its block holds an element of it that is listed.

    Only elements that are listed are looked for, by tag: what else the data set holds has no part in it.
    """
    group, first = tag >> 16, tag & 0xFFFF0000 | (tag & 0xFF) << 8
    listed = rows_of(elements.text_at(source, tag), group)
    return any(elements.get(source, first | row.offset) is not None for row in listed if row.vr not in _UNSEARCHABLE)
