"""Every file of a messy export has one row: used, or refused with a code, a sentence and evidence that identifies nobody."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from screening_runs import lines, screened, worklist
from small_export import UID, instance, write_series

from anonymizer.key import ProjectKey
from pipelines import wiring
from pipelines.config import Settings
from pipelines.converting import convert_export
from pipelines.desk import open_desk

IDENTIFYING = ("YAMADA", "山田", "Yamada", "ID-1", "ID-2", "ACC1", "19500101", "20240102", UID)


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """Four studies: a gap of known size, one slice, a copy and a cut file in a whole series, two that are no images."""
    export = tmp_path / "export"
    write_series(export, 1)
    (export / "Yamada_1" / "series1" / "003.dcm").unlink()
    write_series(export, 2, slices=1)
    write_series(export, 3, slices=8)
    whole = export / "Yamada_3" / "series1"
    (whole / "copy.dcm").write_bytes((whole / "002.dcm").read_bytes())
    (whole / "008.dcm").write_bytes((whole / "008.dcm").read_bytes()[:-200])
    capture = instance(4, 1, 1)
    capture.SOPClassUID = capture.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    capture.save_as(export / "capture.dcm", enforce_file_format=True)
    (export / "notes.txt").write_text("Yamada Taro 19500101", encoding="utf-8")
    return export


def count(export: Path) -> int:
    return sum(path.is_file() for path in export.rglob("*"))


def well_refused(row: dict) -> bool:
    return bool(re.fullmatch(r"[a-z0-9_]+", row["reason"])) and len(row["detail"]) >= 10


def identifying_in(out: Path) -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in out.rglob("*") if path.suffix in (".json", ".jsonl", ".html")]
    names = [str(path.relative_to(out)) for path in out.rglob("*")]
    return [value for value in IDENTIFYING if any(value in text for text in (*texts, *names))]


def test_screening_uses_or_refuses_every_file_and_shows_first_what_nobody_looked_at(messy, tmp_path, tools):
    out = tmp_path / "out"
    screened(messy, out, tools)
    rows = lines(out)
    used, refused = ([row for row in rows if row["status"] == status] for status in ("screened", "refused"))
    assert len(used) + len(refused) == len(rows) == count(messy)
    assert len(used) == 7
    assert all(well_refused(row) for row in refused)
    assert {"gap_in_series", "single_slice", "duplicate_slice", "truncated", "not_dicom"} <= {row["reason"] for row in refused}
    (gap,) = {row["detail"] for row in refused if row["reason"] == "gap_in_series"}
    assert "4.00 mm between 4.00 and 8.00 mm" in gap, "the gap's size and positions are the evidence"
    statuses = [row["status"] for row in worklist(out)]
    assert statuses == ["not_screened"] * 3 + ["screened"]
    assert all(row["notes"] for row in worklist(out)[:3])
    assert identifying_in(out) == []


def test_the_page_shows_first_what_nobody_looked_at_and_hides_none(messy, tmp_path, tools):
    out = tmp_path / "out"
    screened(messy, out, tools)
    page = (out / "worklist.html").read_text(encoding="utf-8")
    places = [page.index(row["case"]) for row in worklist(out)]
    assert len(places) == 4
    assert places == sorted(places)


def test_converting_uses_or_refuses_every_file(messy, tmp_path, monkeypatch):
    monkeypatch.setattr(wiring, "desk", lambda settings: open_desk(ProjectKey(bytes(32)), settings.profile))
    out = tmp_path / "out"
    convert_export(messy, out, Settings(), lambda _: None)
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    used, refused = ([row for row in rows if row["status"] == status] for status in ("converted", "refused"))
    assert len(used) + len(refused) == len(rows) == count(messy)
    assert len(used) == 7
    assert all(well_refused(row) for row in refused)
    assert {"gap_in_series", "single_slice", "duplicate_slice", "truncated", "not_dicom"} <= {row["reason"] for row in refused}
    assert identifying_in(out) == []
