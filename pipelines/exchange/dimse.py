"""C-STORE (PS3.4 annex B) over one association that is opened again when it was lost."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, Association
from pynetdicom.presentation import PresentationContext, build_context

from pipelines.exchange.parcels import Parcel
from pipelines.exchange.sending import RefusedError, UnreachableError

CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 60.0
_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_WARNINGS = frozenset({0xB000, 0xB006, 0xB007})  # stored, with something coerced or discarded


class NodeSink:
    """`pipelines.ports.Sink` to a DICOM node."""

    def __init__(self, host: str, port: int, title: str, calling: str) -> None:
        self._where, self._title = (host, port), title
        self._ae = AE(ae_title=calling)
        self._ae.acse_timeout = self._ae.connection_timeout = CONNECT_SECONDS
        self._ae.dimse_timeout = self._ae.network_timeout = ANSWER_SECONDS
        self._open: dict[tuple[str, str], Association] = {}

    def holds(self, parcel: Parcel) -> bool:
        """Not asked: storing rights need not come with query rights."""
        return False

    def put(self, parcel: Parcel) -> None:
        """Store one object. Raises SendError."""
        association = self._associated(parcel)
        try:
            status = association.send_c_store(parcel.dataset())
        except (RuntimeError, ValueError, AttributeError) as error:
            raise RefusedError(f"cannot be sent ({type(error).__name__})", accepted="a node that takes its transfer syntax") from None
        _check(status)

    def close(self) -> None:
        """Release what is open."""
        for association in self._open.values():
            if association.is_established:
                association.release()
        self._open.clear()

    def _associated(self, parcel: Parcel) -> Association:
        """An association for this class and syntax; nodes differ in what they accept, so each pair is asked for by itself."""
        key = parcel.sop_class_uid, parcel.transfer_syntax_uid
        found = self._open.get(key)
        if found is None or not found.is_established:
            found = self._open[key] = self._associate(_context(*key))
        return found

    def _associate(self, context: PresentationContext) -> Association:
        association = self._ae.associate(*self._where, contexts=[context], ae_title=self._title)
        if association.is_established:
            return association
        if association.is_rejected:
            accepted = "a node that knows the calling and the called title"
            raise RefusedError("the association was rejected", accepted=accepted)
        if association.rejected_contexts:
            raise RefusedError("the node does not take this SOP class or transfer syntax", accepted="another form (docs/dicom-output.md)")
        raise UnreachableError("no association", accepted="a DICOM node at that address")


def _context(sop_class_uid: str, syntax: str) -> PresentationContext:
    return build_context(sop_class_uid, list(_PLAIN) if syntax in _PLAIN else [syntax])


def _check(status: Dataset) -> None:
    code = status.get("Status") if status else None
    if code is None:
        raise UnreachableError("the association was lost", accepted="a DICOM node that answers")
    if code and code not in _WARNINGS:
        kind = UnreachableError if code >> 8 == 0xA7 else RefusedError
        raise kind(f"status {code:04X}", accepted="a node that stores the SOP class")
