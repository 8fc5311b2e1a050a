"""The review server: only known files, only our own page may answer, verdicts stay."""

from __future__ import annotations

import contextlib
import http.client
import re
import sqlite3
import subprocess
import sys
import threading
from urllib.parse import urlencode

import pytest
from screening_runs import screened, worklist
from small_export import make_export

from cad.errors import ShokenError
from pipelines.review.server import make_server
from pipelines.review.verdicts import Verdict, Verdicts


class Browser:
    def __init__(self, server):
        self.host = server.name

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.host, timeout=10)
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request(method, path, body and urlencode(body), {**kind, **headers})
        with contextlib.closing(connection):
            answer = connection.getresponse()
            return answer, answer.read().decode("utf-8", "replace")


@pytest.fixture
def out(tmp_path, tools):
    screened(make_export(tmp_path / "export", 1), tmp_path / "out", tools)
    return tmp_path / "out"


@pytest.fixture
def case(out):
    return worklist(out)[0]["case"]


@pytest.fixture
def browser(out):
    with make_server(out, "127.0.0.1", 0, "dr.test") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Browser(server)
        server.shutdown()
        thread.join()


def token(browser, case):
    return re.search(r'name="token" value="([^"]+)"', browser.ask("GET", f"/review/{case}")[1])[1]


def rows(out):
    with sqlite3.connect(out / "results.db") as db:
        return db.execute("SELECT case_id, rank, verdict, reader, case_sha256 FROM verdicts ORDER BY id").fetchall()


def test_pages_are_served_with_a_policy(browser, case):
    for path, words in (("/", "worklist"), (f"/cases/{case}/report.html?frame=1", case), (f"/review/{case}", "sandbox")):
        answer, body = browser.ask("GET", path)
        assert answer.status == 200
        assert words in body.lower()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Python" not in answer.headers["Server"]
        assert "built-in method" not in body
    answer, _ = browser.ask("GET", f"/cases/{case}/report.html")
    assert (answer.status, answer.headers["Location"]) == (303, f"/review/{case}")
    assert browser.ask("GET", f"/cases/{case}/case.json")[0].status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/results.db",
        "/run.json",
        "/timings.json",
        "/manifest.jsonl",
        "/../secret",
        "/cases/../../secret",
        "/%2e%2e/secret",
        "/cases/CASE/../../../secret",
        "/cases/CASE/images/..%2fcase.json",
        "/cases/case-000000000000/case.json",
        "/review/case-000000000000",
        "//etc/passwd",
        "/cases/CASE/",
    ],
)
def test_nothing_else_exists(browser, case, out, path):
    (out.parent / "secret").write_text("secret")
    answer, body = browser.ask("GET", path.replace("CASE", case))
    assert answer.status == 404
    assert "secret" not in body


def test_a_link_in_out_is_not_followed(browser, out, case):
    (out.parent / "secret.html").write_text("secret")
    report = out / "cases" / case / "report.html"
    report.unlink()
    report.symlink_to(out.parent / "secret.html")
    assert browser.ask("GET", f"/cases/{case}/report.html?frame=1")[0].status == 404


def test_a_verdict_is_kept_and_shown_and_never_replaced(browser, out, case):
    form = {"token": token(browser, case), "case": case, "rank": 1, "verdict": "accept"}
    answer, _ = browser.ask("POST", "/verdict", form)
    assert (answer.status, answer.headers["Location"]) == (303, f"/review/{case}#n1")
    browser.ask("POST", "/verdict", {**form, "verdict": "unsure"}, Origin=f"http://{browser.host}")
    assert [row[:4] for row in rows(out)] == [(case, 1, "accept", "dr.test"), (case, 1, "unsure", "dr.test")]
    assert all(len(row[4]) == 64 for row in rows(out))
    page = browser.ask("GET", f"/review/{case}")[1]
    assert re.findall(r'value="(\w+)" aria-pressed="true"', page) == ["unsure"]
    with sqlite3.connect(out / "results.db") as db:
        for statement in ("UPDATE verdicts SET verdict = 'reject'", "DELETE FROM verdicts"):
            with pytest.raises(sqlite3.IntegrityError, match="only added"):
                db.execute(statement)


@pytest.mark.parametrize(
    ("change", "headers", "status"),
    [
        ({"token": "x"}, {}, 403),
        ({"token": "ü"}, {}, 403),
        ({}, {"Origin": "http://evil.example"}, 403),
        ({}, {"Host": "evil.example"}, 421),
        ({"rank": "2"}, {}, 400),
        ({"rank": "-1"}, {}, 400),
        ({"rank": "１"}, {}, 400),
        ({"verdict": "maybe"}, {}, 400),
        ({"case": "../.."}, {}, 400),
        ({"filler": "x" * 5000}, {}, 400),
        ({str(n): "x" for n in range(20)}, {}, 400),
    ],
)
def test_a_verdict_from_elsewhere_is_refused(browser, out, case, change, headers, status):
    form = {"token": token(browser, case), "case": case, "rank": "1", "verdict": "accept"}
    assert browser.ask("POST", "/verdict", form | change, **headers)[0].status == status
    assert rows(out) == []


def test_another_host_name_sees_nothing(browser, case):
    answer, body = browser.ask("GET", f"/review/{case}", Host="evil.example:80")
    assert answer.status == 421
    assert "token" not in body


def test_an_unknown_answer_is_refused_by_the_table_itself(tmp_path):
    with pytest.raises(sqlite3.IntegrityError):
        Verdicts(tmp_path / "r.db").add(Verdict("now", "case", 1, "maybe", "r", ""))


def test_wrong_use_is_one_line(out, tmp_path):
    with pytest.raises(ShokenError, match=r"worklist\.html.*accepted"):
        make_server(tmp_path, "127.0.0.1", 0, "r")
    with make_server(out, "127.0.0.1", 0, "r") as server, pytest.raises(ShokenError, match="--port"):
        make_server(out, "127.0.0.1", server.server_address[1], "r")


def test_the_server_needs_no_network_library():
    code = "import sys, pipelines.review.server; print(*[n for n in ('torch', 'monai', 'numpy', 'mlflow') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
