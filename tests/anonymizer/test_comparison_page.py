"""docs/comparison.md says what the benchmark measured, and names tests that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
TOOLS: dict[str, dict[str, Any]] = json.loads((ROOT / "benchmarks/results/deid_peers.json").read_text())["tools"]
SHOWN = ("text_removed", "text_retained", "date_shifted", "uid_consistent", "patid_consistent", "pixels_hidden")


def answer_row(name: str) -> str:
    """The line of the second table for a tool."""
    tool = TOOLS[name]
    cells = [f"{100 * tool['actions'][action]['passed'] / tool['actions'][action]['total']:.1f}" for action in SHOWN]
    low, high = tool["answer_key"]["interval_95"]
    whole = [f"{100 * tool['answer_key']['accuracy']:.2f}", f"{100 * low:.2f} to {100 * high:.2f}"]
    return f"| {' | '.join((name, str(tool['answer_key_files']), *cells, *whole))} |"


@pytest.mark.parametrize("name", TOOLS)
def test_the_answer_key_s_table_is_what_was_measured(name: str) -> None:
    assert answer_row(name) in PAGE


@pytest.mark.parametrize("name", [name for name in TOOLS if name != "shoken (research)"])
def test_the_table_of_leaks_is_what_was_measured(name: str) -> None:
    tool = TOOLS[name]
    (row,) = re.findall(rf"^\| {re.escape(name)} \| [^|]+ \| (\d+ \| \d+ \| \d+ .*) \|$", PAGE, re.M)
    left = ("preamble_kept", "file_meta_kept", "echo_kept", "private_kept")
    cells = [*(str(tool[f"rows_leaked_depth_{depth}"]) for depth in range(3)), *("yes" if tool[key] else "no" for key in left)]
    assert row == " | ".join((*cells, f"{len(tool['method_codes'])} of 2"))


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:pixels/|defacing/)?(?:test_\w+\.py)?)`", PAGE)) - {""}
    assert len(named) >= 8
    assert [name for name in named if not (ROOT / "tests" / "anonymizer" / name).exists()] == []


def test_every_citation_is_listed_once() -> None:
    used = {int(number) for number in re.findall(r"\[(\d+)\](?!\()", PAGE)}
    listed = [int(number) for number in re.findall(r"^(\d+)\. https://", PAGE, re.M)]
    assert listed == list(range(1, len(listed) + 1))
    assert used == set(listed)
