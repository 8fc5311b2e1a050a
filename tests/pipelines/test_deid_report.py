"""The report people read: the numbers of the data, escaped, self-contained, in English and Japanese."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial

import pytest
from deid_runs import answer, deidentified, rows

from anonymizer.files import Refused
from anonymizer.gate import Reason
from anonymizer.pixels.account import Picture, PixelAccount
from anonymizer.pixels.where import How
from anonymizer.vault import open_vault
from pipelines.deidentification import work
from pipelines.deidentification.page import report_page
from pipelines.deidentification.words import _REASONS, explanation


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_page_says_what_the_report_says_and_asks_nobody(export, tmp_path, lang):
    report = deidentified(export, tmp_path / "out", lang=lang).report
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f'<html lang="{lang}">' in page
    assert "default-src &#39;none&#39;" in page
    assert not re.search(r"<script|<img|<link|https?://|url\(|built-in method", page)
    for text in (report["profile"]["name"], report["key_fingerprint"], "113107", "PatientName", explanation("not_dicom", lang)):
        assert text in page
    assert re.search(r"13 = 12 \+ 1", page)
    assert "2026" not in page.replace("2026c", "")


def test_a_hostile_word_is_shown_and_not_obeyed(export, tmp_path):
    report = json.loads(json.dumps(deidentified(export, None).report))
    report["refusals"][0]["details"][0]["detail"] = "<script>alert(1)</script>"
    page = report_page(report)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_private_attributes_are_one_row_each_way(export, tmp_path):
    report = json.loads(json.dumps(deidentified(export, None).report))
    more = [
        {"path": f"(0009,{n:04X})", "name": "", "level": "top", "action": "removed", "reason": "private", "files": 2, "values": 3}
        for n in range(0x1001, 0x1101)
    ]
    page = report_page({**report, "attributes": report["attributes"] + more})
    assert "(0009,1001)" not in page
    assert page.count("private attributes") == 1
    assert ">768<" in page


def test_every_reason_of_the_gate_is_explained_in_both_languages():
    assert {reason.value for reason in Reason} - set(_REASONS) == set()
    assert all(en and ja and en != ja for en, ja in _REASONS.values())


def test_no_clock_and_no_shift_is_in_the_report(export, tmp_path):
    report = deidentified(export, tmp_path / "out").report
    assert not re.search(r"second|time_|days|\d{4}-\d{2}-\d{2}", json.dumps(report))
    assert report["dates"] == {"policy": "modified", "shifted": True}
    assert deidentified(export, None, profile="basic").report["dates"] == {"policy": "removed", "shifted": False}
    assert "seconds" in (tmp_path / "out" / "timings.json").read_text()
    assert all(row["status"] in ("deidentified", "refused") for row in rows(tmp_path / "out"))


def test_blanked_pixels_are_counted_and_their_pictures_go_to_the_vault_only(export, tmp_path, monkeypatch):
    real = work.clean_file

    def blanked(*args):
        outcome = real(*args)
        if isinstance(outcome, Refused):
            return outcome
        account = PixelAccount(How.OCR, "all", frames=3, frames_examined=3, boxes=((0, 2), (2, 1)), pixels_changed=70)
        picture = Picture(0, (1, 2, 30, 9), b"\x89PNG YAMADA", b"\x89PNG blank")
        return replace(outcome, receipt=outcome.receipt.with_pixels(account), pictures=(picture,))

    monkeypatch.setattr(work, "clean_file", blanked)
    opened = partial(open_vault, tmp_path / "way.vault", bytes(32), create=True)
    report = deidentified(export, tmp_path / "out", vault=opened).report
    assert report["pixels"] == {"text_blanked": 12}
    assert report["pixel_sums"]["boxes_blanked"] == 36
    assert report["pixel_sums"]["frames_blanked"] == 24
    handle = next(row["file"] for row in rows(tmp_path / "out") if row["output"])
    with opened() as vault:
        assert vault.pictures(handle) == (
            ("frame-0-at-1-2-30x9-before", b"\x89PNG YAMADA"),
            ("frame-0-at-1-2-30x9-after", b"\x89PNG blank"),
        )
    assert not any(b"YAMADA" in content for content in answer(tmp_path / "out").values())
    assert "places blanked: 36" in (tmp_path / "out" / "report.html").read_text()
