"""Show a study in OHIF, offline: Orthanc holds images and what `shoken export` sent, Chromium takes a picture of every series of results.

    python tools/ohif/check.py IMAGES OUT DIST PICTURES [SERIES,...] [OPTION OF shoken export ...]

IMAGES are one study: the originals, with `--reidentify --vault FILE --reason TEXT` behind, or the same de-identified by `shoken deid`.
OUT is that of `shoken screen` under the same key, DIST the unpacked `package/dist` of npm's @ohif/app. SERIES picks series by a part of
their line in the viewer's list ("PMAP", "finding 1"). Needs Orthanc with its DICOMweb plug-in and Chromium (Debian), node, and
playwright-core (npm), which PLAYWRIGHT_FROM may point to (a file beside its node_modules). PATIENCE is how many seconds a picture may
stay black (900), SLICES=43,91 also shows those slices of each series. Everything listens on loopback; nothing else is fetched.
"""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pydicom import dcmread

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "pipelines")]

CONFIG = """window.config = {
  routerBasename: null, extensions: [], modes: [], showStudyList: true, disableConfirmationPrompts: true,
  investigationalUseDialog: { option: 'never' },
  defaultDataSourceName: 'orthanc',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'orthanc',
    configuration: {
      friendlyName: 'Orthanc', name: 'orthanc', wadoUriRoot: location.origin + '/dicom-web', qidoRoot: location.origin + '/dicom-web',
      wadoRoot: location.origin + '/dicom-web', qidoSupportsIncludeField: false, supportsReject: false, imageRendering: 'wadors',
      thumbnailRendering: 'wadors', enableStudyLazyLoad: true, supportsFuzzyMatching: false, supportsWildcard: true,
      bulkDataURI: { enabled: true, relativeResolution: 'studies' },
    },
  }],
};
"""


class Viewer(SimpleHTTPRequestHandler):
    """OHIF's files with our settings; /dicom-web goes to Orthanc; any other path is the application's own."""

    def __init__(self, *arguments: object, orthanc_port: int, **more: object) -> None:
        self.orthanc_port = orthanc_port
        super().__init__(*arguments, **more)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """A file, the settings, or what Orthanc answers."""
        path = self.path.split("?")[0]
        if path.startswith("/dicom-web"):
            self._pass_on()
        elif path == "/app-config.js":
            self._answer(200, {"Content-Type": "text/javascript"}, CONFIG.encode())
        else:
            if not Path(self.translate_path(path)).is_file():
                self.path = "/index.html"
            super().do_GET()

    def _pass_on(self) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.orthanc_port, timeout=120)
        headers = {name: value for name, value in self.headers.items() if name.lower() in ("accept", "host")}
        upstream.request("GET", self.path, headers=headers)
        answer = upstream.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() in ("content-type",)}
        self._answer(answer.status, kept, answer.read())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Silent."""


def main(images: Path, out: Path, dist: Path, pictures: Path, only: str = "", *options: str) -> None:
    """Store, export, serve, look."""
    from export_stubs import orthanc

    pictures.mkdir(parents=True, exist_ok=True)
    with orthanc(pictures / "orthanc") as running:
        files = sorted(images.rglob("*.dcm"))
        study = str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
        for path in files:
            store(path.read_bytes(), running.http)
        print(f"{len(files)} images stored", flush=True)
        shoken = [sys.executable, "-c", "from pipelines.cli import main; main()"]
        subprocess.run([*shoken, "export", str(out), "--to", f"dicomweb:{running.dicomweb}", *options], check=True, timeout=600)  # noqa: S603 - our own command
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Viewer, orthanc_port=running.http, directory=str(dist)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base, chromium = f"http://127.0.0.1:{server.server_port}", shutil.which("chromium") or "chromium"
        command = ["node", str(Path(__file__).with_name("look.mjs")), base, study, str(pictures), chromium, only]
        subprocess.run(command, check=True, timeout=7200)  # noqa: S603 - our own script
        server.shutdown()
    shutil.rmtree(pictures / "orthanc")


def store(data: bytes, port: int) -> None:
    """One object into Orthanc."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/instances", body=data, headers={"Content-Type": "application/dicom"})
    if connection.getresponse().status != 200:
        raise SystemExit("Orthanc does not take an object")


if __name__ == "__main__":
    if len(sys.argv) < 5:
        raise SystemExit(__doc__)
    given_images, given_out, given_dist, given_pictures = (Path(argument) for argument in sys.argv[1:5])
    main(given_images, given_out, given_dist, given_pictures, *sys.argv[5:])
