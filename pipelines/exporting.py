"""The long job of sending results: every DICOM object of an OUT to one receiver, once, with one outcome an object.

    parcels -> ledger: sent before? -> (lead back) -> send, a few attempts -> ledger

`exported.db` in OUT is the truth about what was sent where. It holds digests and pseudonyms, and survives `kill -9`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cad.errors import Refusal
from pipelines.exchange.parcels import Parcel, parcels
from pipelines.exchange.sending import SendError, UnreachableError, send
from pipelines.exchange.targets import Target
from pipelines.ports import Sink
from pipelines.runners.ledger import JobLedger

LEDGER = "exported.db"
SENT, ALREADY, FAILED = "sent", "already_sent", "failed"
LeadBack = Callable[[Parcel], Parcel | Refusal]


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """What became of one object. `object` is its file's name; nothing here identifies a patient."""

    case: str
    object: str
    status: str
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Exported:
    """How an export ended."""

    rows: tuple[ObjectRow, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Objects by status."""
        return dict(sorted(Counter(row.status for row in self.rows).items()))

    @property
    def exit_code(self) -> int:
        """0 when the receiver has every object, else 1."""
        return int(any(row.status == FAILED for row in self.rows))


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """To whom, and how: `lead_back` is None for pseudonymous objects, `form` tells one way back from another in the ledger.

    With `again`, what the ledger has as sent is sent once more.
    """

    target: Target
    sink: Sink
    lead_back: LeadBack | None = None
    form: str = "pseudonymous"
    again: bool = False

    def key(self, parcel: Parcel) -> str:
        """The ledger's key: the same object, content, receiver and form have the same."""
        identity = [self.target.name, self.form, parcel.sop_instance_uid, parcel.sha256]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def export(out: Path, delivery: Delivery, say: Callable[[str], None]) -> Exported:
    """Send every object of an OUT that the receiver does not have yet.

    Once the receiver cannot be reached after every attempt, the rest is not tried. Raises ExportError for wrong use, and OSError
    where a folder cannot be written.
    """
    rows = []
    try:
        for row in _rows(out, delivery):
            rows.append(row)
            say(f"{len(rows)} objects")
    finally:
        delivery.sink.close()
    return Exported(tuple(rows))


def _rows(out: Path, delivery: Delivery) -> Iterator[ObjectRow]:
    ledger: JobLedger | None = None
    lost: UnreachableError | None = None
    for found in parcels(out):
        if isinstance(found, Refusal):
            yield _failed(found)
            continue
        ledger = ledger or JobLedger(out / LEDGER, owner=f"{platform.node()}:{os.getpid()}", lease_seconds=600.0)
        if lost is not None:
            yield ObjectRow(found.case, found.name, FAILED, lost.reason, "not tried: the receiver did not answer before")
            continue
        try:
            yield _sent(found, delivery, ledger)
        except UnreachableError as error:
            lost = error
            yield ObjectRow(found.case, found.name, FAILED, error.reason, error.sentence())


def _sent(parcel: Parcel, delivery: Delivery, ledger: JobLedger) -> ObjectRow:
    key, on_disk = delivery.key(parcel), delivery.target.kind == "folder"
    if not delivery.again and not on_disk and ledger.done(key):
        return ObjectRow(parcel.case, parcel.name, ALREADY)
    ready = delivery.lead_back(parcel) if delivery.lead_back else parcel
    if isinstance(ready, Refusal):
        return _failed(ready)
    if not delivery.again and on_disk and delivery.sink.holds(ready):
        return ObjectRow(parcel.case, parcel.name, ALREADY)
    if not ledger.claim(key, parcel.case):
        return ObjectRow(parcel.case, parcel.name, FAILED, "being_sent", "another export is sending it to the same receiver now")
    try:
        send(ready, delivery.sink)
    except SendError as error:
        ledger.record(key, "", FAILED, error.reason, parcel.case)
        if isinstance(error, UnreachableError):
            raise
        return ObjectRow(parcel.case, parcel.name, FAILED, error.reason, error.sentence())
    ledger.record(key, parcel.sha256, SENT, "", parcel.case)
    return ObjectRow(parcel.case, parcel.name, SENT)


def _failed(refusal: Refusal) -> ObjectRow:
    case, _, name = refusal.path.partition("/")
    return ObjectRow(case, name, FAILED, refusal.reason, refusal.detail)
