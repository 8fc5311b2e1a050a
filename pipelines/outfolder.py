"""The output folder of a long job: claimed by one process, of one run, every file written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad.errors import ShokenError

RUN_FILE, WORK, CASES, RESULTS, DRAFTS = "run.json", ".work", "cases", "results.db", ".*.partial"
SCHEMA_VERSION = "1.0"
ROOM_FOR_A_LEDGER_BYTES = 2**20


class OutError(ShokenError):
    """An output folder that cannot be used as asked."""


class DiskFullError(ShokenError):
    """No space is left where results must go."""


@dataclass(frozen=True, slots=True)
class OutFolder:
    """The layout of OUT; see DESIGN section 4."""

    root: Path

    @property
    def work(self) -> Path:
        """Private temporary files; gone when a run ends, wiped when one begins."""
        return self.root / WORK

    @property
    def cases(self) -> Path:
        """One folder a case."""
        return self.root / CASES

    @property
    def results(self) -> Path:
        """The SQLite file of jobs and verdicts."""
        return self.root / RESULTS

    @property
    def timings(self) -> Path:
        """Seconds and peak memory by case and stage."""
        return self.root / "timings.json"

    def case(self, case: str) -> Path:
        """The folder of one case."""
        return self.cases / case

    def write_json(self, name: str, document: Any) -> None:
        """Write a JSON document at the root, atomically, keys sorted."""
        from cad.write.folder import write_file

        write_file(self.root / name, (json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode())


def check_apart(export: Path, out: Path) -> None:
    """Refuse an export that is not there, and an OUT and EXPORT that hold each other. Raises OutError."""
    if not export.exists():
        raise OutError("there is no such folder or file", subject=f"EXPORT {export}", accepted="a folder or zip of DICOM files")
    source, target = export.resolve(), out.resolve()
    if source == target or source in target.parents:
        raise OutError("lies inside EXPORT, whose files it would join", subject=f"OUT {out}", accepted="a folder outside EXPORT")
    if target in source.parents:
        raise OutError("lies inside OUT, which is for results only", subject=f"EXPORT {export}", accepted="a folder outside OUT")


@contextlib.contextmanager
def claimed(root: Path, identity: dict[str, str], *, resume: bool) -> Iterator[OutFolder]:
    """OUT for this run alone: locked, identified, with an empty private work folder that is gone afterwards.

    A fresh run wants OUT absent or empty; `resume` wants the same `identity` as the run found there.
    Raises OutError in one line otherwise. The lock is the kernel's and dies with the process.
    """
    _usable(root)
    with full_disk_named(root), _locked(root):
        found = _identity(root)
        if not resume:
            _require_empty(root)
        elif found is not None:
            _require_same(root, found, identity)
        elif _holds_something(root):
            raise OutError("holds files but no run to resume", subject=f"OUT {root}", accepted="an OUT that the same command began")
        out = OutFolder(root)
        if found is None:
            out.write_json(RUN_FILE, {**identity, "schema_version": SCHEMA_VERSION})
        _fresh_work(out)
        try:
            yield out
        finally:
            shutil.rmtree(out.work, ignore_errors=True)


def require_new(root: Path) -> None:
    """Make an output folder that is absent or empty. Raises OutError for any other."""
    _usable(root)
    _require_empty(root)


def install_case(built: Path, final: Path, trash: Path) -> None:
    """Move a finished case folder into place; an earlier one of the same case goes to `trash` first."""
    final.parent.mkdir(exist_ok=True)
    if final.exists():
        trash.mkdir(parents=True, exist_ok=True)
        final.rename(trash / final.name)
    built.rename(final)
    shutil.rmtree(trash, ignore_errors=True)


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk (or quota) is full."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, ShokenError) and error.__cause__ is not None:
        return is_full(error.__cause__)
    return isinstance(error, sqlite3.Error) and "full" in str(error)


@contextlib.contextmanager
def full_disk_named(root: Path) -> Iterator[None]:
    """Turn "no space left" from anywhere inside into one line that names OUT."""
    try:
        yield
    except (OSError, ShokenError, sqlite3.Error) as error:
        if not is_full(error) and not (isinstance(error, sqlite3.Error) and _is_out_of_space(root)):
            raise
        accepted = "free space, then the same command with --resume: what is finished is kept"
        raise DiskFullError("the disk is full", subject=f"OUT {root}", accepted=accepted) from None


def _is_out_of_space(root: Path) -> bool:
    """SQLite says "disk I/O error" or "unable to open" where its side files do not fit."""
    try:
        return shutil.disk_usage(root).free < ROOM_FOR_A_LEDGER_BYTES
    except OSError:
        return False


def _usable(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise OutError("is a file", subject=f"OUT {root}", accepted="a folder, or a name that is free") from None
    except PermissionError:
        raise OutError("may not be created", subject=f"OUT {root}", accepted="a folder you can write to") from None
    if not os.access(root, os.W_OK | os.X_OK):
        raise OutError("may not be written to", subject=f"OUT {root}", accepted="a folder you can write to")


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise OutError("another shoken is writing here", subject=f"OUT {root}", accepted="wait for it, or another folder") from None
    finally:
        os.close(handle)


def _identity(root: Path) -> dict[str, Any] | None:
    path = root / RUN_FILE
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise OutError(
            "cannot be read as the identity of a run", subject=str(path), accepted="an OUT that the same command began"
        ) from None
    return document if isinstance(document, dict) else {}


def _holds_something(root: Path) -> bool:
    """Whether there is anything but the draft of a file that a killed run was writing."""
    return any(not path.match(DRAFTS) for path in root.iterdir())


def _require_empty(root: Path) -> None:
    if (root / RUN_FILE).exists():
        raise OutError("holds another run", subject=f"OUT {root}", accepted="an empty or new folder, or --resume to go on with that run")
    if _holds_something(root):
        raise OutError("is not empty", subject=f"OUT {root}", accepted="an empty or new folder")


def _require_same(root: Path, found: dict[str, Any], identity: dict[str, str]) -> None:
    changed = [name for name, value in identity.items() if found.get(name) != value]
    if changed:
        accepted = "the same settings, models and key as that run, or another OUT"
        raise OutError(f"holds a run with other {', '.join(changed)}", subject=f"OUT {root}", accepted=accepted)


def _fresh_work(out: OutFolder) -> None:
    shutil.rmtree(out.work, ignore_errors=True)
    out.work.mkdir(mode=0o700)
    for leftover in out.root.glob(DRAFTS):
        leftover.unlink()
