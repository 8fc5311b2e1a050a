"""The job ledger in SQLite: which job is done, with what digest; who holds which; and readers' verdicts.

The engine only runs, this file is the truth: a record that returned survives `kill -9` (WAL, full
synchronisation). Keys are idempotent, so recording twice is harmless.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    key TEXT PRIMARY KEY, case_id TEXT NOT NULL, status TEXT NOT NULL, digest TEXT NOT NULL, document TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, owner TEXT NOT NULL DEFAULT '', lease_until REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS verdicts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at_utc TEXT NOT NULL, case_id TEXT NOT NULL, rank INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('accept', 'reject', 'unsure')), reader TEXT NOT NULL, case_sha256 TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS verdicts_stay BEFORE UPDATE ON verdicts BEGIN SELECT RAISE(ABORT, 'verdicts are only added'); END;
CREATE TRIGGER IF NOT EXISTS verdicts_remain BEFORE DELETE ON verdicts BEGIN SELECT RAISE(ABORT, 'verdicts are only added'); END;
"""
FINISHED = ("screened", "not_screened")


class JobLedger:
    """`pipelines.ports.ResultStore` in one SQLite file, with leases for engines that share it."""

    def __init__(self, path: Path, owner: str = "", lease_seconds: float = 3600.0) -> None:
        self.path = path
        self.owner = owner
        self.lease_seconds = lease_seconds
        with self._connected() as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(_TABLES)

    def done(self, key: str) -> str | None:
        """The digest of a job that finished, or None; a failed job is not done and is tried again."""
        row = self._one("SELECT digest FROM jobs WHERE key = ? AND status IN (?, ?)", key, *FINISHED)
        return None if row is None else str(row[0])

    def document(self, key: str) -> str:
        """What was recorded beside a finished job, or ""."""
        row = self._one("SELECT document FROM jobs WHERE key = ? AND status IN (?, ?)", key, *FINISHED)
        return "" if row is None else str(row[0])

    def record(self, key: str, digest: str, status: str, document: str = "", case: str = "") -> None:
        """Mark a job as ended and drop its lease. Recording again replaces the same row."""
        with self._connected() as db:
            db.execute(
                "INSERT INTO jobs (key, case_id, status, digest, document) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                " case_id=excluded.case_id, status=excluded.status, digest=excluded.digest, document=excluded.document,"
                " owner='', lease_until=0",
                (key, case, status, digest, document),
            )

    def claim(self, key: str, case: str) -> bool:
        """Take a job for this owner until the lease ends; False while another owner's lease runs."""
        now = time.time()
        with self._connected() as db:
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
        with self._connected() as db:
            db.execute("UPDATE jobs SET owner = '', lease_until = 0")

    def cases(self) -> frozenset[str]:
        """Every case this ledger has seen."""
        with self._connected() as db:
            return frozenset(str(row[0]) for row in db.execute("SELECT DISTINCT case_id FROM jobs"))

    def _one(self, query: str, *values: str) -> tuple[object, ...] | None:
        with self._connected() as db:
            row: tuple[object, ...] | None = db.execute(query, values).fetchone()
            return row

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=30.0)
        try:
            with db:
                db.execute("PRAGMA synchronous=FULL")
                yield db
        finally:
            db.close()
