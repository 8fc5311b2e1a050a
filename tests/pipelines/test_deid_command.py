"""`shoken deid` as its user meets it: what it prints, its exit codes, a kill in the middle, the vault beside it."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest
from deid_runs import answer, deidentified, rows
from small_export import make_export, write_series

from anonymizer.describe import describe
from anonymizer.profile import profile_named
from anonymizer.vault import open_vault
from pipelines import cli
from pipelines.runners.serial import SerialRunner


@pytest.fixture(autouse=True)
def key(installed, monkeypatch):
    monkeypatch.setenv("SHOKEN_KEY_FILE", installed["SHOKEN_KEY_FILE"])
    monkeypatch.setattr("pipelines.wiring.batch_runner", lambda _: SerialRunner())  # processes start slowly; one test has them


def told(capsys, *arguments) -> tuple[int, str, str]:
    code = cli.run(["deid", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_describe_prints_the_profile_and_needs_no_export(capsys):
    for name in ("basic", "screening", "Basic+Retain-UIDs+clean_descriptors"):
        code, out, _ = told(capsys, "--describe", "--profile", name)
        assert (code, out.strip()) == (0, describe(profile_named(name)).strip())


def test_exit_codes_say_how_it_went(capsys, export, tmp_path):
    assert told(capsys, export, tmp_path / "out")[0] == 1
    (export / "README.txt").unlink()
    assert told(capsys, export, tmp_path / "all")[0] == 0
    assert told(capsys, export)[0] == 2
    assert told(capsys)[0] == 2
    code, _, err = told(capsys, export, tmp_path / "out")
    assert (code, "--resume" in err) == (2, True)
    code, _, err = told(capsys, export, tmp_path / "x", "--profile", "basic+everything")
    assert code == 2
    assert "'everything' is not known (accepted: " in err
    assert "retain_uids" in err


def test_a_dry_run_prints_the_report_of_the_real_run(capsys, export, tmp_path):
    code, dry, _ = told(capsys, export, tmp_path / "out", "--dry-run", "--json")
    assert (code, (tmp_path / "out").exists()) == (1, False)
    code, real, err = told(capsys, export, tmp_path / "out", "--json")
    one, two = json.loads(dry), json.loads(real)
    assert (one.pop("out"), two.pop("out")) == (None, str(tmp_path / "out"))
    assert one == two
    assert {key: value for key, value in two.items() if key != "resumed"} == json.loads((tmp_path / "out" / "report.json").read_text())
    assert "1 of 13 files were refused; each is named in" in err


def test_the_terminal_tells_the_numbers(capsys, export, tmp_path):
    _, out, _ = told(capsys, export, tmp_path / "out", "--lang", "ja")
    for words in ("13 files in = 12 de-identified + 1 refused", "113100, 113107", "uid_mapped", "not_dicom", "report.html"):
        assert words in out
    assert "匿名化報告書" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_vault_leads_back_and_never_lies_among_the_results(capsys, export, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOKEN_VAULT_KEY_FILE", str(tmp_path / "vault.key"))
    for place in (tmp_path / "out" / "way.vault", export / "way.vault"):
        code, _, err = told(capsys, export, tmp_path / "out", "--vault", place)
        assert (code, "lies inside" in err) == (2, True)
    assert told(capsys, export, tmp_path / "out", "--vault", tmp_path / "way.vault")[0] == 1
    with open_vault(tmp_path / "way.vault", (tmp_path / "vault.key").read_bytes()) as vault:
        found = {vault.original("study", row["study"]) for row in rows(tmp_path / "out") if row["study"]}
    assert found == {"1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2"}
    assert json.loads((tmp_path / "out" / "report.json").read_text())["vault"] is True


def test_a_wrong_vault_key_stops_the_run_before_a_file_is_done(capsys, export, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOKEN_VAULT_KEY", "11" * 32)
    assert told(capsys, export, tmp_path / "one", "--vault", tmp_path / "way.vault")[0] == 1
    monkeypatch.setenv("SHOKEN_VAULT_KEY", "22" * 32)
    assert told(capsys, export, tmp_path / "two", "--vault", tmp_path / "way.vault")[0] == 2
    assert not (tmp_path / "two" / "files").exists()


def test_killed_with_its_workers_and_resumed_it_ends_as_if_nothing_had_been(shoken, installed, tmp_path):
    export = make_export(tmp_path / "export", 1)
    for study in range(2, 6):
        write_series(export, study, slices=40)
    out = tmp_path / "out"
    command = [*shoken, "deid", export, out, "--workers", "2"]
    process = subprocess.Popen(command, env=installed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(out.glob("files/*/*/*.dcm")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "report.json").exists()
    resumed = subprocess.run([*command, "--resume"], env=installed, capture_output=True, text=True, timeout=100, check=False)
    assert resumed.returncode == 1, resumed.stderr
    assert "Yamada" not in resumed.stderr + resumed.stdout
    deidentified(export, tmp_path / "whole")
    assert answer(out) == answer(tmp_path / "whole")
