"""Tasks by their contract: found by entry point, choose by header, refuse the wrong body part or model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from score_cases import case_scores

from cad.detect.cascade import Fusion, SecondFusion, Suspect, Thresholds
from cad.errors import ModelError, Refusal, ShokenError
from cad.explain.confidence import Calibration
from cad.explain.conformal import Verdicts
from cad.explain.novelty import NoveltyReference
from cad.explain.sanity import MapSanity
from cad.explain.stability import Probe
from cad.finding import Candidate
from cad.measure.aorta import DirectError
from cad.model import ModelVersion
from cad.networks import LoadedModel, ModelHeader
from cad.prepare.inputs import NetworkInput
from cad.report import Novelty
from cad.space import Grid
from cad.study import InstanceRef, Series
from cad.tasks import cascade_task
from cad.tasks.aorta_ct import TASK as AORTA
from cad.tasks.aorta_ct import AortaSettings
from cad.tasks.assuring import confidence
from cad.tasks.calibrating import choose_thresholds, fit_fusion
from cad.tasks.cascade_task import CascadeSettings, CascadeTask
from cad.tasks.figures import mean, share
from cad.tasks.looking import LesionScores
from cad.tasks.lung_nodule_ct import TASK as LUNG
from cad.tasks.lung_recipe import RECIPE
from cad.tasks.task import Task, installed_tasks, task_named
from cad.volume import Volume

NOVELTY = NoveltyReference.fit([{"protocol": {"a": float(n), "b": float(n % 3)}} for n in range(8)])


def series(n=40, **facts):
    instances = tuple(InstanceRef(f"1.{k}", "1.2", Path(f"{k}")) for k in range(n))
    return Series("1.2.3", facts.pop("modality", "CT"), instances, **facts)


def test_three_tasks_are_installed_and_keep_the_contract():
    tasks = installed_tasks()
    assert {"aorta_ct", "brain_lesion_mr", "lung_nodule_ct"} <= set(tasks)
    assert all(isinstance(task, Task) for task in tasks.values())
    with pytest.raises(ShokenError, match=r"accepted: .*lung_nodule_ct"):
        task_named("liver_ct")


@pytest.mark.parametrize(
    ("facts", "suitable"),
    [
        ({"body_part": "CHEST", "slice_thickness_mm": 2.5}, True),
        ({"body_part": ""}, True),
        ({"body_part": "HEAD"}, True),
        ({"modality": "MR"}, False),
        ({"n": 3}, False),
        ({"slice_thickness_mm": 20.0}, False),
    ],
)
def test_a_chest_task_chooses_by_header(facts, suitable):
    answer = LUNG.suits(series(**facts))
    assert answer.suitable is suitable
    assert answer.reason


def test_thin_slices_of_a_named_chest_come_first():
    thin, thick = (LUNG.suits(series(body_part="CHEST", slice_thickness_mm=mm)) for mm in (1.0, 5.0))
    assert thin.preference > thick.preference > LUNG.suits(series(slice_thickness_mm=1.0)).preference


def test_another_tasks_model_is_refused():
    model = LoadedModel(ModelHeader("aorta_ct", "1", "", "", {}, {}), ModelVersion("aorta_ct", "1", "", "", ""), {})
    with pytest.raises(ModelError, match="accepted: a model for lung_nodule_ct"):
        LUNG.run(Volume(np.zeros((9, 9, 9), np.int16), Grid.axial((9, 9, 9), (1, 1, 1))), model, lang="en", progress=print)


def test_a_volume_without_lungs_is_refused_not_screened():
    settings = CascadeSettings(RECIPE.rule, Thresholds(0, 0.5, 0), Fusion(), Calibration(), NOVELTY)
    version = ModelVersion("lung_nodule_ct", "1", "", "", "")
    model = LoadedModel(ModelHeader("lung_nodule_ct", "1", "", "", {}, settings.to_dict()), version, {})
    water = Volume(np.zeros((40, 60, 60), np.int16), Grid.axial((40, 60, 60), (5, 5, 5)))
    refused = LUNG.run(water, model, lang="en", progress=lambda _: None)
    assert isinstance(refused, Refusal)
    assert refused.reason in {"no_lungs_found", "wrong_body_part"}


def test_two_peaks_on_one_lesion_are_one_finding(monkeypatch):
    grid = Grid.axial((20, 20, 20), (1, 1, 1))

    def outline(start):
        voxels = np.zeros(grid.shape, np.float32)
        voxels[start : start + 6, 4:10, 4:10] = 1
        return Volume(voxels, grid, "1")

    monkeypatch.setattr(CascadeTask, "look_closely", lambda _task, suspect, *_: (outline(suspect), ()))
    scene = SimpleNamespace(settings=SimpleNamespace(max_shown=2, rule=None), volume=None, seen=None, model=None)
    assert [look.suspect for look in LUNG._each_once([2, 3, 9, 13], scene)] == [2, 9]


def test_settings_survive_the_model_header():
    import json

    _, reliability = confidence("t", [scores([], [], [0.0, 1.0, 2.0], [0, n % 2, 1]) for n in range(6)], Fusion(), -np.inf)
    cascade = CascadeSettings(
        RECIPE.rule,
        Thresholds(0.1, 0.2, -0.3),
        Fusion(0.5, 0.7),
        Calibration(1.5, -0.2, 10, 20, "isotonic", knots=((0.0, 0.1), (1.0, 0.9))),
        NOVELTY,
        7,
        verdicts=Verdicts(0.9, -1.0, 1.0, 20, 30, (("lesion", 10, 9),)),
        maps=MapSanity(0.1, 0.2, 24),
        reliability=reliability,
    )
    assert CascadeSettings.from_dict(json.loads(json.dumps(cascade.to_dict()))) == cascade
    older = {name: cascade.to_dict()[name] for name in ("rule", "thresholds", "fusion", "calibration", "novelty", "max_shown")}
    assert CascadeSettings.from_dict(older).verdicts.of(9.0) == ""
    aorta = AortaSettings(RECIPE.rule, NOVELTY, 0.4, 1.1, 2.5)
    for known in (aorta, replace(aorta, direct=DirectError(2.2, 0.3))):
        assert AortaSettings.from_dict(json.loads(json.dumps(known.to_dict()))) == known


def test_a_stated_prevalence_lowers_every_confidence_and_is_said():
    _, reliability = confidence(
        "t", [scores([0.9] * (n % 2), [0.9] * (n % 2), [0.0, 1.0, 2.0], [0, n % 2, 1]) for n in range(8)], Fusion(), -9
    )
    known = Calibration(1.0, 0.0, 10, 20, scans=8, scans_with_lesion=4)
    stored = CascadeSettings(RECIPE.rule, Thresholds(0, 0, 0), Fusion(), known, NOVELTY, reliability=reliability).to_dict()
    version = ModelVersion("lung_nodule_ct", "1", "", "", "")
    model = LoadedModel(ModelHeader("lung_nodule_ct", "1", "", "", {}, stored), version, {})
    here = CascadeSettings.from_dict(model.knowing(prevalence=0.05).settings)
    assert here.calibration.apply(0.5) == pytest.approx(1 / 11)
    assert (here.reliability.stated_prevalence, CascadeSettings.from_dict(model.settings).reliability.stated_prevalence) == (0.05, None)


@pytest.mark.parametrize(("scores", "slope"), [((("reduce", 0.7),), 2.0), ((("reduce", 0.7), ("second", 0.4)), 0.5)])
def test_what_would_change_a_confidence_counts_the_first_look_as_the_fusion_does(monkeypatch, scores, slope):
    """A finding that was looked at twice rests less on the first look alone."""
    fusion = Fusion(0.5, 2.0, again=SecondFusion(-9.0, 0.3, 0.5, 1.5, 0.0))
    settings = CascadeSettings(RECIPE.rule, Thresholds(0, 0, 0), fusion, Calibration(), NOVELTY)
    ball = np.zeros((8, 8, 8), np.float32)
    reducer = torch.nn.Identity()
    model = LoadedModel(ModelHeader("t", "1", "", "", {}, {}), ModelVersion("t", "1", "", "", ""), {"reduce": reducer})
    volume = Volume(ball, Grid.axial(ball.shape, (1, 1, 1)))
    suspect = Suspect(Candidate((0.0, 0.0, 0.0), volume.grid.box(), scores), volume, ball[None], 1.0)
    monkeypatch.setattr(cascade_task, "probe", lambda *_: Probe({}, 0.0))
    monkeypatch.setattr(cascade_task, "rescored", lambda *_: (("fat", -3.0),))
    scene = cascade_task._Scene(volume, NetworkInput(volume, volume, -1000, 400), model, settings, Novelty("t", 0.0, "familiar"), "en")
    made = LUNG._claim(suspect, volume, scene)
    assert made.if_changed == (("fat", pytest.approx(settings.calibration.apply(1 / (1 + np.exp(-(1.0 - 3.0 * slope)))))),)


def test_confidence_that_an_aorta_is_dilated_follows_its_measurement_error():
    settings = AortaSettings(RECIPE.rule, NOVELTY, bias_mm=1.0, sd_mm=2.0, half_width_mm=4.0)
    assert settings.confidence_dilated(41.0) == pytest.approx(0.5)
    assert settings.confidence_dilated(43.0) == pytest.approx(0.8413, abs=1e-4)
    assert settings.confidence_dilated(30.0) < 0.001
    assert AORTA.kind == "aortic_dilatation"


def scores(planes, peaks, logits, hits):
    lesions = tuple(LesionScores(p, q, 8.0, "solid", n) for n, (p, q) in enumerate(zip(planes, peaks, strict=True), start=1))
    return case_scores(logits, hits, lesions, planes)


def test_thresholds_lose_no_more_lesions_than_allowed():
    cases = [scores([0.1 + n / 200], [0.3 + n / 400], [n / 10 - 2, -5.0], [1, 0]) for n in range(100)]
    thresholds, points = choose_thresholds(cases, Fusion())
    kept = {point.stage: point.sensitivity for point in points}
    assert kept["triage"] >= 0.95
    assert kept["propose"] >= 0.98
    assert kept["reduce"] >= 0.9  # what all stages together keep
    assert thresholds.reduce > -5
    low, high = points[0].sensitivity_interval
    assert low < points[0].sensitivity <= high
    assert (points[0].n, points[2].n) == (100, 100)


def test_a_noisy_last_stage_is_held_to_few_look_alikes_a_scan():
    cases = [scores([0.9], [0.9], [5.0, *np.linspace(-1, 4, 50)], [1, *[0] * 50]) for _ in range(10)]
    thresholds, _ = choose_thresholds(cases, Fusion())
    shown = [sum(logit >= thresholds.reduce for logit in case.reduced[1:]) for case in cases]
    assert np.mean(shown) <= 5
    assert thresholds.reduce <= 5.0


def test_fusion_trusts_the_stage_that_knows():
    rng = np.random.default_rng(0)
    cases = [scores([], [], (truth := rng.integers(0, 2, 20)) * 2.0 + rng.normal(0, 0.5, 20), truth) for _ in range(10)]
    fusion = fit_fusion(cases)
    assert fusion.reduce > 1
    assert fusion.propose < 0.2
    known, reliability = confidence("t", cases, fusion, -np.inf)
    assert known.apply(1 / (1 + np.exp(-fusion.logit(0.5, 3.0)))) > 0.9
    assert (reliability.scans, reliability.candidates, known.scans) == (10, 200, 10)
    assert reliability.ece_interval[0] <= reliability.ece <= reliability.ece_interval[1]
    assert sum(n for *_, n in reliability.curve) == 200


def test_a_calibration_set_of_one_class_gives_its_share():
    cases = [scores([], [], [0.5, 1.0], [0, 0]) for _ in range(4)]
    known, reliability = confidence("t", cases, Fusion(), -np.inf)
    assert reliability is None
    assert (known.method, known.apply(0.9)) == ("constant", pytest.approx(0.1))


def test_a_figure_says_over_how_many_and_how_sure():
    row = share("found", 9, 10, "lesions").row()
    assert "0.9" in row
    assert "0.555 to 0.997" in row
    assert "10 lesions" in row
    assert "not measured" in share("found", 0, 0, "lesions").row()
    figure = mean("error", [1.0, 2.0, 3.0], "scans")
    assert figure.value == 2.0
    assert figure.interval[0] < 2.0 < figure.interval[1]
