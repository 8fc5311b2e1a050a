"""`shoken review`: pages of OUT on this machine's loopback address, and verdicts kept.

Whoever is not a browser tab opened on the announced address gets nothing: the Host header must match
(DNS rebinding), a verdict needs the token that only our own page holds (cross-site requests), and only
files of OUT's known layout exist.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from cad.errors import ShokenError
from pipelines.review.pages import CASE, TYPES, case_file, known_file, review_page
from pipelines.review.verdicts import ANSWERS, Verdict, Verdicts

MAX_FORM_BYTES = 4096
_REVIEW = re.compile(rf"review/({CASE})")
_REPORT = re.compile(rf"cases/({CASE})/report\.html")
_FILE_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_PAGE_POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def serve(out: Path, host: str, port: int, reader: str, announce: Callable[[str], None]) -> None:
    """Serve until interrupted. Raises ShokenError for an OUT without a worklist or an address that cannot be used."""
    with make_server(out, host, port, reader) as server:
        announce(f"http://{server.name}/")
        server.serve_forever()


def make_server(out: Path, host: str, port: int, reader: str) -> ReviewServer:
    """A bound server that does not answer yet."""
    if not (out / "worklist.html").is_file():
        raise ShokenError("holds no worklist.html", subject=f"OUT {out}", accepted="an OUT that `shoken screen` finished")
    try:
        return ReviewServer(out, host, port, reader)
    except OSError as error:
        raise ShokenError(f"cannot be listened on ({error.strerror})", subject=f"{host}:{port}", accepted="a free --port") from None


class ReviewServer(ThreadingHTTPServer):
    """One OUT, one reader, one token."""

    daemon_threads = True

    def __init__(self, out: Path, host: str, port: int, reader: str) -> None:
        super().__init__((host, port), _Handler)
        self.out = out.resolve()
        self.reader = reader
        self.token = secrets.token_urlsafe(32)
        self.verdicts = Verdicts(out / "results.db")
        bound = self.server_address[1]
        self.name = f"{host}:{bound}"
        self.hosts = frozenset({self.name, *(f"{name}:{bound}" for name in ("127.0.0.1", "localhost"))})


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version, sys_version = "shoken", ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        if not self._host_is_ours():
            return
        address = urlsplit(self.path)
        name = unquote(address.path).removeprefix("/") or "worklist.html"
        report = _REPORT.fullmatch(name)
        if page := _REVIEW.fullmatch(name):
            self._send_review(page[1])
        elif report and address.query != "frame=1":
            self._redirect(f"/review/{report[1]}")
        elif path := known_file(self.server.out, name):
            self._send(HTTPStatus.OK, path.read_bytes(), TYPES[path.suffix], _FILE_POLICY)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")

    def do_POST(self) -> None:
        if not self._host_is_ours():
            return
        form = self._form()
        if form is None:
            self._refuse(HTTPStatus.BAD_REQUEST, "Not a verdict form.")
        elif not hmac.compare_digest(form.get("token", "").encode(), self.server.token.encode()) or not self._origin_is_ours():
            self._refuse(HTTPStatus.FORBIDDEN, "This verdict did not come from the review page; open it again.")
        else:
            self._keep(form)

    def _keep(self, form: dict[str, str]) -> None:
        case = case_file(self.server.out, form.get("case", ""))
        rank, answer = form.get("rank", ""), form.get("verdict", "")
        if case is None or not rank.isascii() or not rank.isdigit() or int(rank) not in case.ranks or answer not in ANSWERS:
            self._refuse(HTTPStatus.BAD_REQUEST, "No such finding or answer.")
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.server.verdicts.add(Verdict(now, form["case"], int(rank), answer, self.server.reader, case.sha256))
        self._redirect(f"/review/{form['case']}#n{rank}")

    def _send_review(self, name: str) -> None:
        case = case_file(self.server.out, name)
        if case is None:
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such case.")
            return
        nonce = secrets.token_urlsafe(16)
        page = review_page(case, self.server.verdicts.latest(name), self.server.token, nonce)
        self._send(HTTPStatus.OK, page.encode(), TYPES[".html"], _PAGE_POLICY.format(nonce=nonce))

    def _form(self) -> dict[str, str] | None:
        length = self.headers.get("Content-Length", "")
        if urlsplit(self.path).path != "/verdict" or not length.isascii() or not length.isdigit() or int(length) > MAX_FORM_BYTES:
            self.close_connection = True
            return None
        body = self.rfile.read(int(length)).decode("utf-8", "replace")
        try:
            return {name: values[-1] for name, values in parse_qs(body, max_num_fields=8).items()}
        except ValueError:  # more fields than the form has
            return None

    def _host_is_ours(self) -> bool:
        if self.headers.get("Host", "") in self.server.hosts:
            return True
        self.close_connection = True
        self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "Not the address this server announced.")
        return False

    def _origin_is_ours(self) -> bool:
        origin = self.headers.get("Origin")
        return origin is None or urlsplit(origin).netloc in self.server.hosts

    def _redirect(self, to: str) -> None:
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._send(status, text.encode(), "text/plain; charset=utf-8", "default-src 'none'")

    def _send(self, status: HTTPStatus, body: bytes, kind: str, policy: str) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server gives
        """Nothing: an access log of cases is not kept."""
