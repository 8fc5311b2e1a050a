"""Calibration and novelty: known curves, known strangers."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from cad.errors import ShokenError
from cad.explain.confidence import Calibration
from cad.explain.novelty import NoveltyReference, volume_features
from cad.space import Grid
from cad.volume import Volume


def test_platt_finds_the_curve_that_made_the_data():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 4000)
    truths = rng.random(4000) < expit(0.5 * logits - 1.0)
    found = Calibration.fit(expit(logits), truths)
    assert (found.slope, found.intercept) == pytest.approx((0.5, -1.0), abs=0.1)
    assert (found.positives, found.negatives) == (int(truths.sum()), int((~truths).sum()))
    assert found.apply_all(expit(logits)).mean() == pytest.approx(truths.mean(), abs=0.005)


def test_five_separable_cases_do_not_end_in_certainty():
    found = Calibration.fit([0.1, 0.2, 0.3, 0.8, 0.9], [0, 0, 0, 1, 1])
    assert 0.6 < found.apply(0.9) < 0.95
    assert 0.05 < found.apply(0.1) < 0.4


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40))
def test_order_is_kept_and_values_are_shares(cases):
    scores, truths = zip(*cases, strict=True)
    if len(set(truths)) < 2:
        with pytest.raises(ShokenError, match="positives"):
            Calibration.fit(scores, truths)
        return
    confidences = Calibration.fit(scores, truths).apply_all(np.linspace(0, 1, 11))
    assert (np.diff(confidences) >= 0).all()
    assert ((confidences >= 0) & (confidences <= 1)).all()


def test_a_calibration_lives_in_a_header():
    found = Calibration(0.7, -0.3, 10, 90)
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert Calibration().apply(0.25) == pytest.approx(0.25)
    with pytest.raises(ShokenError, match="slope"):
        Calibration.from_dict({})


def training(n=40):
    rng = np.random.default_rng(1)
    size = rng.normal(0, 1, n)
    return [{"mean_hu": -600 + 30 * s + rng.normal(0, 3), "width_mm": 350 + 20 * s + rng.normal(0, 2)} for s in size]


def test_the_familiar_the_unusual_and_the_strange():
    reference = NoveltyReference.fit(training())
    near = reference.judge({"mean_hu": -605, "width_mm": 348}, "t")
    far = reference.judge({"mean_hu": -100, "width_mm": 350}, "t")
    assert (near.level, near.notes, near.task) == ("familiar", (), "t")
    assert near.score < 0.5
    assert far.level == "unlike training data"
    assert far.score > 0.93
    assert "mean_hu -100" in far.notes[0]
    assert "above training" in far.notes[0]


def test_an_odd_combination_of_usual_values_is_strange():
    """Each value within two standard deviations, but the training data never pair them."""
    reference = NoveltyReference.fit(training())
    assert reference.distance({"mean_hu": -640, "width_mm": 375}) > 1.5 * reference.distance({"mean_hu": -640, "width_mm": 325})


def test_most_of_the_training_data_is_familiar():
    reference = NoveltyReference.fit(training(100))
    levels = [reference.judge(f, "t").level for f in training(100)]
    assert levels.count("familiar") >= 94


def test_a_reference_lives_in_a_header():
    reference = NoveltyReference.fit(training())
    assert NoveltyReference.from_dict(json.loads(json.dumps(reference.to_dict()))) == reference
    with pytest.raises(ShokenError, match="five"):
        NoveltyReference.fit(training(4))
    with pytest.raises(ShokenError, match="no width_mm"):
        reference.judge({"mean_hu": 0.0}, "t")


def phantom(spacing=(2.0, 1.0, 1.0), noise=20.0, seed=0):
    rng = np.random.default_rng(seed)
    voxels = np.full((60, 120, 120), -1000.0)
    voxels[:, 20:100, 15:105] = 40.0
    voxels[10:50, 35:85, 25 : 55 + int(rng.integers(4))] = -850.0
    return Volume((voxels + rng.normal(0, noise, voxels.shape)).astype(np.float32), Grid.axial(voxels.shape, spacing))


def test_features_say_what_is_there():
    found = volume_features(phantom(noise=25))
    assert found["noise"] == pytest.approx(25, rel=0.1)
    assert found["slice_spacing_mm"] == 2.0
    assert found["p99"] > 40 > found["p01"]
    assert set(found) - set(volume_features(Volume(phantom().voxels.copy(), phantom().grid, unit="1"))) == {"air_share", "bone_share"}


@pytest.mark.parametrize(("stranger", "named"), [(phantom(noise=400), "noise"), (phantom((9.0, 1.0, 1.0)), "_mm")])
def test_noise_and_thick_slices_are_noticed(stranger, named):
    reference = NoveltyReference.fit([volume_features(phantom(noise=15 + i, seed=i)) for i in range(8)])
    assert reference.judge(volume_features(phantom(noise=19, seed=40)), "t").level == "familiar"
    found = reference.judge(volume_features(stranger), "t")
    assert found.level == "unlike training data"
    assert any(named in note for note in found.notes)
