"""The batch: every file one row, receipts once each, nothing that identifies, one bad file costs no other."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from deid_runs import Deadly, answer, deidentified, receipts, rows
from pydicom import dcmread
from small_export import make_export, write_series

from cad.errors import ShokenError
from pipelines.deidentification import books, plan, run
from pipelines.outfolder import DiskFullError, OutError
from pipelines.runners.processes import ProcessRunner

NAMES = (b"YAMADA", b"Yamada", "山田".encode(), b"19500101", b"ACC1", b"1.2.826.0.1.3680043.8.498.1")


def state(folder):
    return {
        path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_file_has_one_row_and_the_report_adds_up(export, tmp_path):
    (export / "empty").touch()
    result = deidentified(export, tmp_path / "out")
    found, report = rows(tmp_path / "out"), result.report
    assert [row["index"] for row in found] == list(range(14))
    assert len({row["file"] for row in found}) == 14
    assert Counter(row["reason"] for row in found) == {"": 12, "not_dicom": 1, "empty_file": 1} == {"": 12} | report["refused"]
    assert report["files"] == {"in": 14, "deidentified": 12, "refused": 2, "archives_opened": 0}
    assert (report["studies"], report["series"], result.exit_code) == (2, 2, 1)
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out" / "files").rglob("*") if path.is_file()}
    assert written == {row["output"] for row in found if row["output"]}
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_receipts_stand_once_and_the_report_is_their_sum(export, tmp_path):
    report = deidentified(export, tmp_path / "out").report
    held, named = receipts(tmp_path / "out"), Counter(row["receipt"] for row in rows(tmp_path / "out") if row["receipt"])
    assert set(held) == set(named)
    assert len(held) < 12
    sums = Counter()
    for digest, receipt in held.items():
        text = json.dumps({key: value for key, value in receipt.items() if key != "sha256"}, ensure_ascii=False, sort_keys=True)
        assert hashlib.sha256(text.encode()).hexdigest() == digest
        for line in receipt["lines"]:
            sums[line["path"], line["action"], line["reason"]] += line["count"] * named[digest]
    assert {(line["path"], line["action"], line["reason"]): line["values"] for line in report["attributes"]} == sums
    assert sum(report["actions"].values()) == sums.total()
    name = next(line for line in report["attributes"] if line["name"] == "PatientName")
    assert (name["level"], name["action"], name["files"]) == ("top", "pseudonym", 12)


def test_nothing_in_out_identifies_and_the_input_stays_as_it_is(export, tmp_path):
    for path in sorted(export.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = state(export)
    deidentified(export, tmp_path / "out")
    assert state(export) == before
    for path in (tmp_path / "out").rglob("*"):
        assert not any(name in os.fsencode(path.name) for name in NAMES)
        assert not any(name in (path.read_bytes() if path.is_file() else b"") for name in NAMES), path.name


def test_a_dry_run_says_the_same_and_leaves_nothing(export, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    dry = deidentified(export, None)
    assert not list((tmp_path / "scratch").iterdir())
    assert dry.report == deidentified(export, tmp_path / "out").report


def test_the_same_bytes_again_and_other_uids_under_another_key(export, tmp_path):
    deidentified(export, tmp_path / "one")
    deidentified(export, tmp_path / "two", engine=ProcessRunner(2, 100, queued=2))
    deidentified(export, tmp_path / "other", secret=bytes(32))
    assert answer(tmp_path / "one") == answer(tmp_path / "two")
    assert not {row["study"] for row in rows(tmp_path / "one") if row["study"]} & {row["study"] for row in rows(tmp_path / "other")}


def test_a_file_that_kills_hangs_or_breaks_its_worker_costs_no_other(export, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "Deidentify", Deadly)
    good = export / "Yamada_1" / "series1" / "001.dcm"
    for name in ("deadly", "hanging", "wrong"):
        shutil.copy(good, export / f"{name}.dcm")
    report = deidentified(export, tmp_path / "out", engine=ProcessRunner(1, 100, queued=1)).report
    assert report["files"] == {"in": 16, "deidentified": 12, "refused": 4, "archives_opened": 0}
    assert report["refused"] == {"not_dicom": 1, "crashed": 2, "internal_error": 1}
    assert b"YAMADA" not in b"".join(answer(tmp_path / "out").values())


def test_a_full_disk_stops_the_run_which_then_goes_on(export, tmp_path, monkeypatch):
    deidentified(export, tmp_path / "whole")
    monkeypatch.setattr(plan, "CHUNK_FILES", 3)
    monkeypatch.setattr(books, "SECONDS_BETWEEN", 0.0)
    real, calls = os.replace, []

    def full(source, target, **kwargs):
        calls.append("files" in Path(target).relative_to(tmp_path).parts)
        if calls.count(True) == 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(source, target, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(DiskFullError, match=r"OUT .*out: the disk is full.*--resume"):
            deidentified(export, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    assert deidentified(export, tmp_path / "out", resume=True).resumed > 0
    assert answer(tmp_path / "out") == answer(tmp_path / "whole")


def test_out_is_refused_when_it_holds_something_else(export, tmp_path):
    out = tmp_path / "out"
    deidentified(export, out)
    for more, words in (
        ({}, "holds another run"),
        ({"resume": True, "profile": "basic"}, "a run with other profile"),
        ({"resume": True, "secret": bytes(32)}, "a run with other key"),
    ):
        with pytest.raises(OutError, match=words):
            deidentified(export, out, **more)
    with pytest.raises(OutError, match="inside"):
        deidentified(export, export / "out")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ShokenError, match="not one file"):
        deidentified(tmp_path / "nothing", tmp_path / "new")


def test_slices_of_another_series_under_the_same_file_name_do_not_meet(tmp_path):
    make_export(tmp_path / "export", 1)
    write_series(tmp_path / "export", 1, series=2)
    deidentified(tmp_path / "export", tmp_path / "out")
    outputs = [tmp_path / "out" / row["output"] for row in rows(tmp_path / "out") if row["output"]]
    assert len({dcmread(path).SOPInstanceUID for path in outputs}) == len(outputs) == 12
