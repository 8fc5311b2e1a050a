"""Readers' verdicts in results.db. They are only ever added: the database itself refuses to change or remove one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.database import connected

ANSWERS = ("accept", "reject", "unsure")
_TABLES = """
CREATE TABLE IF NOT EXISTS verdicts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at_utc TEXT NOT NULL, case_id TEXT NOT NULL, rank INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('accept', 'reject', 'unsure')), reader TEXT NOT NULL, case_sha256 TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS verdicts_stay BEFORE UPDATE ON verdicts BEGIN SELECT RAISE(ABORT, 'verdicts are only added'); END;
CREATE TRIGGER IF NOT EXISTS verdicts_remain BEFORE DELETE ON verdicts BEGIN SELECT RAISE(ABORT, 'verdicts are only added'); END;
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reader said of one finding; `case_sha256` is the case.json that was looked at."""

    at_utc: str
    case: str
    rank: int
    verdict: str
    reader: str
    case_sha256: str


class Verdicts:
    """The append-only table of verdicts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with connected(path) as db:
            db.executescript(_TABLES)

    def add(self, verdict: Verdict) -> None:
        """Keep one verdict. An unknown answer raises sqlite3.IntegrityError."""
        row = (verdict.at_utc, verdict.case, verdict.rank, verdict.verdict, verdict.reader, verdict.case_sha256)
        with connected(self.path) as db:
            db.execute("INSERT INTO verdicts (at_utc, case_id, rank, verdict, reader, case_sha256) VALUES (?, ?, ?, ?, ?, ?)", row)

    def latest(self, case: str) -> dict[int, Verdict]:
        """The last verdict on each finding of a case, by rank."""
        columns = "at_utc, case_id, rank, verdict, reader, case_sha256"
        with connected(self.path) as db:
            rows = db.execute(f"SELECT {columns} FROM verdicts WHERE case_id = ? ORDER BY id", (case,)).fetchall()  # noqa: S608 - our own column names
        return {int(row[2]): Verdict(*row) for row in rows}
