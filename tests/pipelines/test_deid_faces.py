"""Where faces are removed a series passes or falls as a whole, and nothing passes without having been looked at."""

from __future__ import annotations

from collections import Counter

import pytest
from deid_runs import answer, deidentified, receipts, rows
from small_export import make_export, write_series

from anonymizer.defacing.account import FaceAccount, SeriesOutcome, Status
from anonymizer.gate import Reason, Verdict
from pipelines.deidentification import plan
from pipelines.runners.serial import SerialRunner

PROFILE = "basic+clean_recognizable_visual_features"


@pytest.fixture
def seen(monkeypatch):
    """Series as they come to be defaced; one that holds two files is refused, in others the face goes."""
    series = []

    def deface(paths):
        series.append(sorted(paths))
        if len(paths) == 2:
            return SeriesOutcome(FaceAccount(Status.REFUSED, "brain_touched"), Verdict(Reason.FACE_NOT_REMOVED, "the brain was in the way"))
        for path in paths:
            path.write_bytes(path.read_bytes() + b"defaced!")
        return SeriesOutcome(FaceAccount(Status.APPLIED, "face_cut", frames=len(paths)), rewritten=len(paths))

    monkeypatch.setattr("anonymizer.defacing.files.deface_series", deface)
    return series


@pytest.fixture
def heads(tmp_path):
    """Two series whose files lie among each other and more than one job apart, one small series, and a text file."""
    export = make_export(tmp_path / "export", 2)
    write_series(export, 2, series=2, slices=2)
    folder = export / "mixed"
    folder.mkdir()
    for number, path in enumerate(sorted(export.glob("*/series1/*.dcm"), key=lambda path: (path.name, path))):
        path.rename(folder / f"{number:02d}")
    return export


def test_series_are_defaced_as_a_whole_wherever_their_files_lie(heads, tmp_path, seen, monkeypatch):
    monkeypatch.setattr(plan, "CHUNK_FILES", 4)
    report = deidentified(heads, tmp_path / "out", profile=PROFILE).report
    assert sorted(map(len, seen)) == [2, 6, 6]
    found = rows(tmp_path / "out")
    assert [row["index"] for row in found] == list(range(15))
    assert Counter(row["reason"] for row in found) == {"": 12, "face_not_removed": 2, "not_dicom": 1}
    assert all((tmp_path / "out" / row["output"]).read_bytes().endswith(b"defaced!") for row in found if row["output"])
    assert report["defacing"] == {"files": {"applied": 12}, "series": [{"status": "applied", "evidence": "face_cut", "series": 2}]}
    assert {receipt["defacing"]["frames"] for receipt in receipts(tmp_path / "out").values()} == {6}
    assert "face_not_removed" in (tmp_path / "out" / "report.html").read_text()


def test_a_finished_run_is_gone_on_with_without_defacing_again(heads, tmp_path, seen):
    deidentified(heads, tmp_path / "out", profile=PROFILE)
    before, times = answer(tmp_path / "out"), len(seen)
    assert deidentified(heads, tmp_path / "out", profile=PROFILE, resume=True).resumed == 15
    assert (answer(tmp_path / "out"), len(seen)) == (before, times)


def test_what_no_header_gave_a_series_does_not_pass(heads, tmp_path, seen, monkeypatch):
    monkeypatch.setattr(plan.SeriesNames, "_name", lambda *_: "")
    report = deidentified(heads, tmp_path / "out", profile=PROFILE).report
    assert report["refused"] == {"face_not_removed": 14, "not_dicom": 1}
    assert seen == []
    assert not (tmp_path / "out" / "files").exists()


def test_headers_that_kill_their_reader_cost_no_other_file(heads, tmp_path, seen, monkeypatch):
    class OneBreaks(SerialRunner):
        def run(self, work, jobs, failed):
            for job in jobs:
                bad = isinstance(work, plan.SeriesNames) and any(found.name.endswith("README.txt") for found in job.files)
                yield failed(job, RuntimeError()) if bad else work(job)

    report = deidentified(heads, tmp_path / "out", profile=PROFILE, engine=OneBreaks()).report
    assert report["files"] == {"in": 15, "deidentified": 12, "refused": 3, "archives_opened": 0}
