"""Running a screening in a test, and reading back what it wrote."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from pipelines.config import Settings
from pipelines.screening import screen
from pipelines.wiring import Tools


class Silent:
    def file(self, index): ...
    def studies(self, total): ...
    def stage(self, name): ...
    def finished(self, row): ...


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def worklist(out: Path) -> list[dict]:
    return json.loads((out / "worklist.json").read_text())["studies"]


def screened(export: Path, out: Path, tools: Tools, **more):
    return screen(export, out, more.pop("settings", Settings()), Silent(), tools=tools, **more)


def reasons(out: Path) -> Counter:
    return Counter(row["reason"] for row in lines(out) if row["status"] == "refused")


def answer(out: Path) -> dict[str, bytes]:
    """Every byte that must not depend on how a run went."""
    names = ("worklist.json", "worklist.html", "manifest.jsonl")
    cases = sorted((out / "cases").rglob("*"))
    assert not list(out.rglob(".*"))
    return {name: (out / name).read_bytes() for name in names} | {str(p.relative_to(out)): p.read_bytes() for p in cases if p.is_file()}
