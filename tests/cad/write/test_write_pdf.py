"""The printed report: whole, the same every time, in letters that exist, and deaf to whatever the page points at."""

from __future__ import annotations

import base64
import gc
import http.server
import io
import os
import re
import subprocess
import sys
import threading
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from case_phantom import exhibits, report, sections
from PIL import Image
from pypdf import PdfReader

from cad.errors import ShokenError
from cad.report import SeriesChoice
from cad.write import pdf
from cad.write.aorta import diameter_curve
from cad.write.case import write_case
from cad.write.html import case_page, paper_style
from cad.write.key_images import case_pictures
from cad.write.pdf import lacking, pdf_bytes
from cad.write.words import words

MARK = "only-this-machine-knows"
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNoaGgAAAMEAYFL09IQAAAAAElFTkSuQmCC")


@pytest.fixture(autouse=True)
def _printer() -> None:
    if lacking("en"):
        pytest.skip(f"nothing can be printed here: {lacking('en')}")


@cache
def pictures() -> dict[str, Image.Image]:
    return case_pictures(report().findings, exhibits())


@cache
def printed(lang: str = "en") -> bytes:
    page = case_page(report(lang), pictures(), diameter_curve(sections()), paper=True)
    return pdf_bytes(page, pictures(), paper_style())


def text(data: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages).split())


