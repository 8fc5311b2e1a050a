"""One job after the other in this process: the default, and what a debugger wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")


class SerialRunner:
    """`pipelines.ports.Runner` without any engine."""

    def run(
        self, work: Callable[[Job], Outcome], jobs: Iterable[Job], failed: Callable[[Job, BaseException], Outcome]
    ) -> Iterator[Outcome]:
        """Outcomes in the order of the jobs; a job that raises becomes what `failed` makes of it."""
        for job in jobs:
            try:
                outcome = work(job)
            except Exception as error:  # noqa: BLE001 - the contract: one job's failure is one outcome
                outcome = failed(job, error)
            yield outcome
