"""The certificate of a whole cascade, per patient, and the held-out figures: against counts made by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from score_cases import case_scores, lesion

from cad.detect.cascade import Fusion, Thresholds
from cad.networks import ModelHeader
from cad.score.proportion import lower_bound
from cad.tasks.calibrating import choose_thresholds, fit_fusion, fused_logits
from cad.tasks.card import model_card
from cad.tasks.certificate import STAGE, Certificate
from cad.tasks.certifying import certify, level_of
from cad.tasks.figures import Figure
from cad.tasks.held_out import cascade_figures
from cad.tasks.lung_recipe import RECIPE

OPEN = Thresholds(0.1, 0.1, 0.0)


def sick(logit, **stages):
    return case_scores([logit, -3.0], [1, 0], [lesion(1)], **stages)


def normal(*logits):
    return case_scores(list(logits), [0] * len(logits))


@pytest.mark.parametrize(("patients", "misses", "bound"), [(299, 0, 0.99), (473, 1, 0.99), (58, 0, 0.949)])
def test_so_many_patients_give_so_much(patients, misses, bound):
    cases = [*(sick(2.0) for _ in range(patients - misses)), *(sick(-1.0) for _ in range(misses)), normal(-1.0), normal(1.0)]
    made = certify(cases, Fusion(), OPEN, "print")
    assert (made.patients, made.misses, made.normals_quiet, made.normals) == (patients, misses, 1, 2)
    assert made.bound == pytest.approx(bound, abs=0.001)
    assert made.point.stage == STAGE
    assert made.point.sensitivity_interval == (made.bound, 1.0)
    assert Certificate.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_a_patient_survives_with_one_of_several_lesions_and_only_through_all_stages():
    both = case_scores([2.0, -2.0], [1, 2], [lesion(1), lesion(2)])
    unseen = sick(2.0, nearby=[0.05, 0.9])  # triage discards its plane
    other = case_scores([2.0, -2.0], [0, 1], [lesion(1)])  # what is shown lies beside the lesion
    made = certify([both, unseen, other], Fusion(), OPEN, "")
    assert (made.patients, made.misses) == (3, 2)


def test_levels_are_the_strictest_that_hold_and_refused_where_n_is_too_small():
    rng = np.random.default_rng(0)
    cases = [sick(logit) for logit in rng.normal(3, 1, 100)] + [normal(logit) for logit in rng.normal(0, 1, 50)]
    made = certify(cases, Fusion(), OPEN, "")
    levels = {level.target: level for level in made.levels}
    assert levels[0.99].threshold is None
    assert levels[0.98].threshold is None
    for target in (0.95, 0.9, 0.8):
        level = levels[target]
        assert lower_bound(100 - level.misses, 100) >= target > lower_bound(100 - level.misses - 1, 100)
        assert level.misses == sum(fused_logits(case, Fusion())[0] < level.threshold for case in cases[:100])
    assert levels[0.8].normals_quiet > levels[0.95].normals_quiet


def test_the_promise_holds_in_nineteen_of_twenty_repetitions():
    """Patients drawn anew: the level's true survival falls below its target about one time in twenty."""
    rng = np.random.default_rng(1)
    failed = 0
    for _ in range(200):
        threshold = level_of(0.9, [sick(logit) for logit in rng.normal(0, 1, 60)], Fusion(), OPEN).threshold
        survive = 1 - np.mean(rng.normal(0, 1, 4000) < threshold)
        failed += survive < 0.9 - 0.01
    assert failed <= 18  # 10 expected, above 18 one time in a hundred


def test_no_patients_no_certificate():
    assert certify([normal(1.0)], Fusion(), OPEN, "") is None


def test_a_second_look_counts_for_what_the_first_leaves_open():
    rng = np.random.default_rng(2)
    cases = []
    for _ in range(30):
        truth = np.array([1] + [0] * 9)
        cases.append(case_scores(rng.normal(truth, 1.0), truth, [lesion(1)], second=np.where(np.arange(10) < 8, 5.0 * truth - 2, np.nan)))
    fusion = fit_fusion(cases)
    assert fusion.again is not None
    assert fusion.again.second > fusion.again.reduce
    _, points = choose_thresholds(cases, fusion)
    assert [point.stage for point in points] == ["triage", "propose", "reduce"]
    assert points[2].sensitivity >= 0.9


def test_held_out_figures_are_counts():
    cases = [
        case_scores([2.0, 1.0], [1, 0], [lesion(1, 5.0)], planes=(0.9, 0.05, 0.05, 0.05, 0.05, 0.05), spans=[(0, 0), (5, 5)]),
        case_scores([-1.0], [1], [lesion(1, 10.0, "ground_glass")], planes=(0.9, 0.05, 0.05, 0.05, 0.05, 0.05)),
        case_scores([-2.0], [0], planes=(0.05,) * 6, nearby=[0.05]),
    ]
    found = {figure.name: figure for figure in cascade_figures(cases, Fusion(), OPEN)}
    assert (found["patients with a lesion kept"].value, found["patients with a lesion kept"].n) == (0.5, 2)
    assert found["lesions under 6 mm shown"].value == 1.0
    assert found["lesions of 8 to 15 mm shown"].value == 0.0
    assert found["ground glass lesions shown"].value == 0.0
    assert found["false positives shown a scan"].value == pytest.approx(1 / 3)
    assert found["normal scans with nothing shown"].value == 1.0
    assert found["share of slices discarded by triage"].value == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert found["share of slices with nothing shown"].value == pytest.approx((4 / 6 + 1 + 1) / 3)
    assert found["sensitivity at 8 false positives a scan"].value == 1.0
    assert found["lesions of 30 mm and more shown"].value is None


def test_what_a_stage_is_worth_is_told_by_leaving_it_out():
    seen, unseen = sick(2.0), sick(2.0, nearby=[0.05, 0.9])  # triage discards the second one's plane
    found = {figure.name: figure.value for figure in cascade_figures([seen, unseen], Fusion(), OPEN)}
    assert found["CPM (mean sensitivity at 1/8 to 8 false positives a scan)"] == 0.5
    assert found["CPM, without triage"] == 1.0
    assert found["CPM, without the second look"] == 0.5


def test_the_card_tells_the_certificate():
    made = certify([sick(2.0) for _ in range(40)], Fusion(), OPEN, "abc123")
    header = ModelHeader("lung_nodule_ct", "2", "data", "code", dict(RECIPE.networks), {"certificate": made.to_dict()})
    card = model_card(header, "0" * 64, RECIPE, [Figure("CPM", 0.5, (0.4, 0.6), 9, "lesions")])
    assert "0 of 40 patients with a lesion were lost" in card
    assert "at least **92.8%** of patients" in card
    assert "abc123" in card
    assert "| 99% | refused" in card
    assert "training data:" not in card
    header = replace(header, settings={})
    assert "times in the training data: solid, 3-6 mm" in model_card(header, "0" * 64, RECIPE, [], lacking=["solid, 3-6 mm"])
