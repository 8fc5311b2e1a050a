"""The command line as a person meets it: exit codes, one clear line, nothing that identifies."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from screening_runs import answer, lines, worklist
from small_export import make_export

from cad.read.nifti import write_nifti
from cad.space import Grid
from cad.volume import Volume
from pipelines import cli
from pipelines.registry.shipped import SHIPPED


def run(shoken, installed, *arguments, **environment):
    command = [*shoken, *map(str, arguments)]
    return subprocess.run(command, env={**installed, **environment}, capture_output=True, text=True, timeout=500, check=False)


def test_screen_in_another_process_killed_midway_and_resumed(shoken, installed, export, tmp_path):
    sign, out = tmp_path / "sign", tmp_path / "out"
    waiting = {**installed, "FAKE_TASK": "wait:-4", "FAKE_TASK_SIGN": str(sign)}
    process = subprocess.Popen([*shoken, "screen", export, out], env=waiting, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not sign.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (out / ".work").exists()
    assert not (out / "worklist.json").exists()
    assert run(shoken, installed, "screen", export, out).returncode == 2
    result = run(shoken, installed, "screen", export, out, "--resume", "--json")
    assert result.returncode == 1, result.stderr
    assert json.loads(result.stdout)["findings"] == 2
    assert "Yamada" not in result.stderr + result.stdout
    assert run(shoken, installed, "screen", export, tmp_path / "fresh").returncode == 1
    assert answer(out) == answer(tmp_path / "fresh")


def told(capsys, *arguments) -> tuple[int, str, str]:
    code = cli.run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def here(installed, monkeypatch):
    """This process, with the fake task's model folder but no fake task installed."""
    monkeypatch.setenv("SHOKEN_KEY_FILE", installed["SHOKEN_KEY_FILE"])
    monkeypatch.setenv("SHOKEN_MODELS", installed["SHOKEN_MODELS"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("screen", "{tmp}/nowhere", "{tmp}/out"), "nowhere: there is no such folder or file"),
        (("screen", "{export}", "{export}/out"), "inside EXPORT"),
        (("screen", "{export}", "{tmp}/out", "--tasks", "liver"), "no task is called 'liver'"),
        (("screen", "{export}", "{tmp}/out", "--engine", "spark"), "accepted: serial, processes, ray"),
        (("screen", "{export}", "{tmp}/out", "--lang", "fr"), "accepted: en, ja"),
        (("screen", "{export}", "{tmp}/out", "--models", "{tmp}/none"), "accepted: a folder with index.json"),
        (("screen", "{export}", "{tmp}/out", "--settings", "{tmp}/none.toml"), "none.toml: cannot be read"),
        (("screen", "{export}", "{tmp}/out"), "no task has a usable model"),
        (("deid", "{tmp}/nowhere", "{tmp}/out"), "there is no such"),
        (("deid", "{export}", "{tmp}/out", "--profile", "none"), "accepted: basic | screening"),
        (("convert", "{export}", "{export}/x"), "inside"),
        (("review", "{tmp}"), "holds no worklist.html"),
        (("models", "show", "liver"), "shoken train liver"),
        (("models", "register", "{export}/README.txt"), "README.txt"),
        (("train", "liver"), "liver"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(capsys, here, export, tmp_path, arguments, words):
    filled = [argument.format(tmp=tmp_path, export=export) for argument in arguments]
    code, _, err = told(capsys, *filled)
    assert code == 2
    assert words in err
    assert "accepted: " in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_usage_errors_are_exit_code_2(capsys):
    assert told(capsys, "screen")[0] == 2
    assert told(capsys, "nonsense")[0] == 2
    assert told(capsys, "screen", "a", "b", "--wrong")[0] == 2


def test_an_unknown_setting_is_named(capsys, here, export, tmp_path):
    (tmp_path / "s.toml").write_text("langauge = 'ja'\n")
    code, _, err = told(capsys, "screen", export, tmp_path / "out", "--settings", tmp_path / "s.toml")
    assert code == 2
    assert "langauge: unknown setting in the s.toml (accepted: " in err


def test_an_internal_error_is_exit_code_3_and_quotes_nothing(capsys, here, export, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("YAMADA TARO")

    monkeypatch.setattr("pipelines.screening.screen", broken)
    code, _, err = told(capsys, "screen", export, tmp_path / "out")
    assert code == 3
    assert "internal error: RuntimeError at test_cli.py" in err
    assert "YAMADA" not in err


def test_a_stop_by_hand_is_exit_code_1(capsys, here, export, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.screening.screen", stopped)
    code, _, err = told(capsys, "screen", export, tmp_path / "out")
    assert (code, "--resume" in err) == (1, True)


def test_version_and_help(capsys):
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", told(capsys, "--version")[1])
    for command in ("demo", "screen", "simulate", "deid", "convert", "review", "train", "doctor", "models", "score", "measure"):
        code, out, _ = told(capsys, command, "--help")
        assert (code, command in out) == (0, True)


def test_deid_accounts_for_every_file(capsys, here, export, tmp_path):
    code, out, _ = told(capsys, "deid", export, tmp_path / "out", "--json")
    assert code == 1
    assert json.loads(out)["refused"] == {"not_dicom": 1}
    rows = lines(tmp_path / "out")
    assert [row["status"] for row in rows].count("deidentified") == 12
    assert all((tmp_path / "out" / row["output"]).is_file() for row in rows if row["output"])
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file() and b"YAMADA" in p.read_bytes()]


def test_deid_dry_run_writes_nothing(capsys, here, export, tmp_path):
    assert told(capsys, "deid", export, tmp_path / "out", "--dry-run")[0] == 1
    assert not (tmp_path / "out").exists()


def test_convert_writes_a_nifti_a_series(capsys, here, export, tmp_path):
    (export / "Yamada_1" / "series1" / "003.dcm").unlink()
    assert told(capsys, "convert", export, tmp_path / "out")[0] == 1
    rows = lines(tmp_path / "out")
    assert {row["reason"] for row in rows if row["status"] == "refused"} == {"gap_in_series", "not_dicom"}
    (nifti,) = (tmp_path / "out").glob("*.nii.gz")
    assert {row["output"] for row in rows if row["status"] == "converted"} == {nifti.name}
    assert not list((tmp_path / "out").rglob(".*"))


def test_models_are_listed_shown_and_audited(capsys, here, installed, models_folder, tmp_path, monkeypatch):
    folder = shutil.copytree(models_folder, tmp_path / "models")
    monkeypatch.setenv("SHOKEN_MODELS", str(folder))
    code, out, _ = told(capsys, "models", "list", "--json")
    assert (code, json.loads(out)[0]["file"]) == (0, "whole")
    assert "# bright_ct 1" in told(capsys, "models", "show", "bright_ct")[1]
    before = sorted(SHIPPED.glob("*"))
    assert told(capsys, "models", "register", folder / "bright_ct-1.safetensors")[0] == 0
    assert sorted(SHIPPED.glob("*")) == before
    code, out, _ = told(capsys, "models", "audit", "--json")
    assert (code, json.loads(out)["entries"], json.loads(out)["files"]) == (0, 1, 1)
    weights = folder / "bright_ct-1.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    code, _, err = told(capsys, "models", "audit")
    assert (code, "the weights were changed" in err) == (1, True)
    assert told(capsys, "models", "list")[0] == 1


def test_doctor_names_what_is_missing(capsys, here):
    _, out, _ = told(capsys, "doctor", "--json")
    checks = {check["what"]: check for check in json.loads(out)}
    assert checks["python"]["state"] == "ok"
    assert checks["project key"]["found"].startswith("fingerprint")
    assert all(check["remedy"] for check in checks.values() if check["state"] != "ok")


def test_help_does_not_wait_for_heavy_libraries(shoken, installed):
    seconds = []
    for _ in range(3):
        began = os.times()
        run(shoken, installed, "--help")
        seconds.append(os.times().children_user + os.times().children_system - began.children_user - began.children_system)
    assert min(seconds) < 0.3


def test_a_worklist_of_nothing_is_said(capsys, shoken, installed, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    result = run(shoken, installed, "screen", folder, tmp_path / "out")
    assert result.returncode == 1
    assert "No study could be screened (accepted: CT or MR" in result.stderr
    assert worklist(tmp_path / "out") == []


def test_processes_engine_from_the_command_line(shoken, installed, tmp_path):
    make_export(tmp_path / "export", 1)
    result = run(shoken, installed, "screen", tmp_path / "export", tmp_path / "out", "--engine", "processes", "--workers", "1")
    assert result.returncode == 1
    assert "bright spot" in result.stdout


def test_scores_come_from_plain_files(capsys, tmp_path):
    (tmp_path / "marks.csv").write_text("seriesuid,coordX,coordY,coordZ,probability\na,0,0,0,0.9\na,50,0,0,0.5\nb,0,0,0,0.4\n")
    (tmp_path / "truth.csv").write_text("seriesuid,coordX,coordY,coordZ,diameter_mm\na,1,0,0,8\nb,90,0,0,8\n")
    code, out, _ = told(capsys, "score", "froc", tmp_path / "marks.csv", tmp_path / "truth.csv")
    result = json.loads(out)
    assert (code, result["true_positives"], result["false_positives"], result["false_negatives"]) == (0, 1, 2, 1)
    mask = np.zeros((4, 4, 4), dtype=np.uint8)
    mask[1:3] = 1
    write_nifti(Volume(mask, Grid.axial((4, 4, 4), (1, 1, 1)), "1", "SEG"), tmp_path / "mask.nii.gz")
    one = json.loads(told(capsys, "score", "overlap", tmp_path / "mask.nii.gz", tmp_path / "mask.nii.gz")[1])
    assert (one["cases"], one["readers"], one["structures"][0]["dice"]) == (1, 0, {"mean": 1.0, "interval": None})
    assert told(capsys, "score", "overlap", tmp_path / "marks.csv", tmp_path / "mask.nii.gz")[0] == 2


def test_masks_are_paired_by_name_and_one_that_is_not_there_is_a_miss(capsys, tmp_path):
    voxels = np.zeros((6, 6, 6), dtype=np.uint8)
    voxels[1:3], voxels[4] = 1, 2
    for folder, cases in (("found", "ac"), ("first", "ab"), ("second", "ab")):
        (tmp_path / folder).mkdir()
        for case in cases:
            write_nifti(Volume(voxels, Grid.axial(voxels.shape, (1, 1, 1)), "1", "SEG"), tmp_path / folder / f"{case}.nii.gz")
    code, out, err = told(capsys, "score", "overlap", tmp_path / "found", tmp_path / "first", "--label", "2=spleen", "--resamples", "50")
    document = json.loads(out)
    assert (code, document["without_truth"], document["not_found"]) == (1, ["c"], ["b"])
    assert "1 masks have no truth" in err
    assert [(s["structure"], s["missed"], s["dice"]["mean"]) for s in document["structures"]] == [("1", 1, 0.5), ("spleen", 1, 0.5)]
    assert [n["tolerance_mm"] for n in document["structures"][0]["nsd"]] == [1.0, 2.0]
    (tmp_path / "found" / "c.nii.gz").unlink()
    code, out, _ = told(capsys, "score", "overlap", tmp_path / "found", tmp_path / "first", tmp_path / "second")
    document = json.loads(out)
    kinds = {s["comparison"]: s["dice"]["mean"] for s in document["structures"] if s["structure"] == "1"}
    assert (code, kinds) == (0, {"found_reader": 0.5, "found_consensus": 0.5, "reader_reader": 1.0})
    assert told(capsys, "score", "overlap", tmp_path / "found", tmp_path / "first", "--label", "liver")[0] == 2


def test_the_demo_says_where_to_look_and_can_be_run_again(capsys, here, tools, tmp_path, monkeypatch):
    simulated = []

    def small_demo(out, seed, progress):
        simulated.append(seed)
        progress("study 1 of 2")
        make_export(out / "DICOM")
        (out / "truth.json").write_text("{}")

    monkeypatch.setattr("cad.simulate.export.demo_export", small_demo)
    monkeypatch.setattr("pipelines.wiring.tools", lambda _: tools)
    for _ in range(2):
        code, out, err = told(capsys, "demo", tmp_path / "demo", "--seed", "5")
        assert code == 0
        assert f"Open {tmp_path / 'demo' / 'results-5' / 'worklist.html'}" in out
        assert "1 of 13 files were refused" in err
    assert simulated == [5]


def test_simulate_refuses_a_folder_with_files(capsys, tmp_path, monkeypatch):
    def small(out, _studies, _seed, _progress, *, priors):
        (out / "truth.json").write_text(f"[{priors}]")

    monkeypatch.setattr("cad.simulate.export.simulate_export", small)
    assert told(capsys, "simulate", tmp_path / "out", "--studies", "2", "--json")[0] == 0
    code, _, err = told(capsys, "simulate", tmp_path / "out")
    assert (code, "is not empty" in err) == (2, True)
