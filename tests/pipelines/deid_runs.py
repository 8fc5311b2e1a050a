"""Running a batch de-identification in a test, and reading back what it wrote."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from anonymizer.key import ProjectKey
from pipelines.deidentification import work
from pipelines.deidentification.run import Order, deidentify_export
from pipelines.deidentification.work import Deidentify, DeidJob, DeidOutcome
from pipelines.desk import open_desk
from pipelines.runners.serial import SerialRunner

SECRET = bytes(range(32))
RUN_FACTS = ("timings.json", "results.db")  # how a run went; everything else in OUT is its answer


class Heard:
    """A listener that remembers."""

    def __init__(self):
        self.files = self.refused = 0

    def done(self, files, refused):
        self.files += files
        self.refused += refused


def deidentified(source: Path, out: Path | None, *, profile="screening", secret=SECRET, engine=None, **more):
    order = Order(source, out, open_desk(ProjectKey(secret), profile), engine or SerialRunner(), **more)
    return deidentify_export(order, Heard())


def rows(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def receipts(out: Path) -> dict[str, dict]:
    lines = [json.loads(line) for line in (out / "receipts.jsonl").read_text(encoding="utf-8").splitlines()]
    return {line["sha256"]: line for line in lines}


def answer(out: Path) -> dict[str, bytes]:
    """Every byte that must not depend on how a run went."""
    assert not list(out.rglob(".*"))
    found = (path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in RUN_FACTS)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


@dataclass(frozen=True, slots=True)
class Deadly(Deidentify):
    """Work that dies, hangs or errs on files of certain names, in the worker process."""

    def __call__(self, job: DeidJob) -> DeidOutcome:
        for found in job.files:
            if "deadly" in found.name:
                os.kill(os.getpid(), signal.SIGKILL)
            if "hanging" in found.name:
                with work._deadline(0.3):
                    time.sleep(60)
            if "wrong" in found.name:
                raise RuntimeError("YAMADA")
        return Deidentify.__call__(self, job)
