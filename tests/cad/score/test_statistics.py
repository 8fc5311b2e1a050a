"""Figures that textbooks give, laws that must hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cad.errors import GridError, ShokenError
from cad.score.agreement import agreement
from cad.score.bootstrap import bootstrap, grouped
from cad.score.calibration import calibration
from cad.score.overlap import overlap
from cad.score.proportion import clopper_pearson, lower_bound, wilson
from cad.score.roc import roc
from cad.space import Grid
from cad.volume import Volume


def test_exact_bounds():
    assert clopper_pearson(0, 10) == pytest.approx((0, 1 - 0.025**0.1))
    assert clopper_pearson(10, 10) == pytest.approx((0.025**0.1, 1))
    assert clopper_pearson(8, 10) == pytest.approx((0.44390, 0.97479), abs=1e-5)
    assert lower_bound(299, 299) == pytest.approx(0.99, abs=5e-5)
    assert lower_bound(298, 298) < 0.99
    assert lower_bound(472, 473) >= 0.99 > lower_bound(471, 472)


def test_wilson():
    assert wilson(8, 10) == pytest.approx((0.49016, 0.94332), abs=1e-5)
    assert wilson(0, 10)[0] == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_lies_within_reason_and_both_hold_the_share(counts):
    k, n = counts
    for low, high in (clopper_pearson(k, n), wilson(k, n)):
        assert -1e-12 <= low <= k / n + 1e-12
        assert k / n - 1e-12 <= high <= 1 + 1e-12


def test_a_share_beyond_its_whole_is_refused():
    with pytest.raises(ShokenError, match="3 of 2"):
        wilson(3, 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=4, max_size=60))
def test_auc_is_sklearns(cases):
    scores, truths = zip(*cases, strict=True)
    if len(set(truths)) < 2:
        with pytest.raises(ShokenError):
            roc(scores, truths)
        return
    found = roc(scores, truths)
    assert found.auc == pytest.approx(roc_auc_score(truths, scores))
    assert found.interval[0] <= found.auc <= found.interval[1]
    curve = np.trapezoid(found.true_positive_rate, found.false_positive_rate)
    assert curve == pytest.approx(found.auc)


def test_the_auc_interval_covers_the_truth():
    """Normal scores one standard deviation apart: the true area is 0.76025."""
    rng = np.random.default_rng(0)
    truths = np.repeat([0, 1], 60)
    intervals = [roc(rng.normal(truths, 1.0), truths).interval for _ in range(150)]
    assert 0.91 <= np.mean([low <= 0.76025 <= high for low, high in intervals]) <= 0.99


def cube(start, edge, spacing=(2.0, 1.0, 1.0)):
    voxels = np.zeros((30, 40, 40), np.uint8)
    voxels[tuple(slice(s, s + edge) for s in start)] = 1
    return Volume(voxels, Grid.axial(voxels.shape, spacing))


def test_a_shifted_cube():
    """Shifted by two slices of 2 mm: 8 of 10 slices overlap, all of it within 4 mm."""
    found = overlap(cube((7, 5, 5), 10), cube((5, 5, 5), 10), tolerances_mm=(1.0, 4.0))
    assert found.dice == pytest.approx(0.8)
    assert found.hd95_mm == pytest.approx(4.0)
    assert found.nsd[0] < 0.9
    assert found.nsd[1] == 1.0


def test_identity_and_symmetry():
    a, b = cube((5, 5, 5), 10), cube((6, 8, 5), 12)
    assert (overlap(a, a).dice, overlap(a, a).hd95_mm, overlap(a, a).nsd) == (1, 0, (1, 1))
    assert overlap(a, b) == overlap(b, a)


def test_a_missed_structure_lowers_every_score():
    truth = cube((5, 5, 5), 10)
    nothing = truth.like(np.zeros_like(truth.voxels))
    missed = overlap(nothing, truth)
    assert (missed.dice, missed.nsd, missed.outcome) == (0, (0, 0), "missed")
    assert missed.hd95_mm == pytest.approx(np.linalg.norm([60, 40, 40]))
    assert overlap(truth, nothing).outcome == "invented"
    assert overlap(nothing, nothing).dice == 1
    with pytest.raises(GridError):
        overlap(cube((5, 5, 5), 10, (1, 1, 1)), truth)


def test_bland_and_altman_by_hand():
    found = agreement([11, 12, 13, np.nan], [10, 10, 10, 10])
    assert (found.n, found.missing) == (3, 1)
    assert found.bias == pytest.approx(2)
    assert found.limits == pytest.approx((2 - 1.96, 2 + 1.96))
    assert found.bias_interval == pytest.approx((2 - 4.30265 / 3**0.5, 2 + 4.30265 / 3**0.5), abs=1e-4)
    assert found.mae == pytest.approx(2)
    with pytest.raises(ShokenError):
        agreement([1.0], [1.0])


def test_patients_are_drawn_not_images():
    """Forty copies of a patient's error are one observation, not forty."""
    rng = np.random.default_rng(1)
    per_patient = rng.normal(0, 1, 12)
    errors, patients = np.repeat(per_patient, 40), np.repeat([f"p{i}" for i in range(12)], 40).tolist()
    by_image = agreement(errors, np.zeros(480), resamples=50)
    by_patient = agreement(errors, np.zeros(480), patients, resamples=200)
    width = [high - low for low, high in (by_image.bias_interval, by_patient.bias_interval)]
    assert width[1] > 3 * width[0]


def test_bootstrap_is_repeatable_and_refuses_nothing_to_draw():
    groups = grouped([1.0, 2.0, 3.0], ["a", "a", "b"])
    assert groups == [[1.0, 2.0], [3.0]]
    mean = lambda chosen: float(np.mean([v for g in chosen for v in g]))  # noqa: E731
    assert bootstrap(mean, groups, resamples=50, seed=1) == bootstrap(mean, groups, resamples=50, seed=1)
    with pytest.raises(ShokenError):
        bootstrap(mean, [])
    with pytest.raises(ShokenError, match="undefined"):
        bootstrap(lambda _: float("nan"), groups)


def test_calibration_by_hand():
    found = calibration([0.2, 0.2, 0.2, 0.2, 0.2, 0.9, 0.9], [0, 0, 0, 0, 1, 1, 0], resamples=50)
    assert found.ece == pytest.approx(2 / 7 * 0.4)
    assert found.brier == pytest.approx((4 * 0.04 + 0.64 + 0.01 + 0.81) / 7)
    assert [(b.n, b.observed) for b in found.bins] == [(5, 0.2), (2, 0.5)]
    assert calibration([1.0], [1], resamples=5).bins[0].high == 1.0
    with pytest.raises(ShokenError):
        calibration([1.2], [1])


def test_calibrated_confidences_have_a_small_error():
    rng = np.random.default_rng(0)
    p = rng.random(2000)
    assert calibration(p, rng.random(2000) < p, resamples=5).ece < 0.05
    assert calibration(p, rng.random(2000) < p**3, resamples=5).ece > 0.15
