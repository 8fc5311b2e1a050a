"""results.db: SQLite opened so that what was committed survives `kill -9`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction on a connection of its own: committed at the end, rolled back by an error."""
    db = sqlite3.connect(path, timeout=30.0)
    try:
        with db:
            db.execute("PRAGMA synchronous=FULL")
            yield db
    finally:
        db.close()
