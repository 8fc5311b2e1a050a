"""How worker processes open desk and bench in a test; a module of its own name, since several conftests share theirs."""

from __future__ import annotations

from fake_task import TASK, FakeModels

from anonymizer.key import ProjectKey
from pipelines.desk import Desk, open_desk
from pipelines.wiring import Bench, equipped

SECRET = bytes(range(32))


def open_fake_desk() -> Desk:
    return open_desk(ProjectKey(SECRET), "screening")


def open_fake_bench() -> Bench:
    return equipped({"bright_ct": TASK}, FakeModels())
