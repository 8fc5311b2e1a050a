"""The Ray engine keeps the runner's contract: one outcome a job, failures included."""

from __future__ import annotations

import importlib.util
import math

import pytest

from pipelines.config import Settings, SettingsError
from pipelines.runners.failure import JobError
from pipelines.runners.on_ray import RayRunner
from pipelines.wiring import runner


def failed(job, error):
    assert isinstance(error, JobError)
    assert "domain" not in error.detail  # an error's own words may quote a patient
    return -job


def test_every_job_ends_once_on_ray():
    pytest.importorskip("ray", reason="Ray is not installed (the extra `cluster`)")
    assert sorted(RayRunner(2).run(math.sqrt, [0.0, -1.0, 4.0, -9.0, 16.0], failed)) == [0.0, 1.0, 2.0, 4.0, 9.0]


def test_without_ray_the_engine_names_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="extra `cluster`"):
        runner(Settings(engine="ray"))
