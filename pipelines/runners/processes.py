"""Jobs in worker processes on one machine, each started afresh (`spawn`) and replaced after some jobs.

A worker that dies (killed, out of memory, a crash in a decoder) breaks the whole pool of
concurrent.futures and every job in flight with it. The jobs in flight are then run again one at a
time in a pool of their own: only the one that kills its worker again is failed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import TypeVar

from pipelines.runners.failure import Guarded

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


class ProcessRunner:
    """`pipelines.ports.Runner` over a process pool; the cores are shared out between the workers.

    `queued` more jobs than workers are in flight, so that short jobs do not wait for this process between each other.
    `prepare` is called first in every worker, before anything of the work is imported there; it must be importable by name, and
    the work must not log.
    """

    def __init__(self, workers: int = 0, jobs_per_worker: int = 16, queued: int = 0, prepare: Callable[[], None] | None = None) -> None:
        cores = os.cpu_count() or 1
        self.workers = workers or max(1, cores // 2)
        self.jobs_per_worker = jobs_per_worker
        self.queued = queued
        self.prepare = prepare
        self.threads = max(1, cores // self.workers)

    def run(
        self, work: Callable[[Job], Outcome], jobs: Iterable[Job], failed: Callable[[Job, BaseException], Outcome]
    ) -> Iterator[Outcome]:
        """Outcomes as they complete. Few more jobs are in flight than there are workers, so few are suspect after a crash."""
        guarded, waiting = Guarded(work), iter(jobs)
        while True:
            suspects: list[Job] = []
            yield from self._until_broken(guarded, waiting, failed, suspects)
            if not suspects:
                return
            for job in suspects:
                yield self._alone(guarded, job, failed)

    def _until_broken(
        self, work: Callable[[Job], Outcome], waiting: Iterator[Job], failed: Callable[[Job, BaseException], Outcome], suspects: list[Job]
    ) -> Iterator[Outcome]:
        with self._pool(self.workers) as pool:
            flying: dict[Future[Outcome], Job] = {}
            try:
                while self._submit(pool, work, waiting, flying):
                    for future in wait(flying, return_when=FIRST_COMPLETED).done:
                        yield _settled(future, flying[future], failed)
                        del flying[future]
            except BrokenProcessPool:
                suspects.extend(flying.values())

    def _submit(
        self, pool: ProcessPoolExecutor, work: Callable[[Job], Outcome], waiting: Iterator[Job], flying: dict[Future[Outcome], Job]
    ) -> bool:
        for job in islice(waiting, self.workers + self.queued - len(flying)):
            try:
                flying[pool.submit(work, job)] = job
            except BrokenProcessPool:
                broken: Future[Outcome] = Future()
                flying[broken] = job  # drawn from the iterator already: it must not be lost
                raise
        return bool(flying)

    def _alone(self, work: Callable[[Job], Outcome], job: Job, failed: Callable[[Job, BaseException], Outcome]) -> Outcome:
        with self._pool(1) as pool:
            try:
                return _settled(pool.submit(work, job), job, failed)
            except BrokenProcessPool as error:
                return failed(job, error)

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            workers,
            mp_context=get_context("spawn"),
            initializer=_start_worker,
            initargs=(self.threads, self.prepare),
            max_tasks_per_child=self.jobs_per_worker,
        )


def _settled(future: Future[Outcome], job: Job, failed: Callable[[Job, BaseException], Outcome]) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        raise
    except Exception as error:  # noqa: BLE001 - the contract: one job's failure is one outcome
        return failed(job, error)


def _start_worker(threads: int, prepare: Callable[[], None] | None) -> None:
    if prepare is not None:
        prepare()
    from pipelines import logs

    Thread(target=_end_with_parent, daemon=True).start()
    if prepare is None:
        logs.configure()
    else:
        logs.quiet_libraries()
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _end_with_parent() -> None:
    """A worker whose parent was killed must not go on writing: the next run may have begun."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
