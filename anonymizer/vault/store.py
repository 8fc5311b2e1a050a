"""The vault file: SQLite whose every row was sealed before SQLite saw it, so that no journal or page ever holds an original.

A row is (id, handle, body): the handle is a keyed hash of what the row is about, the body is sealed to vault, id and handle. Ids run
from 1 without a gap and the sealed head says how many there are. One transaction an `add`: a killed process leaves what its finished
calls put in and no more. Several processes may use one vault; their transactions wait for each other.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from anonymizer.errors import VaultError
from anonymizer.vault.entries import FACTS, KINDS, UID_KINDS, Entry
from anonymizer.vault.head import Head, State, read_head, unfit, write_head
from anonymizer.vault.sealing import UnsealError, digest, padded, unpadded

BUSY_SECONDS = 30.0
CACHE_KIB = 32 * 1024
RECENT = 16_384
_PICTURE = "picture"


def open_vault(path: Path, secret: bytes, *, create: bool = False) -> Vault:
    """Open a vault file; with `create`, make an empty one first where there is none (mode 0600, whole or not at all).

    Raises VaultError for a missing file, another kind of file, a wrong key, or a head that was changed: nothing opens in part.
    """
    if create and not path.exists():
        _make(path, secret)
    if not path.is_file():
        raise VaultError("there is no such vault", subject=path.name, accepted="a file that `shoken deid --vault` wrote")
    with _told(path):
        database = _connected(path)
        try:
            return Vault(path, database, read_head(database, secret, path.name), digest(secret, b"fingerprint").hex()[:8])
        except BaseException:
            database.close()
            raise


class Vault:
    """An open vault. A context manager; for the thread and process that opened it. Nothing of it shows in a repr.

    Any call raises VaultError when a row it touches was changed, and when another process keeps the file busy for 30 s.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, head: Head, key_fingerprint: str) -> None:
        self.path = path
        self.key_fingerprint = key_fingerprint
        self._database = database
        self._head = head
        self._recent: dict[Entry, None] = {}

    @property
    def name(self) -> str:
        """Tells this vault from others, in a log: 16 hexadecimal digits."""
        return self._head.vault.hex()[:16]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; it is whole by itself, no other file belongs to its content."""
        self._database.close()

    def add(self, entries: Iterable[Entry]) -> int:
        """Put entries in, all or none, on disk when the call returns; gives how many were new. What is there already is skipped.

        Raises VaultError, and puts nothing in, for a mapping whose pseudonym already stands for another original.
        """
        fresh = [entry for entry in dict.fromkeys(entries) if entry not in self._recent]
        if not fresh:
            return 0
        with self._changing() as state:
            rows = list(self._new_rows(fresh, state.rows))
            self._insert(rows, state)
        self._remember(fresh)
        return len(rows)

    def original(self, kind: str, pseudonym: str) -> str | None:
        """What a pseudonym stands for, or None when the vault does not know it. A fact with several spellings gives the first."""
        return next(iter(self.originals(kind, pseudonym)), None)

    def originals(self, kind: str, pseudonym: str) -> tuple[str, ...]:
        """Everything a pseudonym stands for: at most one for a mapping, every spelling met for a fact, in the order met."""
        with _told(self.path):
            return tuple(unpadded(body).decode("utf-8", "surrogatepass") for body in self._bodies(_stored(kind), pseudonym))

    def count(self) -> int:
        """How many rows there are: entries and pictures."""
        return self.state().rows

    def add_picture(self, handle: str, name: str, png: bytes) -> None:
        """Keep a picture of a file (its `handle` in the manifest) under a name; the same picture twice is kept once."""
        plain = len(name.encode()).to_bytes(2) + name.encode() + png
        with self._changing() as state:
            held = list(self._bodies(_PICTURE, handle))
            if plain not in held:
                place = self._head.handle(_PICTURE, handle, str(len(held)))
                self._insert([(state.rows + 1, place, plain)], state)

    def pictures(self, handle: str) -> tuple[tuple[str, bytes], ...]:
        """(name, PNG) of every picture kept of a file, in the order they were put in."""
        with _told(self.path):
            held = [(int.from_bytes(body[:2]), body[2:]) for body in self._bodies(_PICTURE, handle)]
        return tuple((rest[:length].decode(), rest[length:]) for length, rest in held)

    def verify(self) -> None:
        """Look at every row. Raises VaultError when one was changed, removed, moved, doubled or put in by others."""
        with _told(self.path):
            rows = self.state().rows
            if self._database.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                raise VaultError("the file is damaged", subject=self.path.name, accepted="a whole copy of it")
            seen = 0
            for row, handle, body in self._database.execute("SELECT id, handle, body FROM sealed ORDER BY id"):
                seen += 1
                if row != seen:
                    break
                self._opened(row, handle, body)
            if seen != rows:
                raise VaultError("rows were removed or put in by others", subject=self.path.name, accepted="a whole copy of it")

    def state(self) -> State:
        """How much the vault holds, and where the log of its uses ended at the last use."""
        with _told(self.path):
            return self._head.state(self._database)

    def anchor_log(self, entries: int, head: str) -> None:
        """Remember the length and last digest of the log of uses; never goes back."""
        with self._changing() as state:
            if entries > state.log_entries:
                self._head.set_state(self._database, replace(state, log_entries=entries, log_head=head))

    @contextmanager
    def _changing(self) -> Iterator[State]:
        with _told(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._head.state(self._database)
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    def _insert(self, rows: list[tuple[int, bytes, bytes]], state: State) -> None:
        """Seal and store (id, handle, plain) rows, and count them in the head."""
        sealed = ((row, handle, self._head.seal.closed(plain, self._place(row, handle))) for row, handle, plain in rows)
        self._database.executemany("INSERT INTO sealed VALUES (?, ?, ?)", sealed)
        if rows:
            self._head.set_state(self._database, replace(state, rows=state.rows + len(rows)))

    def _new_rows(self, entries: Iterable[Entry], last: int) -> Iterator[tuple[int, bytes, bytes]]:
        """(id, handle, padded original) of each entry that is not there yet. `fresh` are those of this very call."""
        fresh: dict[bytes, bytes] = {}
        for entry in entries:
            plain = padded(entry.original.encode("utf-8", "surrogatepass"))
            handle = self._free(entry, plain, fresh)
            if handle is not None:
                fresh[handle] = plain
                yield last + len(fresh), handle, plain

    def _free(self, entry: Entry, plain: bytes, fresh: dict[bytes, bytes]) -> bytes | None:
        """Where an entry goes, or None when it is there already."""
        number = 0
        while True:
            handle = self._head.handle(_stored(entry.kind), entry.pseudonym, str(number))
            held = fresh.get(handle) or self._held(handle)
            if held is None:
                return handle
            if held == plain:
                return None
            if entry.kind not in FACTS:
                problem = f"a pseudonym of kind {entry.kind} already stands for another original"
                raise VaultError(problem, subject=self.path.name, accepted="entries that were made under one project key")
            number += 1

    def _bodies(self, *about: str) -> Iterator[bytes]:
        number = 0
        while (body := self._held(self._head.handle(*about, str(number)))) is not None:
            yield body
            number += 1

    def _held(self, handle: bytes) -> bytes | None:
        found = self._database.execute("SELECT id, body FROM sealed WHERE handle = ?", (handle,)).fetchone()
        return None if found is None else self._opened(found[0], handle, found[1])

    def _opened(self, row: int, handle: bytes, body: object) -> bytes:
        return self._head.seal.opened(body, self._place(row, handle))

    def _place(self, row: int, handle: bytes) -> bytes:
        return self._head.vault + row.to_bytes(8) + handle

    def _remember(self, entries: Iterable[Entry]) -> None:
        """Entries put in lately are not looked up again: every image of a series brings the same ones."""
        self._recent.update(dict.fromkeys(entries))
        for oldest in list(self._recent)[: max(0, len(self._recent) - RECENT)]:
            del self._recent[oldest]


def _stored(kind: str) -> str:
    """All UIDs are one kind in the file: a pseudonymous UID is the same wherever it stands."""
    if kind not in KINDS:
        raise VaultError(f"unknown kind {kind!r}", subject="kind", accepted=", ".join(KINDS))
    return "uid" if kind in _UIDS else kind


_UIDS = frozenset(UID_KINDS.values())


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    for setting in ("trusted_schema = OFF", "cell_size_check = ON", "temp_store = MEMORY", f"cache_size = -{CACHE_KIB}"):
        database.execute(f"PRAGMA {setting}")
    database.execute("PRAGMA journal_mode = DELETE").fetchone()
    database.execute("PRAGMA synchronous = FULL")
    return database


def _make(path: Path, secret: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with _told(path):
            database = _connected(draft)
            try:
                database.execute("BEGIN IMMEDIATE")
                write_head(database, secret)
                database.execute("COMMIT")
            finally:
                database.close()
        os.link(draft, path)
    except FileExistsError:
        pass  # another process made it at the same time: that one is used
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise VaultError(f"cannot be made ({error.strerror})", subject=path.name, accepted="a name in a folder you can write to") from None
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """SQLite's and the seal's complaints as one VaultError; a full disk as the OSError it is."""
    try:
        yield
    except UnsealError:
        raise unfit(path.name) from None
    except sqlite3.DatabaseError as error:
        raise _meant(error, path) from None


def _meant(error: sqlite3.DatabaseError, path: Path) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return VaultError("another process keeps it busy", subject=path.name, accepted="the same command again when that one is done")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return VaultError("may not be read or written", subject=path.name, accepted="a file and folder you can write to")
    if code == sqlite3.SQLITE_IOERR:
        return VaultError("the disk does not answer", subject=path.name, accepted="a disk that can be read and written")
    return VaultError("not a vault, or damaged", subject=path.name, accepted="a file that `shoken deid --vault` wrote")
