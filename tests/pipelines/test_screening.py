"""The long job: accounting, identity, one bad input at a time while the rest goes on."""

from __future__ import annotations

import errno
import json
import shutil
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from fake_task import TASK, FakeModels
from screening_runs import Silent, answer, lines, reasons, screened, worklist
from small_export import NAME, instance, make_export, write_series

from cad.errors import ModelError, ShokenError
from pipelines import studies
from pipelines.config import Settings
from pipelines.outfolder import OutError
from pipelines.registry.shipped import FolderModels
from pipelines.screening import screen
from pipelines.wiring import Tools, equipped


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


def test_the_same_export_gives_the_same_bytes_with_any_engine(export, tmp_path, tools):
    screened(export, tmp_path / "a", tools)
    moved = shutil.copytree(export, tmp_path / "elsewhere" / "export")
    screened(moved, tmp_path / "b", tools, settings=Settings(engine="processes", workers=2))
    assert answer(tmp_path / "a") == answer(tmp_path / "b")


def test_a_folder_without_images_is_accounted_for(tmp_path, tools):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "b.bin").write_bytes(b"")
    result = screened(folder, tmp_path / "out", tools)
    assert reasons(tmp_path / "out") == {"not_dicom": 1, "empty_file": 1}
    assert (result.exit_code, result.rows) == (1, ())


def test_an_empty_folder_is_wrong_use_and_leaves_nothing(tmp_path, tools):
    (tmp_path / "export" / "sub").mkdir(parents=True)
    with pytest.raises(OutError, match="there is not one file in it"):
        screened(tmp_path / "export", tmp_path / "out", tools)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("nowhere", "out", "there is no such"),
        ("export", "export/out", "inside EXPORT"),
        ("export", "export", "inside EXPORT"),
        ("top/export", "top", "inside OUT"),
    ],
)
def test_places_that_cannot_be_used(tmp_path, tools, source, target, words):
    make_export(tmp_path / "export", 1)
    make_export(tmp_path / "top" / "export", 1)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutError, match=words) as caught:
        screened(tmp_path / source, tmp_path / target, tools)
    assert "accepted:" in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_out_that_is_a_file_or_not_ours(tmp_path, export, tools):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutError, match="is a file"):
        screened(export, tmp_path / "file", tools)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    for resume in (False, True):
        with pytest.raises(OutError, match=r"not empty|no run to resume"):
            screened(export, tmp_path / "mine", tools, resume=resume)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_truncated_unreadable_and_unknown_files_are_refused_and_the_rest_goes_on(export, tmp_path, tools):
    series = export / "Yamada_1" / "series1"
    whole = (series / "006.dcm").read_bytes()
    (series / "006.dcm").write_bytes(whole[:-100])
    other = instance(1, 7, 1)
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = "1.2.3.4"
    other.save_as(export / "unknown.dcm", enforce_file_format=True)
    (export / "link").symlink_to(series / "001.dcm")
    screened(export, tmp_path / "out", tools)
    assert reasons(tmp_path / "out")["truncated"] == 1
    assert reasons(tmp_path / "out")["unknown_sop_class"] + reasons(tmp_path / "out")["unsupported_sop_class"] == 1
    assert reasons(tmp_path / "out")["link_not_followed"] == 1
    assert len(lines(tmp_path / "out")) == 15


def test_series_that_are_no_volume_are_not_screened_with_reasons(tmp_path, tools):
    export = tmp_path / "export"
    write_series(export, 1, slices=1)
    write_series(export, 2)
    (export / "Yamada_2" / "series1" / "003.dcm").unlink()
    write_series(export, 3, modality="MR")
    write_series(export, 4)
    screened(export, tmp_path / "out", tools)
    by_status = Counter(row["status"] for row in worklist(tmp_path / "out"))
    assert by_status == {"not_screened": 3, "screened": 1}
    assert [row["rank"] for row in worklist(tmp_path / "out")] == [None, None, None, 1], "what nobody looked at comes first"
    for row in worklist(tmp_path / "out")[:3]:
        case = json.loads((tmp_path / "out" / "cases" / row["case"] / "case.json").read_text())
        assert case["status"] == "not_screened"
        assert case["refusals"]
        assert all(refusal["reason"] and refusal["detail"] for refusal in case["refusals"])
    assert {"single_slice", "gap_in_series", "no_task_for_series"} <= set(reasons(tmp_path / "out"))
    assert len(lines(tmp_path / "out")) == 1 + 5 + 6 + 6


def test_a_study_of_which_nothing_passes_is_on_the_worklist(tmp_path, tools):
    export = tmp_path / "export"
    export.mkdir()
    capture = instance(1, 1, 1)
    capture.SOPClassUID = capture.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    capture.save_as(export / "capture.dcm", enforce_file_format=True)
    screened(export, tmp_path / "out", tools)
    (row,) = worklist(tmp_path / "out")
    assert row["status"] == "not_screened"
    assert row["notes"]
    assert reasons(tmp_path / "out").total() == 1


