"""Whole studies: the series that shows the body part is taken even when headers lie, and every series gets its sentence in the report."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cad.read.assemble import assemble
from cad.read.headers import read_headers
from cad.report import CaseReport
from cad.simulate.patients import LATIN, fake_patient
from cad.simulate.scanner import SeriesLook, write_localizer, write_series
from cad.study import Series
from cad.tasks.task import installed_tasks
from cad.volume import Volume
from cad.write.document import case_document
from cad.write.html import case_page
from pipelines.choosing import Choosing, choose

sys.path.append(str(Path(__file__).resolve().parents[1] / "cad"))  # the shapes that cad's own tests use
import body_cases

TASKS = installed_tasks()
PATIENT = fake_patient(3, LATIN)


def study(folder: Path, *parts: tuple[Volume, SeriesLook]) -> tuple[Series, ...]:
    """All series of one study, read back."""
    paths: list[Path] = []
    for number, (volume, look) in enumerate(parts, start=1):
        place = folder / f"s{number}"
        write_series(volume, place, PATIENT, 1, replace(look, series_number=number))
        paths += sorted(place.rglob("*"))
    return tuple(one for study in read_headers(paths).studies for one in study.series)


def chosen(made: Choosing, task: str) -> list[str]:
    return [look.series.body_part for look in made.looks if look.task.name == task and look.refusal is None]


@pytest.fixture(scope="module")
def lying(tmp_path_factory) -> Choosing:
    """A head called CHEST in thin slices, and a chest called HEAD."""
    folder = tmp_path_factory.mktemp("lying")
    head, chest = (body_cases.head_ct(1), SeriesLook(body_part="CHEST")), (body_cases.chest(1), SeriesLook(body_part="HEAD"))
    return choose(study(folder, head, chest), TASKS, assemble)


@pytest.mark.parametrize("task", ["lung_nodule_ct", "aorta_ct"])
def test_the_chest_is_found_although_both_headers_lie(lying: Choosing, task: str) -> None:
    assert chosen(lying, task) == ["HEAD"]
    refused = [look.refusal for look in lying.looks if look.task.name == task and look.refusal]
    assert [r.reason for r in refused] == ["wrong_body_part"]
    assert "look like head" in refused[0].detail


def test_the_contradiction_is_said_once_to_the_reader(lying: Choosing) -> None:
    contradicted = [w for w in lying.warnings if w.reason == "body_part_contradicted"]
    assert len(contradicted) == 1
    assert "HEAD" in contradicted[0].detail


def test_a_head_alone_is_not_screened_by_any_task_of_the_chest(tmp_path: Path) -> None:
    made = choose(study(tmp_path, (body_cases.head_ct(1), SeriesLook(body_part="CHEST"))), TASKS, assemble)
    assert not [look for look in made.looks if look.refusal is None]
    assert {look.refusal.reason for look in made.looks if look.refusal} == {"wrong_body_part"}


def test_an_abdomen_called_chest_is_not_screened(tmp_path: Path) -> None:
    made = choose(study(tmp_path, (body_cases.abdomen(), SeriesLook(body_part="CHEST"))), TASKS, assemble)
    assert not [look for look in made.looks if look.refusal is None]


def test_every_series_has_one_sentence_for_every_task(lying: Choosing) -> None:
    assert len(lying.choices) == 2 * len(TASKS)
    assert len({(c.task, c.series_instance_uid) for c in lying.choices}) == len(lying.choices)
    for choice in lying.choices:
        assert len(choice.reason) > 15
        assert "\n" not in choice.reason


def test_of_many_series_the_thin_soft_one_is_taken_and_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    chest = body_cases.chest(1)
    looks = [(body_cases.thick(chest, 10), SeriesLook()), (chest, SeriesLook(kernel="B60f")), (chest, SeriesLook(kernel="B30f"))]
    series = study(tmp_path, *looks, (chest, SeriesLook(kernel="B30f")))
    first, turned = (choose(order, TASKS, assemble) for order in (series, series[::-1]))
    (taken,) = [c.series_instance_uid for c in first.choices if c.chosen and c.task == "lung_nodule_ct"]
    soft = sorted(one.series_instance_uid for one in series if one.kernel == "B30f" and one.slices > 40)
    assert taken == soft[0]
    assert set(first.choices) == set(turned.choices)


def test_a_localizer_is_never_in_a_study_that_is_chosen_from(tmp_path: Path) -> None:
    write_localizer(body_cases.chest(1), tmp_path / "one.dcm", PATIENT, 1, SeriesLook())
    scan = read_headers([tmp_path / "one.dcm"])
    assert not scan.studies
    assert [r.reason for r in scan.refusals] == ["localizer"]


def test_the_reasons_are_in_the_report(lying: Choosing) -> None:
    report = CaseReport(case="c", patient="p", study_instance_uid="1.2", status="screened", choices=lying.choices)
    written = json.loads(json.dumps(case_document(report)))["choices"]
    page = case_page(report, {})
    assert len(written) == len(lying.choices)
    for choice in lying.choices:
        assert choice.series_instance_uid in page
    assert "look like head" in page
    assert np.all([entry["reason"] for entry in written])
