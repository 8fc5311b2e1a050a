"""Which distributions this environment holds for the package and its extras, with their dependencies."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def declared(extras: Iterable[str]) -> list[str]:
    """Requirement lines of `pyproject.toml`: the core's, then those of each extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]


def closure(lines: Iterable[str]) -> dict[str, Distribution]:
    """Installed distributions behind requirement lines, dependencies included, by canonical name, sorted.

    Raises SystemExit naming a requirement that is not installed: a lock with a hole is no lock.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(line) for line in lines]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        fresh = {(name, extra) for extra in ("", *wanted.extras)} - seen
        seen |= fresh
        found.setdefault(name, _installed(name))
        waiting += (need for _, extra in fresh for need in _needs(found[name], extra))
    return dict(sorted(found.items()))


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise SystemExit(f"{name}: not installed here (accepted: an environment made by `make dev`)") from None


def _needs(package: Distribution, extra: str) -> Iterator[Requirement]:
    for line in package.requires or ():
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            yield need
