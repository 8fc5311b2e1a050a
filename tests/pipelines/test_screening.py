"""The long job: accounting, identity, failure of one study, resume."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from small_export import NAME

from pipelines.screening import screen


class Silent:
    def file(self, index): ...
    def studies(self, total): ...
    def stage(self, name): ...
    def finished(self, row): ...


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def worklist(out: Path) -> list[dict]:
    return json.loads((out / "worklist.json").read_text())["studies"]


def test_an_export_becomes_a_ranked_worklist(export, tmp_path, settings, tools):
    out = tmp_path / "out"
    result = screen(export, out, settings, Silent(), tools=tools)
    rows = worklist(out)
    assert [row["status"] for row in rows] == ["screened", "screened"]
    assert rows[0]["priority"] > rows[1]["priority"]
    assert Counter(row["status"] for row in lines(out)) == {"screened": 12, "refused": 1}
    assert [row["index"] for row in lines(out)] == list(range(13))
    assert result.exit_code == 1
    assert sorted(p.name for p in out.iterdir()) == [
        "cases", "manifest.jsonl", "results.db", "run.json", "timings.json", "worklist.html", "worklist.json",
    ]  # fmt: skip
    for row in rows:
        case = json.loads((out / "cases" / row["case"] / "case.json").read_text())
        assert case["findings"][0]["rank"] == 1
        assert case["settings_sha256"]


def test_nothing_that_identifies_reaches_the_output(export, tmp_path, settings, tools):
    out = tmp_path / "out"
    screen(export, out, settings, Silent(), tools=tools)
    words = [*NAME.replace("=", "^").split("^"), "ID-1", "ACC1", "20240102", "19500101", "Yamada", "1.2.826.0.1.3680043.8.498"]
    for path in (p for p in out.rglob("*") if p.is_file()):
        content = path.read_bytes()
        assert not [word for word in words if word.encode() in content or word.encode("iso2022_jp") in content], path.name
