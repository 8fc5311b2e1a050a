"""What both ways through a file end in: its clean bytes and the account of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from anonymizer.key import ProjectKey
from anonymizer.receipt import Receipt

if TYPE_CHECKING:
    from anonymizer.pixels.account import Picture
    from anonymizer.vault import Entry

EntriesOf = Callable[[Dataset, ProjectKey], tuple["Entry", ...]]


@dataclass(frozen=True, slots=True)
class Clean:
    """A de-identified file, not yet written.

    `pieces` are its bytes, one behind the other; `study` and `series` the pseudonymous UIDs of what it belongs to, `place`
    the folder it goes to, made of the UIDs it states itself; `entries` what it adds to the vault, and `pictures` the
    blanked places before and after.
    """

    pieces: tuple[bytes, ...] = field(repr=False)
    receipt: Receipt
    study: str
    series: str
    place: str
    entries: tuple[Entry, ...] = field(default=(), repr=False)
    pictures: tuple[Picture, ...] = field(default=(), repr=False)


def all_entries(dataset: Dataset, key: ProjectKey) -> tuple[Entry, ...]:
    """What the vault keeps; its code is loaded when it is first asked for, for most runs have no vault."""
    from anonymizer.vault import entries_of

    return entries_of(dataset, key)
