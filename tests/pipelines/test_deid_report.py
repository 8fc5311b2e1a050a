"""The report people read: the numbers of the data, escaped, self-contained, in English and Japanese."""

from __future__ import annotations

import json
import re

import pytest
from deid_runs import deidentified, rows

from anonymizer.gate import Reason
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
