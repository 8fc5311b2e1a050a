"""What the code imports, what pyproject.toml declares and what the lock files pin agree."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("anonymizer", "cad", "pipelines")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def canonical(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def declared() -> set[str]:
    extras = (line for lines in PROJECT["optional-dependencies"].values() for line in lines)
    return {canonical(line) for line in (*PROJECT["dependencies"], *extras)}


def pinned(*files: str) -> dict[str, str]:
    lines = [line for name in files for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if "==" in line]
    return dict(line.split("==") for line in lines)


def imported_roots() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0]: path for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found[node.module.partition(".")[0]] = path
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names and name not in PACKAGES}


def test_every_imported_library_is_declared() -> None:
    providers = packages_distributions()
    undeclared = {
        name: str(path.relative_to(ROOT))
        for name, path in imported_roots().items()
        if not {canonical(provider) for provider in providers.get(name, [name])} & declared()
    }
    assert undeclared == {}


def test_the_locks_pin_all_that_is_declared() -> None:
    locked = pinned("requirements.lock", "requirements-dev.lock")
    assert {canonical(line) for line in PROJECT["dependencies"]} <= set(pinned("requirements.lock"))
    extras = ("documents", "exchange", "mlops", "pixels", "vault", "dev")
    assert {canonical(line) for extra in extras for line in PROJECT["optional-dependencies"][extra]} <= set(locked)


def test_no_lock_line_names_a_build_or_an_address() -> None:
    for name, version in pinned("requirements.lock", "requirements-dev.lock").items():
        assert re.fullmatch(r"[0-9][0-9A-Za-z.]*", version), f"{name}=={version}"
