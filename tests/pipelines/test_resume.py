"""Going on after a stop: whatever was killed when, the answer has the same bytes."""

from __future__ import annotations

import shutil
from functools import partial

import pytest
from screening_runs import answer, screened
from small_export import make_export, write_series
from sudden_death import killed_at

from pipelines import studies
from pipelines.config import Settings
from pipelines.outfolder import OutError


def test_an_out_that_holds_a_run_is_kept_unless_resumed(export, tmp_path, tools):
    out = tmp_path / "out"
    screened(export, out, tools)
    before = answer(out)
    with pytest.raises(OutError, match=r"holds another run.*--resume"):
        screened(export, out, tools)
    with pytest.raises(OutError, match="holds a run with other settings"):
        screened(export, out, tools, settings=Settings(lang="ja"), resume=True)
    with pytest.raises(OutError, match="holds cases that EXPORT does not"):
        screened(make_export(tmp_path / "other", 1), out, tools, resume=True)
    assert answer(out) == before
    assert screened(export, out, tools, resume=True).resumed == 2
    assert answer(out) == before


def test_resume_screens_what_changed_since(export, tmp_path, tools):
    out = tmp_path / "out"
    screened(export, out, tools)
    write_series(export, 3, peak=900)
    shutil.rmtree(export / "Yamada_1")
    write_series(export, 1, peak=1500)
    (export / "AAA.txt").write_text("moves every index by one")
    assert screened(export, out, tools, resume=True).resumed == 1
    screened(export, tmp_path / "fresh", tools)
    assert answer(out) == answer(tmp_path / "fresh")


def test_a_case_that_was_edited_is_screened_again(export, tmp_path, tools):
    out = tmp_path / "out"
    screened(export, out, tools)
    before = answer(out)
    next((out / "cases").rglob("case.json")).write_text("{}")
    assert screened(export, out, tools, resume=True).resumed == 1
    assert answer(out) == before


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("moment", ["fsync", "rename", "replace", "mkdir", "rmdir"])
def test_killed_at_any_moment_and_resumed_the_answer_is_the_same(export, tmp_path, tools, moment):
    screened(export, tmp_path / "whole", tools)
    expected = answer(tmp_path / "whole")
    number, step = 1, 1
    while number < 200:
        out = tmp_path / f"out{number}"
        if not killed_at(moment, number, partial(screened, export, out, tools)):
            break
        screened(export, out, tools, resume=True)
        assert answer(out) == expected, (moment, number)
        number, step = number + step, step + 2
    assert number > 3


def test_a_second_shoken_on_the_same_out_is_refused(export, tmp_path, tools, monkeypatch):
    seen = []

    def meanwhile(*args):
        with pytest.raises(OutError, match="another shoken is writing here"):
            screened(export, tmp_path / "out", tools, resume=True)
        seen.append(1)
        raise ValueError

    monkeypatch.setattr(studies, "run_case", meanwhile)
    screened(export, tmp_path / "out", tools)
    assert seen
