"""Receivers that a test has in its hand: a DICOMweb server that answers as told, a DICOM node, a real Orthanc. All on loopback."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from fake_task import BrightTask, FakeModels
from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage, KeyObjectSelectionDocumentStorage, ParametricMapStorage, SegmentationStorage
from screening_runs import screened
from small_export import make_export
from worker_tools import open_fake_desk

from anonymizer.key import ProjectKey
from anonymizer.reading import read
from anonymizer.vault import entries_of, open_vault
from cad.errors import Refusal
from cad.finding import Exhibit
from pipelines.wiring import Tools, equipped

CLASSES = (SegmentationStorage, ParametricMapStorage, Comprehensive3DSRStorage, KeyObjectSelectionDocumentStorage)
OBJECTS = 2 * (len(CLASSES) + 1)  # one of each for each of two cases, and a second structured report
ORTHANC = shutil.which("Orthanc")
DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_START_SECONDS = 60.0


class OutliningTask(BrightTask):
    """The fake task with an outline and a heat map, so that a case has every kind of object."""

    def run(self, volume, model, *, lang, progress):
        result = super().run(volume, model, lang=lang, progress=progress)
        if isinstance(result, Refusal):
            return result
        bright = volume.voxels == volume.voxels.max()
        mask, heat = volume.like(bright.astype(np.uint8), "1"), volume.like(bright.astype(np.float32), "1")
        return replace(result, exhibits=(Exhibit(self.name, 1, volume, mask, heat),))


def open_outlining_bench():
    return equipped({"bright_ct": OutliningTask()}, FakeModels())


def screened_export(folder: Path) -> Path:
    """An export of two studies and, in `out`, what screening made of it, without the printed report, which not every machine prints."""
    screened(make_export(folder / "export"), folder / "out", Tools(open_fake_desk, open_outlining_bench))
    for pdf in (folder / "out").rglob("pdf.dcm"):
        pdf.unlink()
    return folder


def vault_of(export: Path, path: Path, secret: bytes, key: ProjectKey) -> Path:
    """The vault that `shoken deid --vault` would have written for an export."""
    with open_vault(path, secret, create=True) as opened:
        for original in export.rglob("*.dcm"):
            opened.add(entries_of(read(original), key))
    return path


@dataclass
class WebStub:
    """A STOW-RS server: `answers` are taken one a request (200 when they run out), `bodies` what was stored with 200."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    requests: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)
    failed: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"


@contextlib.contextmanager
def web_stub() -> Iterator[WebStub]:
    stub = WebStub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stub.requests += 1
            stub.headers.append(dict(self.headers))
            code = stub.answers.pop(0) if stub.answers else 200
            if code == 200:
                stub.bodies.append(body)
            answer = json.dumps(_answer(failed=stub.failed)).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def node_stub(*classes: str, status: int = 0) -> Iterator[tuple[int, list[Dataset]]]:
    """A storage node for some SOP classes: its port, and what it took."""
    from pynetdicom import AE, evt

    taken: list[Dataset] = []

    def store(event):
        if not status:
            taken.append(event.dataset)
        return status

    ae = AE(ae_title="ARCHIVE")
    for uid in classes:
        ae.add_supported_context(uid)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield server.socket.getsockname()[1], taken
    finally:
        server.shutdown()


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc with DICOMweb."""

    http: int
    dicom: int
    title: str = "ORTHANC"

    @property
    def dicomweb(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"


@contextlib.contextmanager
def orthanc(folder: Path) -> Iterator[Orthanc]:
    """Orthanc in a folder of its own, on free ports, HTTP closed to other machines; gone at the end."""
    there = Orthanc(_free_port(), _free_port())
    settings = {
        "Name": "shoken-test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": there.http,
        "DicomPort": there.dicom,
        "DicomAet": there.title,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "UnknownSopClassAccepted": True,
        "Plugins": [str(DICOMWEB_PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([str(ORTHANC), str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            _wait_for(there, process, folder)
            yield there
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(there: Orthanc, process: subprocess.Popen, folder: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"http://127.0.0.1:{there.http}/system", timeout=2).close()
            return
        time.sleep(0.2)
    raise RuntimeError(f"Orthanc did not start: {(folder / 'log.txt').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answer(*, failed: bool) -> dict:
    if not failed:
        return {}
    item = {
        "00081150": {"vr": "UI", "Value": ["1.2"]},
        "00081155": {"vr": "UI", "Value": ["1.2"]},
        "00081197": {"vr": "US", "Value": [0x0122]},
    }
    return {"00081198": {"vr": "SQ", "Value": [item]}}
