"""Jobs on Ray, for more than one machine (extra `cluster`): a local instance, or the cluster that RAY_ADDRESS names.

Ray only runs jobs: what is done stands in the ledger, so a lost cluster costs the jobs in flight. EXPORT, OUT, key and
models must lie on storage that every machine sees under the same path.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from pipelines.runners.failure import Guarded

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")
ADDRESS = "RAY_ADDRESS"
RETRIES = 1


class RayRunner:
    """`pipelines.ports.Runner` over Ray; `workers` jobs are in flight at once (0: half the cores Ray has)."""

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers

    def run(
        self, work: Callable[[Job], Outcome], jobs: Iterable[Job], failed: Callable[[Job, BaseException], Outcome]
    ) -> Iterator[Outcome]:
        """Outcomes as they complete; a job whose worker dies is tried once more, then failed."""
        import ray

        _start(ray)
        try:
            yield from _outcomes(ray, Guarded(work), iter(jobs), failed, self.workers or _half(ray))
        finally:
            ray.shutdown()


def _start(ray: Any) -> None:
    shared = {"configure_logging": False, "log_to_driver": False}
    if os.environ.get(ADDRESS):
        ray.init(**shared)
    else:
        ray.init(include_dashboard=False, _node_ip_address="127.0.0.1", **shared)


def _half(ray: Any) -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)) // 2)


def _outcomes(
    ray: Any, work: Callable[[Job], Outcome], waiting: Iterator[Job], failed: Callable[[Job, BaseException], Outcome], most: int
) -> Iterator[Outcome]:
    remote = ray.remote(max_retries=RETRIES)(_call)
    flying: dict[Any, Job] = {}
    while True:
        flying.update((remote.remote(work, job), job) for job in islice(waiting, most - len(flying)))
        if not flying:
            return
        (ready, *_), _ = ray.wait(list(flying), num_returns=1)
        yield _settled(ray, ready, flying.pop(ready), failed)


def _call(work: Callable[[Any], Any], job: Any) -> Any:
    return work(job)


def _settled(ray: Any, ready: Any, job: Job, failed: Callable[[Job, BaseException], Outcome]) -> Outcome:
    try:
        outcome: Outcome = ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        return failed(job, error.cause if isinstance(error.cause, Exception) else error)
    except ray.exceptions.RayError as error:
        return failed(job, error)
    return outcome
