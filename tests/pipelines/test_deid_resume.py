"""Going on after a stop: whatever was killed when, OUT ends with the same bytes, and what was done is not done again."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from functools import partial

import pytest
from deid_runs import answer, deidentified, rows
from pydicom import dcmread
from small_export import make_export, write_series
from sudden_death import killed_at

from anonymizer.vault import open_vault
from pipelines.deidentification import books, plan, work

VAULT_KEY = bytes(range(7, 39))


@pytest.fixture(autouse=True)
def many_small_jobs(monkeypatch):
    monkeypatch.setattr(plan, "CHUNK_FILES", 3)
    monkeypatch.setattr(books, "SECONDS_BETWEEN", 0.0)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("moment", ["fsync", "replace", "mkdir", "rmdir"])
def test_killed_at_any_moment_and_resumed_the_answer_is_the_same(export, tmp_path, moment):
    (export / "empty").touch()
    deidentified(export, tmp_path / "whole")
    expected = answer(tmp_path / "whole")
    number, step = 1, 1
    while number < 100:
        out = tmp_path / f"out{number}"
        if not killed_at(moment, number, partial(deidentified, export, out)):
            break
        deidentified(export, out, resume=True)
        assert answer(out) == expected, (moment, number)
        number, step = number + step, step + 2
    assert number > 3


def test_what_is_done_is_not_done_again(export, tmp_path, monkeypatch):
    deidentified(export, tmp_path / "out")
    before = {path: path.stat().st_ino for path in (tmp_path / "out" / "files").rglob("*.dcm")}
    monkeypatch.setattr(work, "clean_file", lambda *_: pytest.fail("done again"))
    assert deidentified(export, tmp_path / "out", resume=True).resumed == 13
    assert {path: path.stat().st_ino for path in (tmp_path / "out" / "files").rglob("*.dcm")} == before


def test_what_was_lost_or_cut_is_done_again(export, tmp_path):
    out = tmp_path / "out"
    deidentified(export, out)
    expected = answer(out)
    outputs = sorted((out / "files").rglob("*.dcm"))
    outputs[0].unlink()
    os.truncate(outputs[-1], 0)
    (out / "report.json").unlink()
    assert 0 < deidentified(export, out, resume=True).resumed < 13
    assert answer(out) == expected


def test_an_export_that_changed_leaves_no_trace_of_what_it_was(export, tmp_path):
    out = tmp_path / "out"
    deidentified(export, out)
    shutil.rmtree(export / "Yamada_1")
    write_series(export, 3)
    (export / "AAA.txt").write_text("moves every place by one")
    deidentified(export, out, resume=True)
    deidentified(export, tmp_path / "fresh")
    assert answer(out) == answer(tmp_path / "fresh")


def test_a_file_that_somebody_put_beside_the_outputs_is_left_alone(export, tmp_path):
    deidentified(export, tmp_path / "out")
    note = tmp_path / "out" / "files" / "note.txt"
    note.write_text("checked")
    deidentified(export, tmp_path / "out", resume=True)
    assert note.read_text() == "checked"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("number", [3, 13, 18, 24])
def test_the_vault_holds_the_way_back_of_every_output_after_a_kill(tmp_path, number):
    export = make_export(tmp_path / "export", 3)
    opened = partial(open_vault, tmp_path / "way.vault", VAULT_KEY, create=True)
    go = partial(deidentified, export, tmp_path / "out", vault=opened)
    assert killed_at("replace", number, go)
    deidentified(export, tmp_path / "out", vault=opened, resume=True)
    originals = {dcmread(path).SOPInstanceUID for path in export.rglob("*.dcm")}
    with opened() as vault:
        vault.verify()
        uids = [dcmread(tmp_path / "out" / row["output"]).SOPInstanceUID for row in rows(tmp_path / "out") if row["output"]]
        assert {vault.original("instance", uid) for uid in uids} == originals
    assert not any(b"YAMADA" in content for content in answer(tmp_path / "out").values())
    assert b"YAMADA" not in (tmp_path / "out" / "results.db").read_bytes()


def test_without_the_vault_a_run_with_one_is_not_gone_on_with(export, tmp_path):
    deidentified(export, tmp_path / "out", vault=lambda: nullcontext(_Nothing()))
    with pytest.raises(Exception, match="a run with other vault"):
        deidentified(export, tmp_path / "out", resume=True)


class _Nothing:
    def add(self, entries):
        return len(list(entries))

    def add_picture(self, handle, name, png): ...
