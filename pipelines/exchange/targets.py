"""Where `shoken export` sends to: a folder, a DICOMweb server or a DICOM node, told apart by how the target begins."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.exchange.parcels import ExportError, Parcel
from pipelines.exchange.revealed import write_private
from pipelines.ports import Sink

ACCEPTED = "a folder, dicomweb:https://HOST/PATH, or dimse:HOST:PORT:AET"
CALLING = "SHOKEN"
_TITLE = re.compile(r"[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?", re.ASCII)  # AE: 16 characters, no backslash (PS3.5 table 6.2-1)
_PRIVATE_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver's address. `name` tells it from others in the ledger; `kind` is folder, dicomweb or dimse."""

    kind: str
    address: str
    host: str = ""
    port: int = 0
    title: str = ""

    @property
    def name(self) -> str:
        """What the ledger calls it."""
        return f"{self.kind}:{self.address}"

    @property
    def in_the_clear(self) -> bool:
        """Whether whoever listens on the network in between can read what is sent."""
        encrypted = self.kind == "folder" or self.address.startswith("https:")
        return not encrypted and self.host not in _PRIVATE_HOSTS


def target_of(text: str) -> Target:
    """A target from its text. Raises ExportError naming the accepted forms."""
    kind, _, rest = text.partition(":")
    if kind == "dicomweb":
        return _web(rest)
    if kind == "dimse":
        return _node(rest)
    if not text.strip() or re.match(r"[A-Za-z0-9+.-]+://", text):
        raise ExportError("is no place to send to", subject="--to", accepted=ACCEPTED)
    return Target("folder", str(Path(text).resolve()))


def sink_of(target: Target, calling: str = CALLING) -> Sink:
    """The adapter for a target. Raises ExportError where the extra is missing or the calling title cannot be one."""
    if target.kind == "folder":
        return FolderSink(Path(target.address))
    library = {"dicomweb": "dicomweb_client", "dimse": "pynetdicom"}[target.kind]
    if importlib.util.find_spec(library) is None:
        problem = f"{library} is not installed; it comes with the extra `exchange`"
        raise ExportError(problem, subject=f"--to {target.kind}", accepted="pip install 'shoken[exchange]', or a folder")
    if target.kind == "dicomweb":
        from pipelines.exchange.dicomweb import WebSink

        return WebSink(target.address)
    from pipelines.exchange.dimse import NodeSink

    return NodeSink(target.host, target.port, target.title, _title(calling, "--calling"))


class FolderSink:
    """`pipelines.ports.Sink` into DIR/<case>/, each file whole or not at all, readable by its owner alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def holds(self, parcel: Parcel) -> bool:
        """Whether the very file is there."""
        path = self.root / parcel.case / parcel.name
        return path.is_file() and path.read_bytes() == parcel.data

    def put(self, parcel: Parcel) -> None:
        """Write one object. Raises OSError."""
        write_private(self.root / parcel.case / parcel.name, parcel.data)

    def close(self) -> None:
        """Nothing is open."""


def _web(url: str) -> Target:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ExportError("is not the address of a DICOMweb server", subject="--to dicomweb", accepted="dicomweb:https://HOST/PATH")
    if parts.username or parts.password:
        accepted = "an address without; SHOKEN_DICOMWEB_TOKEN, or SHOKEN_DICOMWEB_USER and SHOKEN_DICOMWEB_PASSWORD, in the environment"
        raise ExportError("holds a name or password", subject="--to dicomweb", accepted=accepted)
    return Target("dicomweb", url.rstrip("/"), parts.hostname)


def _node(text: str) -> Target:
    host, _, rest = text.partition(":")
    port, _, title = rest.partition(":")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", host) or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise ExportError("is not the address of a DICOM node", subject="--to dimse", accepted="dimse:HOST:PORT:AET")
    return Target("dimse", f"{host}:{port}:{title}", host, int(port), _title(title, "--to dimse"))


def _title(text: str, subject: str) -> str:
    if not _TITLE.fullmatch(text):
        raise ExportError("has no AE title that can be one", subject=subject, accepted="1 to 16 letters, digits or signs, no backslash")
    return text
