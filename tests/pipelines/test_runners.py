"""Engines: every job has one outcome, whatever happens to its worker."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from functools import partial

import pytest

from cad.errors import ShokenError
from pipelines.database import connected
from pipelines.runners.failure import explained
from pipelines.runners.ledger import JobLedger
from pipelines.runners.processes import ProcessRunner
from pipelines.runners.serial import SerialRunner


class Awkward(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, *, patient):
        super().__init__(patient)


def work(job: int) -> int:
    if job == 3:
        raise ValueError("YAMADA TARO")
    if job == 4:
        raise Awkward(patient="YAMADA TARO")
    if job == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return job * 10


def failed(job: int, error: BaseException) -> str:
    told = explained(error)
    return f"{job} {told.reason} {told.detail}"


def test_serial_goes_on_after_an_error():
    outcomes = list(SerialRunner().run(work, [1, 3, 2], failed))
    assert outcomes[0] == 10
    assert outcomes[2] == 20
    assert outcomes[1].startswith("3 internal_error ValueError at test_runners.py:")


def test_processes_lose_only_the_job_that_kills_its_worker():
    outcomes = list(ProcessRunner(workers=2, jobs_per_worker=2).run(work, iter([1, 2, 5, 3, 4, 6, 7]), failed))
    assert sorted(o for o in outcomes if isinstance(o, int)) == [10, 20, 60, 70]
    told = sorted(o for o in outcomes if isinstance(o, str))
    assert [line.split()[:2] for line in told] == [["3", "internal_error"], ["4", "internal_error"], ["5", "worker_died"]]
    assert not [line for line in told if "YAMADA" in line]


def test_the_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert (ProcessRunner().workers, ProcessRunner().threads) == (4, 2)
    assert ProcessRunner(8).threads == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "disk_full"),
        (MemoryError(), "out_of_memory"),
        (ShokenError("is bad", subject="x", accepted="y"), "error"),
        (KeyError("YAMADA"), "internal_error"),
    ],
)
def test_an_error_is_explained_without_values(error, reason):
    told = explained(error)
    assert told.reason == reason
    assert "YAMADA" not in told.detail


def test_recording_twice_is_harmless_and_failure_is_not_done(tmp_path):
    ledger = JobLedger(tmp_path / "results.db")
    assert ledger.done("k") is None
    ledger.record("k", "", "failed", case="case-1")
    assert ledger.done("k") is None
    for _ in range(2):
        ledger.record("k", "abc", "screened", "{}", "case-1")
    assert (ledger.done("k"), ledger.document("k"), ledger.cases()) == ("abc", "{}", {"case-1"})


def test_a_lease_keeps_others_away_until_it_ends(tmp_path):
    mine, theirs = JobLedger(tmp_path / "r.db", "a", 60), JobLedger(tmp_path / "r.db", "b", 60)
    assert mine.claim("k", "c")
    assert mine.claim("k", "c")
    assert not theirs.claim("k", "c")
    mine.reclaim()
    assert theirs.claim("k", "c")
    short = JobLedger(tmp_path / "r.db", "c", 0.01)
    short.reclaim()
    assert short.claim("k", "c")
    time.sleep(0.05)
    assert mine.claim("k", "c")


def test_a_transaction_that_fails_leaves_nothing(tmp_path):
    path = tmp_path / "x.db"
    with connected(path) as db:
        db.execute("CREATE TABLE t (x NOT NULL)")
    with pytest.raises(sqlite3.IntegrityError), connected(path) as db:
        db.executemany("INSERT INTO t VALUES (?)", [(1,), (None,)])
    with connected(path) as db:
        assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_work_may_be_a_partial():
    assert list(ProcessRunner(1).run(partial(pow, 2), [3], failed)) == [8]
