"""Install time and installed size of the core and of each extra, each in a fresh environment: `python benchmarks/install.py`."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from common import PYTHON, ROOT, keep, run, table

QUIET = ("-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check")
PACKAGE = ("anonymizer", "cad", "pipelines", "pyproject.toml", "README.md", "LICENSE", "NOTICE")


def main() -> None:
    """The core and then each extra, every one from nothing; an extra's share is its size less the core's."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    with tempfile.TemporaryDirectory() as folder:
        source = copy_package(Path(folder))
        rows = [measure(source, extra) for extra in ("", *extras)]
    for row in rows:
        row["added_mib"] = round(row["installed_mib"] - rows[0]["installed_mib"], 1)
    columns = ("seconds", "installed_mib", "added_mib", "exit_code")
    table("Installation in a fresh environment", ("what", *columns), [(row["what"], *(row[c] for c in columns)) for row in rows])
    keep("install", {"pins": ["requirements.lock", "requirements-dev.lock"], "installations": rows})


def copy_package(folder: Path) -> Path:
    """The distribution's files alone, so that building leaves nothing in the checkout."""
    for name in PACKAGE:
        whole = ROOT / name
        if whole.is_dir():
            shutil.copytree(whole, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(whole, folder / name)
    return folder


def measure(source: Path, extra: str) -> dict[str, Any]:
    """Wall seconds of one `pip install` with the pinned versions, and the size of what it left on disk."""
    with tempfile.TemporaryDirectory() as folder:
        run([PYTHON, "-m", "venv", folder])
        before = size_mib(Path(folder))
        cost = run([f"{folder}/bin/python", *QUIET, "-c", pins(folder), f"{source}[{extra}]" if extra else str(source)])
        installed = round(size_mib(Path(folder)) - before, 1)
    return {"what": extra or "core", "seconds": round(cost.wall_s, 1), "installed_mib": installed, "exit_code": cost.code}


def pins(folder: str) -> str:
    """The lock files as one file of constraints (which may not hold the `-r` line)."""
    lines = [line for name in ("requirements.lock", "requirements-dev.lock") for line in (ROOT / name).read_text().splitlines()]
    path = Path(folder) / "constraints.txt"
    path.write_text("\n".join(line for line in lines if "==" in line) + "\n")
    return str(path)


def size_mib(folder: Path) -> float:
    """Bytes of every regular file below a folder, in MiB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 2**20


if __name__ == "__main__":
    main()
