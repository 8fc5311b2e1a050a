"""The job ledger in SQLite: which job is done, with what digest, and who holds which.

The engine only runs, this file is the truth: a record that returned survives `kill -9` (WAL, full
synchronisation). Keys are idempotent, so recording twice is harmless.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.database import connected

_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    key TEXT PRIMARY KEY, case_id TEXT NOT NULL, status TEXT NOT NULL, digest TEXT NOT NULL, document TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, owner TEXT NOT NULL DEFAULT '', lease_until REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS shared (digest TEXT PRIMARY KEY, document TEXT NOT NULL);
"""
FINISHED = '["screened", "not_screened", "deidentified", "scanned", "sent"]'


@dataclass(frozen=True, slots=True)
class Record:
    """One job that ended; see `JobLedger.record`."""

    key: str
    digest: str
    status: str
    document: str = ""
    case: str = ""


class JobLedger:
    """`pipelines.ports.ResultStore` in one SQLite file, with leases for engines that share it."""

    def __init__(self, path: Path, owner: str = "", lease_seconds: float = 3600.0) -> None:
        self.path = path
        self.owner = owner
        self.lease_seconds = lease_seconds
        with connected(self.path) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(_TABLES)

    def done(self, key: str) -> str | None:
        """The digest of a job that finished, or None; a failed job is not done and is tried again."""
        row = self._one("SELECT digest FROM jobs WHERE key = ? AND status IN (SELECT value FROM json_each(?))", key, FINISHED)
        return None if row is None else str(row[0])

    def document(self, key: str) -> str:
        """What was recorded beside a finished job, or ""."""
        row = self._one("SELECT document FROM jobs WHERE key = ? AND status IN (SELECT value FROM json_each(?))", key, FINISHED)
        return "" if row is None else str(row[0])

    def record(self, key: str, digest: str, status: str, document: str = "", case: str = "") -> None:
        """Mark a job as ended and drop its lease. Recording again replaces the same row."""
        self.record_all([Record(key, digest, status, document, case)])

    def record_all(self, records: Iterable[Record], shared: Mapping[str, str] | None = None) -> None:
        """Several jobs at once, all or none; `shared` are documents by digest that more than one job refers to."""
        with connected(self.path) as db:
            db.executemany("INSERT OR IGNORE INTO shared (digest, document) VALUES (?, ?)", (shared or {}).items())
            db.executemany(
                "INSERT INTO jobs (key, case_id, status, digest, document) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                " case_id=excluded.case_id, status=excluded.status, digest=excluded.digest, document=excluded.document,"
                " owner='', lease_until=0",
                ((record.key, record.case, record.status, record.digest, record.document) for record in records),
            )

    def shared(self) -> Iterator[tuple[str, str]]:
        """Every shared document by its digest, sorted by digest."""
        with connected(self.path) as db:
            yield from db.execute("SELECT digest, document FROM shared ORDER BY digest")

    def keys(self) -> frozenset[str]:
        """Every job this ledger has seen."""
        with connected(self.path) as db:
            return frozenset(str(row[0]) for row in db.execute("SELECT key FROM jobs"))

    def forget(self, keys: Iterable[str]) -> None:
        """Drop jobs that are of no present run."""
        with connected(self.path) as db:
            db.executemany("DELETE FROM jobs WHERE key = ?", ((key,) for key in keys))

    def claim(self, key: str, case: str) -> bool:
        """Take a job for this owner until the lease ends; False while another owner's lease runs."""
        now = time.time()
        with connected(self.path) as db:
            cursor = db.execute(
                "INSERT INTO jobs (key, case_id, status, digest, document, attempts, owner, lease_until)"
                " VALUES (?, ?, 'running', '', '', 1, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET attempts = attempts + 1, owner = excluded.owner, lease_until = excluded.lease_until"
                " WHERE jobs.owner IN ('', excluded.owner) OR jobs.lease_until < ?",
                (key, case, self.owner, now + self.lease_seconds, now),
            )
            return cursor.rowcount == 1

    def reclaim(self) -> None:
        """End every lease. Only for the holder of OUT's lock: whoever held them is gone."""
        with connected(self.path) as db:
            db.execute("UPDATE jobs SET owner = '', lease_until = 0")

    def cases(self) -> frozenset[str]:
        """Every case this ledger has seen."""
        with connected(self.path) as db:
            return frozenset(str(row[0]) for row in db.execute("SELECT DISTINCT case_id FROM jobs"))

    def _one(self, query: str, *values: str) -> tuple[object, ...] | None:
        with connected(self.path) as db:
            row: tuple[object, ...] | None = db.execute(query, values).fetchone()
            return row
