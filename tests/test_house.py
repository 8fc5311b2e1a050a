"""The shape of the house: short files, short functions, few parameters, a docstring at the top of every file, test files apart by name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for package in ("anonymizer", "cad", "pipelines") for path in (ROOT / package).rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 400, 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_says_what_it_is_for_and_is_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    purpose = ast.get_docstring(tree) or ""
    assert purpose
    assert purpose.startswith("GENERATED") or text.count("\n") <= LONGEST_FILE
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION] == []


def test_no_committed_page_or_file_names_a_path_of_somebodys_machine() -> None:
    pages = [*FILES, *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), ROOT / "Makefile", *ROOT.glob("requirements*.lock")]
    homes = ("/home/", "/root/", "/Users/", "C:\\Users")
    named = [path.name for path in pages if any(home in path.read_text(encoding="utf-8") for home in homes)]
    assert named == []


def test_no_two_test_files_share_a_name() -> None:
    """Pytest imports a test file by its name alone: a second one of that name is not collected, and the whole run fails late."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
