"""A study and its prior: which one is taken, that a stranger's is not, and that a result depends on the prior it was made with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_task import BrightTask
from screening_runs import answer, screened, worklist
from small_export import instance
from worker_tools import open_fake_bench, open_fake_desk

from cad.finding import Measurement
from cad.prepare.prior import Link
from cad.prepare.register import Registration
from cad.prepare.same_patient import Sameness
from cad.report import PriorLesion
from cad.space import Grid
from pipelines import comparing
from pipelines.config import Settings
from pipelines.desk import Admission
from pipelines.intake import InputFile, Intake, StudyIntake
from pipelines.wiring import Tools

GRID = Grid.axial((2, 2, 2), (1, 1, 1))
FOUND = Registration(np.eye(4), None, GRID, (0.5, 0.8, 0.9), 0.0)


class ComparingTask(BrightTask):
    """Tells the prior's peak, and one lesion that is gone, as sure as lesions are frequent."""

    def compare(self, result, volume, prior, model, *, lang, progress):
        progress("compare")
        change = Measurement("volume_change", float(prior.volume.voxels.max()), "%", "peak of the prior")
        told = tuple(replace(f, measurements=(*f.measurements, change)) for f in result.findings)
        return replace(result, findings=told), (PriorLesion("resolved", (1.0, 2.0, 3.0), 5.0, None, model.settings["prevalence"]),)


def bench():
    made = open_fake_bench()
    return replace(made, tasks={"bright_ct": ComparingTask()}, prevalence=(("bright_ct", 0.25),))


@pytest.fixture(autouse=True)
def unprinted(monkeypatch: pytest.MonkeyPatch) -> None:
    """No PDF: these tests are about what stands in a case, not how it is printed."""
    monkeypatch.setattr("cad.write.case.lacking", lambda _lang: "not printed in this test")


@pytest.fixture
def comparing_tools() -> Tools:
    return Tools(open_fake_desk, bench)


