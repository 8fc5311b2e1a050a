"""What case.json, worklist.json and manifest.jsonl hold, byte for byte the same each time, as docs/schemas says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from case_phantom import finding, report
from schema_check import faults, schema

from cad.errors import Refusal, ShokenError
from cad.finding import Claim, Finding
from cad.report import CaseReport
from cad.write.canonical import document_bytes, rounded
from cad.write.document import case_document
from cad.write.manifest import ManifestRow, manifest_bytes
from cad.write.worklist import WorklistRow, in_order, priority, row_of, worklist_document


def read(document: dict) -> dict:
    return json.loads(document_bytes(document))


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_case_is_as_its_schema_says(lang):
    assert list(faults(read(case_document(report(lang))), schema("case"))) == []


def test_a_case_of_nothing_is_as_its_schema_says():
    bare = CaseReport("c-1", "p-1", "2.25.1", "not_screened", refusals=(Refusal("f/1", "not_dicom", "no preamble"),))
    assert list(faults(read(case_document(bare)), schema("case"))) == []


def test_the_check_itself_finds_faults():
    broken = read(case_document(report()))
    broken["findings"][0]["confidence"] = 1.4
    broken["findings"][1]["centre_mm"] = [1, 2]
    broken["extra"] = 1
    del broken["novelty"]
    said = " ".join(faults(broken, schema("case")))
    assert all(word in said for word in ("confidence", "centre_mm", "extra", "novelty"))


def test_findings_come_best_first_whatever_their_order():
    shuffled = replace(report(), findings=report().findings[::-1])
    assert [f["rank"] for f in case_document(shuffled)["findings"]] == [1, 2]


def test_a_finding_says_where_how_large_how_sure_and_by_which_weights():
    first = read(case_document(report()))["findings"][0]
    assert first["centre_mm"] == [62, 12, 20]
    assert first["box_mm"] == {"low": [55, 5, 13], "high": [69, 19, 27]}
    assert (first["diameter_mm"], first["confidence"]) == (14, 0.87)
    assert first["model"] == {"name": "lung_nodule_ct", "version": "1.2.0", "sha256": "a3" * 32}
    assert first["measurements"][0] == {
        "name": "long_axis",
        "value": 14.0,
        "unit": "mm",
        "interval": [13.1, 15.1],
        "label": "",
        "method": "axial_outline",
        "others": [],
        "outcome": "measured",
        "position_mm": None,
    }
    assert first["statement"] == finding(1, 0.87).statement.text


def test_equal_reports_give_equal_bytes_and_key_order_does_not_matter():
    assert document_bytes(case_document(report())) == document_bytes(case_document(report()))
    assert document_bytes({"b": 1, "a": 2.0}) == document_bytes({"a": 2.0, "b": 1})


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.1 + 0.2, 0.3), (123456.789, 123457.0), (-1e-320 * 0, 0.0), (np.float32(0.1), 0.1), (np.int64(3), 3), (True, True)],
)
def test_numbers_are_rounded_to_six_digits(value, shown):
    result = rounded({"x": [value]})["x"][0]
    assert result == shown
    assert not str(result).startswith("-")


def test_a_number_that_is_not_finite_names_its_key():
    with pytest.raises(ShokenError, match=r"document\.findings\[0\]\.confidence"):
        document_bytes({"findings": [{"confidence": float("nan")}]})


def test_japanese_stays_readable_in_the_file():
    assert "左肺" in document_bytes(case_document(report("ja"))).decode()


def row(case: str, value: float | None, **more) -> WorklistRow:
    return WorklistRow(case, "screened" if value is not None else "not_screened", value, **more)


def test_the_worklist_begins_with_what_was_not_screened_then_falls_by_priority_ties_by_case():
    rows = [row("b", 0.2), row("u", None), row("c", 0.9), row("a", 0.2)]
    document = worklist_document(rows)
    assert [(s["rank"], s["case"]) for s in document["studies"]] == [(None, "u"), (1, "c"), (2, "a"), (3, "b")]
    assert document["totals"] == {"studies": 4, "screened": 3, "not_screened": 1, "findings": 0}
    assert in_order(rows[::-1]) == in_order(rows)


def test_worklist_rows_are_as_their_schema_says():
    rows = [
        row_of(report(), files=60, series=3, thumbnail="cases/c/images/t.png"),
        row("u", None, notes=(Refusal("s", "gap", "3 missing"),)),
    ]
    assert list(faults(read(worklist_document(rows)), schema("worklist"))) == []


def test_a_row_sums_up_its_report():
    made = row_of(report(), files=60, series=3)
    assert (made.top_kind, made.top_diameter_mm, made.top_confidence, made.top_calibrated) == ("lung_nodule", 14.0, 0.87, True)
    assert (made.counts.findings, made.counts.series_screened, made.counts.refusals) == (2, 1, 2)
    assert made.report == "cases/c-7f3a91d2/report.html"


def test_a_study_that_was_not_screened_has_no_priority_even_with_findings():
    assert row_of(replace(report(), status="failed")).priority is None
    with pytest.raises(ShokenError, match="disagree"):
        WorklistRow("c", "not_screened", 0.5)


def doubted(confidence: float, *doubts: str) -> Finding:
    return replace(finding(1, confidence), claim=Claim(calibrated=False, doubts=doubts))


def test_a_finding_without_a_claim_adds_nothing_to_the_priority_and_says_why():
    shown = (
        finding(1, 0.6),
        replace(finding(2, 0.5), claim=Claim()),
        doubted(0.99, "unsteady", "scan_unlike"),
        doubted(0.98, "scan_unlike"),
    )
    made = row_of(replace(report(), findings=shown))
    assert made.priority == pytest.approx(1 - 0.4 * 0.5)
    assert (made.unclaimed, made.unclaimed_why) == (2, ("unsteady", "scan_unlike"))
    assert made.unclaimed_score == pytest.approx(1 - 0.01 * 0.02)
    assert made.ranked


def test_the_order_follows_what_is_claimed_not_the_score():
    def study(case: str, *findings: Finding) -> WorklistRow:
        return row_of(replace(report(), case=case, findings=findings))

    rows = [
        study("odd, lower score", doubted(0.7, "scan_unlike")),
        study("nothing shown"),
        study("claimed, doubted beside it", finding(1, 0.3), doubted(0.99, "unsteady")),
        study("odd, higher score", doubted(0.99, "scan_unlike")),
        study("claimed", finding(1, 0.3)),
        study("best", finding(1, 0.9)),
        row("not screened", None),
    ]
    expected = [
        (None, "not screened"),
        (None, "odd, higher score"),
        (None, "odd, lower score"),
        (1, "best"),
        (2, "claimed, doubted beside it"),
        (3, "claimed"),
        (4, "nothing shown"),
    ]
    assert [(rank, row.case) for rank, row in in_order(rows)] == expected
    assert [rank for rank, _ in in_order(rows[::-1])] == [rank for rank, _ in expected]
    assert list(faults(read(worklist_document(rows)), schema("worklist"))) == []


def test_priority_of_no_findings_is_zero():
    assert priority([]) == 0.0


def test_manifest_lines_are_as_their_schema_says_and_in_order():
    rows = [ManifestRow("f2", 2, "refused", "not_dicom", "no preamble"), ManifestRow("f1", 1, "screened", case="c", series="s")]
    lines = [json.loads(line) for line in manifest_bytes(rows).splitlines()]
    assert [line["file"] for line in lines] == ["f1", "f2"]
    assert [fault for line in lines for fault in faults(line, schema("manifest-row"))] == []
    assert list(faults({**lines[1], "reason": ""}, schema("manifest-row")))


def test_a_refused_file_needs_a_reason():
    with pytest.raises(ShokenError, match="no reason"):
        ManifestRow("f", 0, "refused")
    with pytest.raises(ShokenError, match="screened, refused"):
        ManifestRow("f", 0, "skipped")
