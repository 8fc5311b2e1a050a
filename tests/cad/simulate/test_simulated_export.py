"""The messy export: what is on disk is what the truth file says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from cad.simulate import export as module
from cad.simulate.export import StudyTruth, demo_export, simulate_export
from cad.simulate.head import HeadPlan, Sequence
from cad.simulate.thorax import ThoraxPlan


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same orders on coarse grids, so that a test takes seconds."""
    thorax, head, heads = module.simulate_thorax, module.simulate_head, module.simulate_sequences

    def small_thorax(seed: int, plan: ThoraxPlan) -> object:
        return thorax(seed, replace(plan, shape=(78, 52, 56), spacing_mm=(3.6, 7, 7)))

    def small_head(seed: int, plan: HeadPlan) -> object:
        return head(seed, replace(plan, shape=(40, 50, 40), spacing_mm=(4.5, 5, 5)))

    def small_sequences(seed: int, plan: HeadPlan, sequences: tuple[Sequence, ...]) -> object:
        return heads(seed, replace(plan, shape=(40, 50, 40), spacing_mm=(4.5, 5, 5)), sequences)

    monkeypatch.setattr(module, "simulate_thorax", small_thorax)
    monkeypatch.setattr(module, "simulate_head", small_head)
    monkeypatch.setattr(module, "simulate_sequences", small_sequences)


@pytest.mark.usefixtures("small")
def test_the_demo_holds_what_it_promises(tmp_path: Path) -> None:
    lines: list[str] = []
    truths = demo_export(tmp_path, 1, lines.append)
    assert (len(lines), len(truths)) == (6, 7)
    assert [t.modality for t in truths] == ["CT", "CT", "CT", "CT", "CT", "MR", "CT"]
    assert [bool(t.lesions) for t in truths] == [True, True, True, False, False, True, False]
    assert [t.days_before for t in truths] == [0, 182, 0, 0, 0, 0, 0]
    assert (truths[0].patient_id, truths[0].study_instance_uid != truths[1].study_instance_uid) == (truths[1].patient_id, True)
    assert truths[4].aorta_max_mm == pytest.approx(52)
    assert truths[6].expected == "gap_in_series"
    assert {lesion.kind for t in truths for lesion in t.lesions} >= {"solid", "part_solid", "ground_glass", "calcified", "ring"}
    names = {p.name for p in (tmp_path / "DICOM").rglob("*") if p.is_file()}
    assert "VIEWER.INI" in names
    assert sum(1 for p in (tmp_path / "DICOM").rglob("*") if p.is_file()) == sum(t.files for t in truths) + 3 + 3 * 40
    series = [pydicom.dcmread(next((tmp_path / truths[5].folder).parent.glob(f"SE{n}/*")), stop_before_pixels=True) for n in (1, 2, 3, 4)]
    assert len({header.StudyInstanceUID for header in series} | {header.FrameOfReferenceUID for header in series}) == 2
    assert len({header.SeriesInstanceUID for header in series}) == 4
    assert [header.SeriesDescription for header in series] == ["T1 MPRAGE CE", "FLAIR TRA", "T2 TRA", "T1 TRA"]


@pytest.mark.usefixtures("small")
def test_truth_lies_beside_the_images_and_names_them(tmp_path: Path) -> None:
    truths = simulate_export(tmp_path, 2, 5)
    document = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert len(document["studies"]) == 2
    for truth, row in zip(truths, document["studies"], strict=True):
        _check(tmp_path, truth)
        assert row["series_instance_uid"] == truth.series_instance_uid
        assert len(row["lesions"]) == len(truth.lesions)


@pytest.mark.usefixtures("small")
def test_the_same_seed_writes_the_same_export(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        simulate_export(tmp_path / name, 1, seed)
    a, b, c = ({p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()} for n in "abc")
    assert a == b
    assert a != c


def _check(out: Path, truth: StudyTruth) -> None:
    files = list((out / truth.folder).iterdir())
    assert len(files) == truth.files
    assert all(f.suffix == "" for f in files)
    header = pydicom.dcmread(files[0], stop_before_pixels=True)
    assert header.StudyInstanceUID == truth.study_instance_uid
    assert header.SeriesInstanceUID == truth.series_instance_uid
    assert header.PatientID == truth.patient_id
