"""Phantoms become cases once; no seed is on two sides; a detection model comes out of a tiny budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cad.errors import Refusal
from cad.networks import load, sha256_of
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.tasks.lung_nodule_ct import TASK
from cad.tasks.lung_recipe import RECIPE
from cad.tasks.training import train_detection
from cad.train.dataset import fingerprint, load_case, make_cases
from cad.train.mining import lesion_at
from cad.train.recipe import Budget, aorta, lesions


def coarse_chest(seed):
    return simulate_thorax(seed, ThoraxPlan(shape=(60, 80, 96), spacing_mm=(4.8, 3.8, 3.8), nodules=3))


TINY = replace(
    RECIPE,
    phantom=coarse_chest,
    rule=replace(RECIPE.rule, spacing_mm=4.0, patch_voxels=16, patch_spacing_mm=3.0),
    budget=Budget(6, 4, 2, dict.fromkeys(RECIPE.budget.steps, 2), screened=1),
    workers=1,
    aligned=True,
)


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return make_cases(replace(TINY, budget=replace(TINY.budget, train=2)), "train", folder, lambda _: None, workers=1)


def test_a_case_keeps_what_the_phantom_was(cached):
    case, phantom = load_case(cached[0]), coarse_chest(1_000_000)
    np.testing.assert_array_equal(case.source.voxels, phantom.volume.voxels)
    assert case.source.grid == phantom.volume.grid
    assert case.lesions == phantom.lesions
    assert 0 <= case.seen.image.voxels.min() <= case.seen.image.voxels.max() <= 1
    for lesion in case.lesions:
        assert lesion_at(case, lesion.centre_mm) == lesion.label
    assert lesion_at(case, (500.0, 0.0, 0.0)) == 0


def test_made_once_and_fingerprinted(cached):
    before = [path.stat().st_mtime_ns for path in cached]
    again = make_cases(replace(TINY, budget=replace(TINY.budget, train=2)), "train", cached[0].parent, lambda _: None, workers=1)
    assert [path.stat().st_mtime_ns for path in again] == before
    assert fingerprint(cached) != fingerprint(cached[:1])
    assert fingerprint(cached) == fingerprint(again)


def test_no_phantom_is_on_two_sides():
    parts = [set(RECIPE.seeds(part)) for part in ("train", "calibration", "test")]
    assert len(set().union(*parts)) == sum(len(part) for part in parts)


def test_truth_is_what_the_task_learns():
    phantom = coarse_chest(3)
    assert lesions(phantom) is phantom.lesion_labels
    assert aorta(phantom) is phantom.aorta


def test_a_tiny_training_gives_a_model_that_screens(tmp_path):
    """Two steps a stage learn nothing; the path from recipe to a running, documented model file is what is tested."""
    made = train_detection(TINY, TASK, tmp_path, lambda _: None)
    model = load(made.file, sha256_of(made.file))
    result = TASK.run(coarse_chest(9).volume, model, lang="en", progress=lambda _: None)
    assert not isinstance(result, Refusal)
    assert result.model == model.version
    assert len(result.findings) <= 10
    known = model.settings["rule"]["scanners"]
    assert known["hu"] == pytest.approx([-985, -97, 53], abs=25)
    loud = coarse_chest(9).volume
    noise = np.random.default_rng(1).normal(60, 2 * known["noise_hu"], loud.grid.shape)
    told = TASK.run(loud.like((loud.voxels + noise).clip(-1024, 3071).astype(np.int16)), model, lang="en", progress=lambda _: None)
    assert not isinstance(told, Refusal)
    assert [warning.reason for warning in told.warnings] == ["intensity_aligned", "noise_smoothed"]
    assert "in training" in told.warnings[0].detail
    assert not result.warnings
    again = train_detection(TINY, TASK, tmp_path, lambda _: None)  # every stage is there already: the same file comes out
    assert sha256_of(again.file) == model.version.sha256
    card = made.file.with_suffix(".card.md").read_text()
    assert model.version.sha256 in card
    assert "simulated" in card
    assert "HU are brought to those of the training data outside of air -9" in card
    assert [point.stage for point in model.version.operating_points] == ["triage", "propose", "reduce", "cascade, per patient"]
