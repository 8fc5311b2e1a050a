"""The head of a vault file: what it is, the keys of its rows (sealed under the user's key), and its state.

The state says how many rows there are and where the log of uses ends, so that a row or a log that was taken away is missed.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import asdict, dataclass, field
from typing import Any

from anonymizer.errors import VaultError
from anonymizer.key import KEY_BYTES
from anonymizer.vault.sealing import Seal, UnsealError, digest, padded, unpadded

APPLICATION_ID = 0x53484B56  # "SHKV"
VERSION = 1
_TABLES = (
    "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), vault BLOB NOT NULL, keys BLOB NOT NULL, state BLOB NOT NULL)",
    "CREATE TABLE sealed (id INTEGER PRIMARY KEY, handle BLOB NOT NULL UNIQUE, body BLOB NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class State:
    """How many rows a vault holds, and the length and last digest of the log of its uses (0 and "" before the first)."""

    rows: int = 0
    log_entries: int = 0
    log_head: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """An opened head: the vault's own identity (16 bytes), the seal of its rows, the key of its handles."""

    vault: bytes
    seal: Seal
    handle_key: bytes = field(repr=False)

    def handle(self, *parts: str) -> bytes:
        """Where a row is found: 16 bytes that say nothing without the key."""
        return digest(self.handle_key, *(part.encode("utf-8", "surrogatepass") for part in parts))[:16]

    def state(self, database: sqlite3.Connection) -> State:
        """The state as of now. Raises UnsealError when it was changed by others."""
        (body,) = database.execute("SELECT state FROM head").fetchone()
        return State(**json.loads(unpadded(self.seal.opened(body, self.vault + b"state"))))

    def set_state(self, database: sqlite3.Connection, state: State) -> None:
        """Write a new state, within the caller's transaction."""
        body = self.seal.closed(padded(json.dumps(asdict(state)).encode()), self.vault + b"state")
        database.execute("UPDATE head SET state = ?", (body,))


def write_head(database: sqlite3.Connection, secret: bytes) -> None:
    """Make the tables and the head of an empty vault."""
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {VERSION}")
    for table in _TABLES:
        database.execute(table)
    vault, keys = secrets.token_bytes(16), secrets.token_bytes(2 * KEY_BYTES)
    head = Head(vault, Seal.under(keys[:KEY_BYTES]), keys[KEY_BYTES:])
    database.execute("INSERT INTO head VALUES (1, ?, ?, ?)", (vault, Seal.under(secret).closed(keys, vault + b"keys"), b""))
    head.set_state(database, State())


def read_head(database: sqlite3.Connection, secret: bytes, name: str) -> Head:
    """Open the head. Raises VaultError for another kind of file, another version, a wrong key or a changed head."""
    seal = Seal.under(secret)
    if _pragma(database, "application_id") != APPLICATION_ID or _schema(database) != sorted(_TABLES):
        raise VaultError("not a vault", subject=name, accepted="a file that `shoken deid --vault` wrote")
    if _pragma(database, "user_version") != VERSION:
        raise VaultError("a vault of another version", subject=name, accepted=f"version {VERSION}")
    row = database.execute("SELECT vault, keys FROM head").fetchone()
    try:
        vault, body = row or (b"", b"")
        keys = seal.opened(body, bytes(vault) + b"keys")
        head = Head(bytes(vault), Seal.under(keys[:KEY_BYTES]), keys[KEY_BYTES:])
        head.state(database)
    except (UnsealError, TypeError):
        raise unfit(name) from None
    return head


def unfit(name: str) -> VaultError:
    """The one answer to a wrong key and to an edited file: which of the two it is cannot be told."""
    return VaultError("the key does not fit, or the file was changed", subject=name, accepted="the key it was written with")


def _pragma(database: sqlite3.Connection, name: str) -> Any:
    return database.execute(f"PRAGMA {name}").fetchone()[0]


def _schema(database: sqlite3.Connection) -> list[str]:
    return sorted(row[0] for row in database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"))