def everything(data: bytes) -> bytes:
    """The file and all its streams unpacked."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.S)
    return data + b"".join(_unpacked(stream) for stream in streams)


def _unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream


def test_a_report_is_a4_with_numbered_pages_that_name_the_case():
    pages = PdfReader(io.BytesIO(printed())).pages
    assert len(pages) > 1
    for number, page in enumerate(pages, start=1):
        assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]
        shown = page.extract_text()
        assert f"{number} / {len(pages)}" in shown
        assert "c-7f3a91d2" in shown
        assert "not a medical device" in shown


def test_every_picture_of_every_finding_is_on_paper():
    assert printed().count(b"/Subtype /Image") == len([name for name in pictures() if "thumbnail" not in name])


def test_the_same_report_gives_the_same_bytes_in_another_process(tmp_path):
    code = "import sys; from test_write_pdf import printed; sys.stdout.buffer.write(printed())"
    places = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": places, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1"},
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert told.stdout == printed()
    assert b"CreationDate" not in told.stdout


def test_a_japanese_report_has_its_letters_and_its_font_inside():
    if lacking("ja"):
        pytest.skip("no font for Japanese is installed")
    data = printed("ja")
    said = text(data)
    for key in ("measurements", "confidence", "funnel"):
        assert words("ja")[key] in said
    fonts = [font for page in PdfReader(io.BytesIO(data)).pages for font in page["/Resources"]["/Font"].values()]
    described = [d.get_object()["/FontDescriptor"] for font in fonts for d in font.get_object()["/DescendantFonts"]]
    assert described
    assert all({"/FontFile2", "/FontFile3"} & set(one) for one in described)
    assert "�" not in said


def test_no_report_is_printed_in_letters_that_no_font_shows(monkeypatch, tmp_path):
    monkeypatch.setattr(pdf, "words", lambda _lang: {"a": "plain", "b": "\U000f1234\U000f1235"})
    why = lacking.__wrapped__("ja")
    assert "no installed font shows 2 of the" in why
    monkeypatch.setattr("cad.write.case.lacking", lambda _lang: why)
    write_case(report(), exhibits(), tmp_path / "case")
    assert (tmp_path / "case" / "report.html").is_file()
    assert not (tmp_path / "case" / "report.pdf").exists()


def test_without_the_printing_library_the_reason_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    assert lacking.__wrapped__("en").startswith("a library that prints pages is not installed")
    with pytest.raises(ShokenError, match=r"report\.pdf: .*\(accepted: .*libpango"):
        pdf_bytes("<p>x", {})


@pytest.fixture
def listener():
    """A server on this machine that writes down who called."""
    calls: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(MARK.encode())

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
        server.shutdown()


def hostile(tmp_path: Path, address: str) -> str:
    """Every way a page can pull something in, each at a local file, the network and data of other kinds."""
    (tmp_path / "secret.txt").write_text(MARK)
    (tmp_path / "secret.css").write_text(f"p::before {{ content: '{MARK}' }}")
    (tmp_path / "secret.png").write_bytes(PNG)
    (tmp_path / "secret.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg"><text y="9">{MARK}</text></svg>')
    svg = base64.b64encode((tmp_path / "secret.svg").read_bytes()).decode()
    css = base64.b64encode((tmp_path / "secret.css").read_bytes()).decode()
    png = base64.b64encode(PNG).decode()
    names = ("secret.txt", "secret.css", "secret.png", "secret.svg")
    local = [(tmp_path / name).as_uri() for name in names] + [str(tmp_path / name) for name in names] + ["file:///etc/passwd"]
    data = [f"data:image/svg+xml;base64,{svg}", f"data:text/css;base64,{css}", f"data:text/plain,{MARK}", f"data:image/png;base64,{png}"]
    urls = [*local, *data, f"{address}/x", "ftp://127.0.0.1/x", "picture:../../secret.png", "picture:", "PICTURE:key.png"]
    return "".join(
        f'<img src="{u}"><object data="{u}"></object><embed src="{u}"><link rel="stylesheet" href="{u}">'
        f'<link rel="attachment" href="{u}"><a rel="attachment" href="{u}">a</a><style>@import "{u}"; @import url({u});'
        f"@font-face {{ font-family: x; src: url({u}) }} p {{ background: url({u}); font-family: x; content: url({u}) }}</style>"
        f'<svg width="9" height="9"><image href="{u}" width="9" height="9"/><use href="{u}#a"/></svg><iframe src="{u}"></iframe>'
        f'<meta http-equiv="refresh" content="0;url={u}"><base href="{u}"><p style="list-style-image:url({u})">p</p>'
        for u in urls
    )


def test_a_page_full_of_pointers_brings_nothing_in(tmp_path, listener, monkeypatch):
    address, calls = listener
    monkeypatch.chdir(tmp_path)
    data = pdf_bytes(
        f"<html><body>{hostile(tmp_path, address)}<img src='picture:key.png'></body></html>", {"key.png": Image.new("RGB", (9, 9))}
    )
    assert calls == []
    inside = everything(data)
    assert MARK.encode() not in inside
    assert b"root:" not in inside
    assert b"EmbeddedFile" not in inside
    assert MARK not in text(data)
    assert inside.count(b"/Subtype /Image") == 1  # the picture that was handed over


def test_hostile_text_in_a_study_is_printed_as_text(tmp_path, listener):
    address, calls = listener
    local = '"><img src="file:///etc/passwd"><link rel="attachment" href="file:///etc/passwd">'
    bait = f'{local}<img src="{address}/x"><svg><image href="data:,x"/>'
    poisoned = replace(report(), choices=(SeriesChoice("lung_nodule_ct", bait, False, bait, bait),))
    data = pdf_bytes(case_page(poisoned, {}, paper=True), {}, paper_style())
    assert calls == []
    assert "file:///etc/passwd" in text(data).replace(" ", "")
    inside = everything(data)
    assert b"root:" not in inside
    assert b"EmbeddedFile" not in inside
    assert b"/Subtype /Image" not in inside


def test_a_name_that_was_not_handed_over_stays_blank():
    data = pdf_bytes('<img src="picture:other.png"><img src="picture:key.png">', {"key.png": Image.new("RGB", (9, 9))})
    assert data.count(b"/Subtype /Image") == 1


@pytest.mark.parametrize("searching", [True, False])
def test_the_search_for_garbage_is_afterwards_as_it_was_before(searching, monkeypatch):
    was = gc.isenabled()
    seen = []
    monkeypatch.setattr(pdf, "_jpeg", lambda _picture: seen.append(gc.isenabled()) or b"")
    try:
        (gc.enable if searching else gc.disable)()
        pdf_bytes('<img src="picture:key.png">', {"key.png": Image.new("RGB", (9, 9))})
        assert gc.isenabled() is searching
        assert seen
        assert not any(seen)
    finally:
        (gc.enable if was else gc.disable)()


def test_one_case_leaves_nothing_behind_in_the_next():
    alone = pdf_bytes("<p>second", {}, "p { color: red }")
    pdf_bytes("<p>first", {}, "p { font: bold 40px serif }")
    assert pdf_bytes("<p>second", {}, "p { color: red }") == alone
