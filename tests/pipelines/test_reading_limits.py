"""The thresholds of reading come from the settings and reach the reader, in screening as in converting."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from screening_runs import lines, screened, worklist
from small_export import write_series
from worker_tools import open_fake_bench, open_fake_desk

from anonymizer.key import ProjectKey
from cad.errors import ShokenError
from cad.read.limits import USUAL, Limits
from pipelines import wiring
from pipelines.config import SettingsError, load_settings
from pipelines.converting import convert_export
from pipelines.desk import open_desk
from pipelines.wiring import Tools

DOCUMENTS = Path(__file__).resolve().parents[2] / "docs"


def settings_file(folder: Path, text: str) -> Path:
    (folder / "settings.toml").write_text(text, encoding="utf-8")
    return folder / "settings.toml"


def test_the_table_names_what_differs_and_the_rest_stays(tmp_path):
    chosen = load_settings(settings_file(tmp_path, "[reading]\nslices = [5, 2]\nstep_mm = [3, 8.5]\n"))
    assert chosen.reading == Limits(slices=(5, 2), step_mm=(3, 8.5))
    assert load_settings().reading == USUAL
    assert hash(chosen) != hash(load_settings())


def test_the_environment_says_it_in_json_and_beats_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOKEN_READING", '{"uneven": [0.2, 0.4]}')
    assert load_settings(settings_file(tmp_path, "[reading]\nslices = [5, 2]\n")).reading == Limits(uneven=(0.2, 0.4))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[reading]\nslice = [5, 2]", ("reading", "no limit slice", "slices, step_mm, uneven, tilt_degrees, shift_mm")),
        ("[reading]\nslices = [3, 10]", ("slices", "refuse not above warn")),
        ("[reading]\nstep_mm = [9, 4]", ("step_mm", "warn not above refuse")),
        ("[reading]\nslices = [10, 0]", ("slices", "from 1 to 1000")),
        ("[reading]\nslices = [10, 2.5]", ("slices", "whole numbers")),
        ("[reading]\ntilt_degrees = [1, 80]", ("tilt_degrees", "from 0.01 to 60")),
        ("[reading]\nshift_mm = [true, 2]", ("shift_mm", "two numbers")),
        ("[reading]\nshift_mm = [1, nan]", ("shift_mm", "two numbers")),
        ("[reading]\nshift_mm = 'wide'", ("shift_mm", "two numbers")),
        ("reading = 3", ("reading", "not a table")),
    ],
)
def test_a_table_that_is_wrong_is_one_sentence(tmp_path, text, words):
    with pytest.raises(SettingsError) as caught:
        load_settings(settings_file(tmp_path, text))
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


def test_a_pair_the_wrong_way_round_is_an_error_for_every_caller():
    with pytest.raises(ShokenError, match="step_mm"):
        Limits(step_mm=(10.0, 5.0))


def tools_of(limits: Limits) -> Tools:
    """The fake bench, reading with other thresholds."""
    bench = open_fake_bench()
    return Tools(open_fake_desk, lambda: wiring.equipped(bench.tasks, bench.models, limits))


def test_screening_refuses_where_the_settings_say(tmp_path, models_folder):
    write_series(tmp_path / "export", 1)
    screened(tmp_path / "export", tmp_path / "usual", tools_of(USUAL))
    assert [row["status"] for row in worklist(tmp_path / "usual")] == ["screened"]
    screened(tmp_path / "export", tmp_path / "strict", tools_of(Limits(slices=(20, 7))))
    assert [row["status"] for row in worklist(tmp_path / "strict")] == ["not_screened"]
    assert Counter(row["reason"] for row in lines(tmp_path / "strict")) == {"too_few_slices": 6}


def test_the_bench_has_the_limits_of_the_settings():
    chosen = load_settings(reading={"slices": [20, 7]})
    assert wiring.bench(chosen).limits == Limits(slices=(20, 7))


def test_converting_refuses_where_the_settings_say(tmp_path, monkeypatch):
    monkeypatch.setattr(wiring, "desk", lambda settings: open_desk(ProjectKey(bytes(32)), settings.profile))
    write_series(tmp_path / "export", 1)
    rows = convert_export(tmp_path / "export", tmp_path / "out", load_settings(reading={"step_mm": [0.5, 1.5]}), lambda _: None).files
    assert {(row.status, row.reason) for row in rows} == {("refused", "thick_slices")}


@pytest.mark.parametrize("name", ["user-guide.md", "reading.md"])
def test_the_documents_tell_the_defaults(name):
    text = (DOCUMENTS / name).read_text(encoding="utf-8")
    for limit, pair in asdict(USUAL).items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{limit}` |")]
        assert all(f" {number:g} " in row.replace(",", " ") for number in pair)
