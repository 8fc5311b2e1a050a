"""`shoken data`: import, list, split, check as a person meets them; nothing identified in what is written or said."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from anonymizer.key import ProjectKey
from cad.datasets.store import open_data
from pipelines import cli, wiring
from pipelines.desk import open_desk

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "cad"), str(Path(__file__).resolve().parents[1] / "cad" / "datasets")]
make = importlib.import_module("layout_makers")


@pytest.fixture(autouse=True)
def desk(monkeypatch):
    monkeypatch.setattr(wiring, "desk", lambda settings: open_desk(ProjectKey(bytes(32)), settings.profile))


def shoken(capsys, *arguments):
    """Exit code, stdout, stderr of one command in this process."""
    code = cli.run([*map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_list_says_what_each_layout_expects(capsys):
    code, out, _ = shoken(capsys, "data", "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert len(rows) == 6
    assert any("annotations.csv" in line for line in rows["luna16"]["expects"])
    assert shoken(capsys, "data", "list")[1].count("dataset.json") >= 1


def test_import_split_check(tmp_path, capsys):
    make.lidc(tmp_path / "in", patients=4)
    code, out, _ = shoken(capsys, "data", "import", "lidc", tmp_path / "in", tmp_path / "out", "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["patients"], facts["lesions"], facts["files_in"], facts["used"]) == (4, 4, 52, 52)
    code, out, _ = shoken(capsys, "data", "split", tmp_path / "out", "--shares", "0.5,0.25,0.25", "--seed", 3, "--json")
    assert code == 0
    assert [part["patients"] for part in json.loads(out)["parts"]] == [2, 1, 1]
    code, out, _ = shoken(capsys, "data", "check", tmp_path / "out", "--json")
    report = json.loads(out)
    assert (code, report["faults"]) == (0, [])
    assert len(report["readers"]) == 4
    code, out, _ = shoken(capsys, "data", "check", tmp_path / "out", "--agreement", 3)
    assert code == 0
    assert "4 lesions that at least 3" in out
    assert shoken(capsys, "data", "list", tmp_path / "out")[0] == 0


def test_check_stops_on_leaks_and_changed_files(tmp_path, capsys):
    make.lidc(tmp_path / "in", patients=3)
    shoken(capsys, "data", "import", "lidc", tmp_path / "in", tmp_path / "out")
    shoken(capsys, "data", "split", tmp_path / "out", "--shares", "0.4,0.3,0.3")
    path = tmp_path / "out" / "split.json"
    split = json.loads(path.read_text())
    split["parts"]["test"] += split["parts"]["train"]
    path.write_text(json.dumps(split))
    code, _, err = shoken(capsys, "data", "check", tmp_path / "out")
    assert code == 1
    assert "belong to one patient" in err
    (tmp_path / "out" / "scans" / "0001" / "marks.npz").write_bytes(b"")
    assert "marks.npz was changed" in shoken(capsys, "data", "check", tmp_path / "out")[2]
    code, _, err = shoken(capsys, "data", "check", tmp_path / "out", "--against", tmp_path / "out")
    assert code == 1
    assert "share 12 slices" in err
    code, _, err = shoken(capsys, "train", "lung_nodule_ct", "--data", tmp_path / "out", "--out", tmp_path / "model")
    assert code == 2
    assert "belong to one patient" in err


def test_own_images_pass_the_anonymizer_and_masks_keep_their_place(tmp_path, capsys):
    mask = make.plain(tmp_path / "in")
    code, out, err = shoken(capsys, "data", "import", "plain", tmp_path / "in", tmp_path / "out", "--licence", "ours", "--json")
    facts = json.loads(out)
    assert code == 1
    assert facts["files_in"] == sum(path.is_file() for path in (tmp_path / "in").rglob("*"))
    assert facts["files_in"] == facts["used"] + sum(facts["refused"].values())
    assert facts["refused"] == {"not_in_layout": 1, "not_labelled": 12}
    assert (facts["patients"], facts["licence"]) == (3, "ours")
    data = open_data(tmp_path / "out")
    for row in data.cases:
        patch = data.scan(row["case"]).lesions[0].marks[0].patch
        np.testing.assert_array_equal(patch.voxels, mask[patch.window])
    written = "".join(path.read_bytes().decode("latin-1") for path in (tmp_path / "out").rglob("*") if path.is_file()) + out + err
    for word in ("SECRET", "anna", "cleo", "reader-one", "notes.txt"):
        assert word not in written
    assert not list((tmp_path / "out").glob(".shoken-*"))


def test_wrong_use_is_one_line(tmp_path, capsys):
    make.decathlon(tmp_path / "in")
    assert shoken(capsys, "data", "import", "imagenet", tmp_path / "in", tmp_path / "out")[0] == 2
    assert shoken(capsys, "data", "import", "lidc", tmp_path / "in", tmp_path / "out")[0] == 2
    assert shoken(capsys, "data", "import", "lidc", tmp_path / "nowhere", tmp_path / "out")[0] == 2
    assert shoken(capsys, "data", "check", tmp_path / "in")[0] == 2
    code, _, err = shoken(capsys, "data", "import", "decathlon", tmp_path / "in", tmp_path / "in" / "out")
    assert code == 2
    assert "lies inside" in err
    assert shoken(capsys, "data", "import", "decathlon", tmp_path / "in", tmp_path / "set")[0] == 1
    code, _, err = shoken(capsys, "data", "split", tmp_path / "set", "--shares", "1,2")
    assert (code, "add up to 1" in err) == (2, True)
    assert shoken(capsys, "data", "split", tmp_path / "set", "--shares", "all")[0] == 2