def test_a_task_that_refuses_a_volume_says_why(export, tmp_path, tools, monkeypatch):
    monkeypatch.setenv("FAKE_TASK", "refuse:-14")
    screened(export, tmp_path / "out", tools)
    refused = next(row for row in worklist(tmp_path / "out") if row["status"] == "not_screened")
    case = json.loads((tmp_path / "out" / "cases" / refused["case"] / "case.json").read_text())
    assert [c["chosen"] for c in case["choices"]] == [False]
    assert reasons(tmp_path / "out") == {"wrong_region": 6, "not_dicom": 1}


def test_a_failing_study_is_failed_and_the_others_go_on(export, tmp_path, tools, monkeypatch):
    monkeypatch.setenv("FAKE_TASK", "raise:-14")
    result = screened(export, tmp_path / "out", tools)
    failed = next(row for row in worklist(tmp_path / "out") if row["status"] == "failed")
    assert (result.failed, result.exit_code) == (1, 1)
    assert failed["notes"][0]["reason"] == "internal_error"
    assert "YAMADA" not in (tmp_path / "out" / "worklist.json").read_text()
    assert not (tmp_path / "out" / "cases" / failed["case"]).exists()
    assert reasons(tmp_path / "out")["study_failed"] == 6
    monkeypatch.delenv("FAKE_TASK")
    again = screened(export, tmp_path / "out", tools, resume=True)
    assert (again.failed, again.resumed) == (0, 1)
    screened(export, tmp_path / "fresh", tools)
    assert answer(tmp_path / "out") == answer(tmp_path / "fresh")


def test_a_full_disk_fails_a_study_in_one_line_and_leaves_nothing_half_written(export, tmp_path, tools, monkeypatch):
    real, calls = studies.run_case, []

    def full_at_first(*args):
        calls.append(args)
        if len(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args)

    monkeypatch.setattr(studies, "run_case", full_at_first)
    result = screened(export, tmp_path / "out", tools)
    failed = next(row for row in result.rows if row.status == "failed")
    assert failed.notes[0].reason == "disk_full"
    assert len(list((tmp_path / "out" / "cases").iterdir())) == 1
    assert not (tmp_path / "out" / ".work").exists()


def test_a_disk_that_is_full_for_everything_is_one_line(export, tmp_path, tools, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pipelines.screening.write_manifest", full)
    with pytest.raises(ShokenError, match=r"the disk is full.*--resume"):
        screened(export, tmp_path / "out", tools)


def test_a_missing_or_edited_model_stops_only_its_task(export, tmp_path, models_folder):
    folder = Path(shutil.copytree(models_folder, tmp_path / "models"))
    other = type(TASK)()
    other.name = "other_ct"
    bench = equipped({"bright_ct": TASK, "other_ct": other}, FolderModels(folder))
    assert [refusal.path for refusal in bench.refused] == ["other_ct"]
    weights = folder / "bright_ct-1.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    with pytest.raises(ModelError, match=r"no task has a usable model.*the weights were changed"):
        equipped({"bright_ct": TASK}, FolderModels(folder))


def test_a_model_that_is_missing_is_said_in_every_report(export, tmp_path, tools):
    other = type(TASK)()
    other.name = "other_ct"
    two = Tools(tools.open_desk, partial(equipped, {"bright_ct": TASK, "other_ct": other}, FakeModels()))
    result = screened(export, tmp_path / "out", two)
    assert result.exit_code == 1
    for case in (tmp_path / "out" / "cases").iterdir():
        assert "model_unusable" in [refusal["reason"] for refusal in json.loads((case / "case.json").read_text())["refusals"]]


def test_archives_are_opened_with_care(tmp_path, tools, monkeypatch):
    monkeypatch.setattr("pipelines.exchange.folders.FREE_BYTES", 2**20)
    plain = make_export(tmp_path / "plain", 1)
    export = tmp_path / "export"
    export.mkdir()
    with zipfile.ZipFile(export / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, path in enumerate(sorted(plain.rglob("*.dcm"))):
            archive.write(path, f"../../evil/{number}.dcm")
    with zipfile.ZipFile(export / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w", force_zip64=True) as member:
        for _ in range(3):
            member.write(bytes(2**20))
    (export / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    screened(export, tmp_path / "out", tools)
    assert [row["status"] for row in worklist(tmp_path / "out")] == ["screened"]
    assert reasons(tmp_path / "out") == {"archive_too_large": 1, "archive_broken": 1}
    assert len(lines(tmp_path / "out")) == 3 + 6
    assert not (tmp_path / "evil").exists()


def test_a_study_whose_worker_dies_is_failed_and_the_others_go_on(export, tmp_path, tools, monkeypatch):
    monkeypatch.setenv("FAKE_TASK", "die:-14")
    result = screened(export, tmp_path / "out", tools, settings=Settings(engine="processes", workers=1))
    assert sorted(row.status for row in result.rows) == ["failed", "screened"]
    assert next(row for row in result.rows if row.status == "failed").notes[0].reason == "worker_died"
