"""What an operator reads at night: when a run began, how each study ended, and nothing of any patient."""

from __future__ import annotations

import pytest
import structlog
from screening_runs import screened, worklist
from small_export import NAME, make_export

from pipelines import logs

PEAK = -14  # of the first study, in HU


@pytest.fixture
def _reset():
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_reset")
def test_a_run_says_when_it_began_and_how_each_study_ended(tmp_path, tools, capsys, monkeypatch):
    monkeypatch.setenv("FAKE_TASK", f"raise:{PEAK}")
    logs.configure("info")
    screened(make_export(tmp_path / "export", 2), tmp_path / "out", tools)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("at_utc=")]
    began, *studies, ended = lines
    assert "event='screening_began' total=2" in began
    by_case = {row["case"]: row["status"] for row in worklist(tmp_path / "out")}
    for case, status in by_case.items():
        (line,) = [line for line in studies if case in line]
        assert f"status='{status}'" in line
        assert ("level='error'" in line) == (status == "failed")
    assert sorted(by_case.values()) == ["failed", "screened"]
    assert [line for line in studies if "reason='internal_error'" in line] == [line for line in studies if "status='failed'" in line]
    assert "level='error' event='screening_ended'" in ended
    told = "\n".join(lines)
    assert not [word for word in (*NAME.replace("=", "^").split("^"), "ID-1", "ACC1", "YAMADA") if word in told]


@pytest.mark.usefixtures("_reset")
def test_by_default_only_what_failed_is_logged(tmp_path, tools, capsys):
    logs.configure()
    screened(make_export(tmp_path / "export", 1), tmp_path / "out", tools)
    assert "at_utc" not in capsys.readouterr().err


def test_where_no_logs_were_set_up_nothing_is_said(capsys):
    structlog.reset_defaults()
    logs.log("error", "study_ended", case="case-1")
    assert capsys.readouterr() == ("", "")
