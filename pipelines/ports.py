"""Protocols for the outside world; `wiring` chooses the adapters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from cad.model import ModelVersion
from cad.networks import LoadedModel

if TYPE_CHECKING:
    from cad.write.worklist import WorklistRow
    from pipelines.exchange.parcels import Parcel

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")
StageListener = Callable[[str], None]


class ModelStore(Protocol):
    """Where model versions are found.

    Contract: `load` verifies the digest before any tensor is used and raises cad.errors.ModelError
    when it differs or the version is unknown; `current` names the version that screening uses.
    """

    def versions(self, task: str) -> Sequence[ModelVersion]:
        """All versions of a task, oldest first."""
        ...

    def current(self, task: str) -> ModelVersion:
        """The version screening uses. Raises ModelError when there is none."""
        ...

    def verify(self, version: ModelVersion) -> None:
        """Compare the stored weights with the registered digest, without loading. Raises ModelError."""
        ...

    def load(self, version: ModelVersion) -> LoadedModel:
        """The networks of a version, digest verified."""
        ...


class Runner(Protocol):
    """Runs independent jobs, in any order, one outcome a job.

    Contract: `work` is a module-level function; a job that raises ends as whatever `failed`
    makes of it, and the others go on.
    """

    def run(
        self, work: Callable[[Job], Outcome], jobs: Iterable[Job], failed: Callable[[Job, BaseException], Outcome]
    ) -> Iterator[Outcome]:
        """Outcomes as they complete."""
        ...


class ResultStore(Protocol):
    """The job ledger: which case is done, with what digest.

    Contract: recording the same key twice is harmless; a record survives `kill -9` once the call returned.
    """

    def done(self, key: str) -> str | None:
        """The digest recorded for a finished job, or None."""
        ...

    def document(self, key: str) -> str:
        """What was recorded beside a finished job, or ""."""
        ...

    def record(self, key: str, digest: str, status: str, document: str = "", case: str = "") -> None:
        """Mark a job finished; `document` is what a resumed run needs to speak of it without running it."""
        ...


class Sink(Protocol):
    """Where results are sent: a folder, a DICOMweb server, a DICOM node.

    Contract: an object arrives whole or not at all; putting the same one twice is harmless.
    """

    def holds(self, parcel: Parcel) -> bool:
        """Whether the receiver is known to hold the very object; False where that cannot be told."""
        ...

    def put(self, parcel: Parcel) -> None:
        """Deliver one object. Raises pipelines.exchange.sending.SendError, or OSError where a folder cannot be written."""
        ...

    def close(self) -> None:
        """Let go of whatever is open."""
        ...


class Clock(Protocol):
    """The only source of time, so that tests can hold it still."""

    def now_utc(self) -> str:
        """ISO 8601, UTC, seconds."""
        ...


class ScreenListener(Protocol):
    """Hears how a screening goes on; a progress bar, or nobody. Told nothing that identifies."""

    def file(self, index: int) -> None:
        """A file of the export is being looked at, counted from 0."""
        ...

    def studies(self, total: int) -> None:
        """The export is walked; so many studies follow."""
        ...

    def stage(self, name: str) -> None:
        """A stage of the present study begins (serial engine only)."""
        ...

    def finished(self, row: WorklistRow) -> None:
        """A study ended."""
        ...