@pytest.fixture
def confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 x 16 pixels hold no bones: what links two scans is tested where it is."""
    monkeypatch.setattr(comparing, "link", lambda *_: Link("compared", "the bones agree", Sameness(0.8, True, ""), FOUND))


def write(folder: Path, study: int, day: str, peak: int, patient: str = "ID-1", modality: str = "CT") -> None:
    place = folder / f"study{study}"
    place.mkdir(parents=True, exist_ok=True)
    for number in range(1, 7):
        ds = instance(study, 1, number, modality=modality, peak=peak)
        ds.PatientID, ds.StudyDate = patient, day
        ds.save_as(place / f"{number}.dcm", enforce_file_format=True)


def cases(out: Path) -> dict[int, dict]:
    """Every case.json by how many days its prior is back (0: none)."""
    found = [json.loads(path.read_text()) for path in (out / "cases").glob("*/case.json")]
    return {case["comparisons"][0]["days"] if case["comparisons"] else 0: case for case in found}


@pytest.mark.usefixtures("confirmed")
def test_the_nearest_earlier_study_of_the_same_patient_is_compared(tmp_path: Path, comparing_tools: Tools) -> None:
    export = tmp_path / "export"
    write(export, 1, "20230101", 1100)
    write(export, 2, "20230701", 1200)
    write(export, 3, "20240101", 1300)
    write(export, 4, "20231201", 1400, patient="ID-2")
    write(export, 5, "20231215", 1500, modality="MR")
    screened(export, tmp_path / "out", comparing_tools)
    by_days = cases(tmp_path / "out")
    assert sorted(by_days) == [0, 181, 184]
    last = by_days[184]["comparisons"][0]
    assert (last["status"], last["same_patient"]) == ("compared", 0.8)
    assert (last["lesions"][0]["label"], last["lesions"][0]["confidence"]) == ("resolved", 0.25)
    change = [m["value"] for m in by_days[184]["findings"][0]["measurements"] if m["name"] == "volume_change"]
    assert change == [1200 - 1024]
    assert last["case"] in {path.name for path in (tmp_path / "out" / "cases").iterdir()}


def test_a_stranger_is_not_compared_and_the_worklist_says_so(
    tmp_path: Path, comparing_tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Link("possible_patient_mix_up", "not compared: the prior may be of another person", Sameness(0.1, False, ""))
    monkeypatch.setattr(comparing, "link", lambda *_: told)
    export = tmp_path / "export"
    write(export, 1, "20230101", 1100)
    write(export, 2, "20230701", 1200)
    screened(export, tmp_path / "out", comparing_tools)
    case = cases(tmp_path / "out")[181]
    assert case["warnings"][0]["reason"] == "possible_patient_mix_up"
    assert case["comparisons"][0]["same_patient"] == 0.1
    assert not [m for m in case["findings"][0]["measurements"] if m["name"] == "volume_change"]
    notes = [note["reason"] for row in worklist(tmp_path / "out") for note in row["notes"]]
    assert notes.count("possible_patient_mix_up") == 1
    assert "POSSIBLE PATIENT MIX-UP" in (tmp_path / "out" / "worklist.html").read_text()


@pytest.mark.usefixtures("confirmed")
def test_a_case_is_screened_again_when_its_prior_changes(tmp_path: Path, comparing_tools: Tools) -> None:
    export, out = tmp_path / "export", tmp_path / "out"
    write(export, 1, "20230101", 1100)
    write(export, 2, "20230701", 1200)
    write(export, 3, "20230701", 1250, patient="ID-2")
    screened(export, out, comparing_tools)
    assert screened(export, out, comparing_tools, resume=True).resumed == 3
    write(export, 1, "20230101", 1150)
    assert screened(export, out, comparing_tools, resume=True).resumed == 1
    screened(export, tmp_path / "fresh", comparing_tools)
    assert answer(out) == answer(tmp_path / "fresh")


def test_studies_without_dates_are_not_put_in_order(tmp_path: Path, comparing_tools: Tools) -> None:
    export = tmp_path / "export"
    write(export, 1, "", 1100)
    write(export, 2, "20230701", 1200)
    screened(export, tmp_path / "out", comparing_tools)
    notes = [note["reason"] for row in worklist(tmp_path / "out") for note in row["notes"]]
    assert notes.count("prior_without_date") == 2
    assert set(cases(tmp_path / "out")) == {0}


def study(day: str, patient: str = "P1", modality: str = "CT") -> StudyIntake:
    made = StudyIntake()
    made.add(InputFile(0, "f", Path("x"), "0" * 64), Admission("s", "0" * 64, patient, day, modality))
    return made


def test_priors_are_the_nearest_three_before_that_day() -> None:
    intake = Intake({str(n): study(f"2023010{n}") for n in range(1, 7)} | {"same day": study("20230106"), "later": study("20230201")})
    assert [(prior.study, prior.days) for prior in intake.priors("6")] == [("5", 1), ("4", 2), ("3", 3)]


def test_a_study_of_two_patients_has_no_prior() -> None:
    mixed = study("20230105")
    mixed.add(InputFile(1, "g", Path("y"), "1" * 64), Admission("s", "1" * 64, "P2", "20230105", "CT"))
    assert Intake({"a": study("20230101"), "b": mixed}).priors("b") == ()


def test_the_interval_is_kept_and_the_date_is_not(tmp_path: Path) -> None:
    write(tmp_path, 1, "20230101", 1100)
    write(tmp_path, 2, "20230701", 1100)
    first, second = (open_fake_desk().admit(tmp_path / f"study{n}" / "1.dcm") for n in (1, 2))
    assert isinstance(first, Admission)
    assert isinstance(second, Admission)
    assert first.patient == second.patient
    assert "20230101" not in (first.date, second.date)
    intake = Intake({a.study: study(a.date, a.patient) for a in (first, second)})
    assert intake.priors(second.study)[0].days == 181
    assert Settings().profile == "screening"
