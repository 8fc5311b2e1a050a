"""The truth about models (and about uses of a vault): an append-only chain of events in a JSON-lines file.

Every entry carries the sha256 of the one before it, and a small file beside it holds the length and
the last digest, so that an edited, removed, reordered or cut-off entry is found by `audit`. Whoever
can rewrite both files can rewrite history; keep a copy of the head elsewhere (`shoken models audit`
prints it) to notice that too.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from cad.errors import ModelError, ShokenError
from pipelines.ports import Clock

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found: how many entries, the digest of the last, and what is wrong (nothing, when sound)."""

    entries: int
    head: str
    faults: tuple[str, ...]


class HashChain:
    """An append-only hash chain; a subclass says which events it takes, its error, and what finds it sound."""

    events: ClassVar[tuple[str, ...]]
    error: ClassVar[type[ShokenError]]
    sound: ClassVar[str]

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock

    @property
    def head_path(self) -> Path:
        """The file that anchors the end of the chain."""
        return self.path.with_suffix(".head.json")

    def append(self, event: str, **facts: str) -> str:
        """Add one event and return its digest. Raises `error` for an unknown event or a chain that is not sound."""
        if event not in self.events:
            raise self.error(f"unknown event {event!r}", subject="event", accepted=", ".join(self.events))
        with self._locked():
            audit = self.audit()
            if audit.faults:
                raise self.error(audit.faults[0], subject=self.path.name, accepted=self.sound)
            entry = {"n": audit.entries, "prev": audit.head, "at_utc": self.clock.now_utc(), "event": event, "facts": facts}
            line = _line(entry)
            self._anchor(audit.entries, audit.head, pending=_digest(line))
            with self.path.open("ab") as stream:
                stream.write(line + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            self._anchor(audit.entries + 1, _digest(line))
        return _digest(line)

    def entries(self) -> tuple[dict[str, Any], ...]:
        """Every entry, oldest first, as stored."""
        return tuple(json.loads(line) for line in self._lines())

    def audit(self) -> Audit:
        """Walk the chain and compare its end with the anchor."""
        faults, previous, lines = [], GENESIS, self._lines()
        for number, line in enumerate(lines):
            if fault := _fault(line, number, previous):
                faults.append(f"entry {number}: {fault}")
            previous = _digest(line)
        entries, ends = self._anchored()
        if previous not in ends or len(lines) - entries not in (0, 1):
            faults.append(f"the chain ends after {len(lines)} entries, its anchor says {entries}, or the last entry was changed")
        return Audit(len(lines), previous, tuple(faults))

    def _lines(self) -> list[bytes]:
        """The lines, the last one with a mark when its end is missing: it must not pass as whole."""
        *lines, rest = self.path.read_bytes().split(b"\n") if self.path.exists() else [b""]
        return [*lines, rest + b" (cut)"] if rest else lines

    def _anchored(self) -> tuple[int, tuple[str, ...]]:
        """How many entries were whole, and what the chain may end with: the last, or one being added when a process died."""
        if not self.head_path.exists():
            return 0, (GENESIS,)
        document = json.loads(self.head_path.read_text(encoding="utf-8"))
        return int(document["entries"]), (str(document["head"]), str(document["pending"] or document["head"]))

    def _anchor(self, entries: int, head: str, pending: str = "") -> None:
        beside = self.head_path.with_suffix(".part")
        with beside.open("w", encoding="utf-8") as stream:
            json.dump({"entries": entries, "head": head, "pending": pending}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(self.head_path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


class ModelLedger(HashChain):
    """The hash chain of model events."""

    events = ("register", "import", "approve", "promote", "answers", "withdraw")
    error = ModelError
    sound = "a chain that `shoken models audit` finds sound"


def digest_of(entry: dict[str, Any]) -> str:
    """The digest of an entry as stored: what the next one continues."""
    return _digest(_line(entry))


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _fault(line: bytes, number: int, previous: str) -> str:
    try:
        entry = json.loads(line)
        numbered, linked = entry["n"] == number, entry["prev"] == previous
        canonical = _line(entry) == line
    except (ValueError, KeyError, TypeError):
        return "not readable"
    if not canonical:
        return "not in canonical form"
    if not linked:
        return "does not continue the entry before it"
    return "" if numbered else "is out of order"
