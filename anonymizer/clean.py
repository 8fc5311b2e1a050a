"""What both ways through a file end in: its clean bytes and the account of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from anonymizer.key import ProjectKey
from anonymizer.receipt import Receipt
from anonymizer.vault import Entry

EntriesOf = Callable[[Dataset, ProjectKey], tuple[Entry, ...]]


@dataclass(frozen=True, slots=True)
class Clean:
    """A de-identified file, not yet written.

    `pieces` are its bytes, one behind the other; `study` and `series` the pseudonymous UIDs of what it belongs to, `place`
    the folder it goes to, made of the UIDs it states itself; `entries` what it adds to the vault.
    """

    pieces: tuple[bytes, ...] = field(repr=False)
    receipt: Receipt
    study: str
    series: str
    place: str
    entries: tuple[Entry, ...] = field(default=(), repr=False)


def NO_ENTRIES(dataset: Dataset, key: ProjectKey) -> tuple[Entry, ...]:  # noqa: N802
    """Nothing for the vault."""
    return ()
