"""Sending one object with a bound on how often: what may pass by itself is tried again, a refusal in another form if there is one."""

from __future__ import annotations

import time
from collections.abc import Callable

from cad.errors import ShokenError
from pipelines.exchange.parcels import Parcel
from pipelines.ports import Sink

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5  # then twice as long each time
_UNREACHABLE = "receiver_unreachable"


class SendError(ShokenError):
    """An object that was not taken. `reason` is a stable code."""

    reason = "not_sent"


class RefusedError(SendError):
    """The receiver answered, and will not take the object whatever is tried."""

    reason = "refused_by_receiver"


class UnreachableError(SendError):
    """No answer, or one that says later: worth another try."""

    reason = _UNREACHABLE


def send(parcel: Parcel, sink: Sink, wait: Callable[[float], None] = time.sleep) -> None:
    """Put one object into a sink, decompressed where it is refused as it is. Raises SendError; OSError where a folder cannot be written.

    What is compressed is so without loss: it is the same object, under the same UID.
    """
    try:
        _put(parcel, sink, wait)
    except RefusedError:
        plain = parcel.decompressed()
        if plain is None:
            raise
        _put(plain, sink, wait)


def _put(parcel: Parcel, sink: Sink, wait: Callable[[float], None]) -> None:
    """In at most four attempts."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            sink.put(parcel)
        except UnreachableError:
            if attempt == ATTEMPTS:
                raise
            wait(FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
        else:
            return
