"""`shoken convert`: volumes from de-identified files only, each there whole, every file with a row."""

from __future__ import annotations

import json
import math
import zipfile
from collections import Counter

import pytest
from pydicom import dcmread
from small_export import make_export, write_series

from anonymizer.key import ProjectKey
from cad.errors import ShokenError
from pipelines import cli, wiring
from pipelines.config import Settings
from pipelines.converting import convert_export
from pipelines.desk import open_desk


@pytest.fixture(autouse=True)
def desk(monkeypatch):
    monkeypatch.setattr(wiring, "desk", lambda settings: open_desk(ProjectKey(bytes(32)), settings.profile))


def converted(export, out, **settings):
    rows = convert_export(export, out, Settings(**settings), lambda _: None).files
    assert [json.loads(line)["file"] for line in (out / "manifest.jsonl").read_text().splitlines()] == [row.file for row in rows]
    return rows


def test_folders_and_zips_become_one_volume_a_series(tmp_path):
    export = make_export(tmp_path / "export", 1)
    write_series(tmp_path / "other", 2)
    with zipfile.ZipFile(export / "more.zip", "w") as archive:
        for path in (tmp_path / "other").rglob("*.dcm"):
            archive.write(path, path.name)
    rows = converted(export, tmp_path / "out")
    assert Counter(row.status for row in rows) == {"converted": 12, "refused": 1, "archive": 1}
    volumes = {path.name for path in (tmp_path / "out").iterdir()} - {"manifest.jsonl", "series.jsonl"}
    assert {row.output for row in rows if row.output} == volumes
    assert len(volumes) == 2
    assert all(name.startswith("2.25.") for name in volumes)


def test_what_was_put_right_is_told_not_only_done(tmp_path, capsys):
    write_series(tmp_path / "export", 1, slices=12)
    for path in (tmp_path / "export").rglob("*.dcm"):
        tilted = dcmread(path)
        tilted.ImagePositionPatient[1] = tilted.ImagePositionPatient[2] * math.tan(math.radians(12))
        tilted.save_as(path)
    (series,) = convert_export(tmp_path / "export", tmp_path / "out", Settings(), lambda _: None).series
    assert [warning.reason for warning in series.warnings] == ["gantry_tilt"]
    assert "12.00 degrees" in series.warnings[0].detail
    (line,) = (tmp_path / "out" / "series.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["files"], told["refused"], told["modality"]) == (12, 0, "CT")
    assert told["volumes"][0]["name"] in {path.name for path in (tmp_path / "out").iterdir()}
    assert cli.run(["convert", str(tmp_path / "export"), str(tmp_path / "again")]) == 0
    assert "gantry_tilt" in capsys.readouterr().out


def test_a_full_disk_leaves_no_half_volume(export, tmp_path, monkeypatch):
    def full(volume, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cad.read.convert.write_nifti", full)
    with pytest.raises(ShokenError, match="the disk is full"):
        converted(export, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_profile_that_removes_faces_is_not_for_single_files(export, tmp_path):
    with pytest.raises(ShokenError, match="`shoken deid` removes faces"):
        converted(export, tmp_path / "out", profile="basic+clean_recognizable_visual_features")
