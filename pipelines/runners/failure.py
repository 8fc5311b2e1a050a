"""What a failed job may say of itself: a code and a sentence without any value from the data.

An error's own message is shown only for the project's errors, whose contract forbids identified
values; of any other error only its type and place are told.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Generic, TypeVar

from anonymizer.errors import AnonymizerError
from cad.errors import ShokenError
from pipelines.logs import where
from pipelines.outfolder import DiskFullError, is_full

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")


class JobError(Exception):
    """A failed job's `reason` code and `detail` sentence; always picklable."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason, detail)


def explained(error: BaseException) -> JobError:
    """Any error as a JobError."""
    if isinstance(error, JobError):
        return error
    if is_full(error) or isinstance(error, DiskFullError):
        return JobError("disk_full", "the disk is full (accepted: free space, then the same command with --resume)")
    if isinstance(error, BrokenProcessPool):
        return JobError("worker_died", "its worker process ended without an answer (often memory; accepted: fewer --workers)")
    if isinstance(error, MemoryError):
        return JobError("out_of_memory", "not enough memory (accepted: fewer --workers)")
    if isinstance(error, ShokenError | AnonymizerError):
        return JobError("error", str(error))
    return JobError("internal_error", f"{type(error).__name__} at {where(error)}")


@dataclass(frozen=True, slots=True)
class Guarded(Generic[Job, Outcome]):
    """A job's function whose errors cross a process border as JobError, whatever they were."""

    work: Callable[[Job], Outcome]

    def __call__(self, job: Job) -> Outcome:
        """Run the job. Raises JobError in place of any error."""
        try:
            outcome = self.work(job)
            pickle.dumps(outcome)
        except Exception as error:  # noqa: BLE001 - the contract: one job's failure is one outcome
            raise explained(error) from None
        return outcome
