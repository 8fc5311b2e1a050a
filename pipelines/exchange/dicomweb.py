"""STOW-RS (PS3.18 10.5): one object a request, so that one that is refused does not take others with it."""

from __future__ import annotations

import os
from http import HTTPStatus

from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session, create_session_from_user_pass
from pydicom import Dataset

from pipelines.exchange.parcels import Parcel
from pipelines.exchange.sending import RefusedError, SendError, UnreachableError

TOKEN, USER, PASSWORD = "SHOKEN_DICOMWEB_TOKEN", "SHOKEN_DICOMWEB_USER", "SHOKEN_DICOMWEB_PASSWORD"
TIMEOUT_SECONDS = 60.0
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, *(code for code in HTTPStatus if code >= 500)})
_IN_ONE_PIECE = 2**31  # chunked requests are not understood by every server


class WebSink:
    """`pipelines.ports.Sink` over DICOMweb. Credentials come from the environment alone; redirects keep none of them."""

    def __init__(self, url: str) -> None:
        user = os.environ.get(USER)
        self._session = create_session_from_user_pass(user, os.environ.get(PASSWORD, "")) if user else create_session()
        if token := os.environ.get(TOKEN):
            self._session.headers["Authorization"] = f"Bearer {token}"
        self._client = DICOMwebClient(url, session=self._session, chunk_size=_IN_ONE_PIECE, timeout=TIMEOUT_SECONDS)
        self._client.set_http_retry_params(retry=False)  # the bound on attempts is `sending.send`'s

    def holds(self, parcel: Parcel) -> bool:
        """Not asked: the ledger knows what was taken, and a server may hide what it holds."""
        return False

    def put(self, parcel: Parcel) -> None:
        """Store one object. Raises SendError."""
        try:
            answer = self._client.store_instances([parcel.dataset()])
        except OSError as error:  # every error of requests is one; its text would quote addresses, so it is not shown
            raise _told(error) from None
        except (ValueError, KeyError, SyntaxError) as error:
            raise RefusedError(f"an answer that is not DICOMweb's ({type(error).__name__})", accepted="a STOW-RS service") from None
        _check(answer)

    def close(self) -> None:
        """End the session."""
        self._session.close()


def _told(error: OSError) -> SendError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is None:
        return UnreachableError(f"no answer ({type(error).__name__})", accepted="a DICOMweb server at that address")
    kind = UnreachableError if status in _LATER else RefusedError
    return kind(f"HTTP {status}", accepted="a server that lets this program store")


def _check(answer: Dataset) -> None:
    failed = answer.get("FailedSOPSequence") or ()
    if failed:
        reason = int(failed[0].get("FailureReason") or 0)
        kind = UnreachableError if reason >> 8 == 0xA7 else RefusedError  # A7xx: out of resources (PS3.4 table B.2-1)
        raise kind(f"failure reason {reason:04X}", accepted="a server that knows the SOP class")
