"""A pytest plug-in for CI: a skip whose reason `.ci/expected-skips` does not list fails the run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

EXPECTED = Path(__file__).with_name("expected-skips")
unexpected: list[str] = []


def reasons(text: str) -> list[re.Pattern[str]]:
    """One regular expression a line; blank lines and lines that start with # say nothing."""
    return [re.compile(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember each skip that no line of the file explains (an expected failure is not a skip)."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    _judge(report.nodeid, report.longrepr)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A whole module can skip too."""
    if report.skipped:
        _judge(report.nodeid, report.longrepr)


def _judge(where: str, longrepr: object) -> None:
    why = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    if not any(pattern.search(why) for pattern in reasons(EXPECTED.read_text(encoding="utf-8"))):
        unexpected.append(f"{where}: {why}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run, in the process that reports (not in its workers)."""
    if unexpected and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them, before the closing line."""
    if unexpected:
        terminalreporter.section("skips that .ci/expected-skips does not list")
        for line in unexpected:
            terminalreporter.write_line(line)
