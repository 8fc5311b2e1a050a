"""Calibration: known curves are found again, a small set does not end in certainty, and the choice among methods is fair."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from cad.errors import ShokenError
from cad.explain.calibrators import METHODS, choose, fit
from cad.explain.confidence import Calibration


def test_platt_finds_the_curve_that_made_the_data():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 4000)
    truths = rng.random(4000) < expit(0.5 * logits - 1.0)
    found = fit("platt", expit(logits), truths)
    assert (found.slope, found.intercept) == pytest.approx((0.5, -1.0), abs=0.1)
    assert (found.positives, found.negatives) == (int(truths.sum()), int((~truths).sum()))
    assert found.apply_all(expit(logits)).mean() == pytest.approx(truths.mean(), abs=0.005)


def test_five_separable_cases_do_not_end_in_certainty():
    found = fit("platt", [0.1, 0.2, 0.3, 0.8, 0.9], [0, 0, 0, 1, 1])
    assert 0.6 < found.apply(0.9) < 0.95
    assert 0.05 < found.apply(0.1) < 0.4


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40), st.sampled_from(METHODS))
def test_order_is_kept_and_values_are_shares(cases, method):
    scores, truths = zip(*cases, strict=True)
    if len(set(truths)) < 2:
        with pytest.raises(ShokenError, match="positives"):
            fit(method, scores, truths)
        return
    found = fit(method, scores, truths)
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    confidences = found.apply_all(np.linspace(0, 1, 11))
    assert (np.diff(confidences) >= 0).all()
    assert ((confidences >= 0) & (confidences <= 1)).all()


def test_a_calibration_lives_in_a_header():
    found = Calibration(0.7, -0.3, 10, 90)
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert Calibration.from_dict({"slope": 0.7, "intercept": -0.3, "positives": 10, "negatives": 90}) == found
    assert Calibration().apply(0.25) == pytest.approx(0.25)
    with pytest.raises(ShokenError, match="slope"):
        Calibration.from_dict({})


def scans(n, per_scan, curve, seed=0):
    """Scores in [0, 1], truths drawn from `curve` of the logit, scans."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 2, n * per_scan)
    return expit(x), rng.random(len(x)) < curve(x), np.repeat(np.arange(n), per_scan)


@pytest.mark.parametrize(
    ("curve", "wanted"),
    [(lambda x: expit(0.5 * x), "temperature"), (lambda x: expit(0.5 * x - 2), "platt"), (lambda x: np.where(x > 0, 0.9, 0.2), "isotonic")],
)
def test_the_simplest_method_that_holds_on_left_out_scans_is_taken(curve, wanted):
    found = choose(*scans(60, 20, curve))
    assert found.calibration.method == wanted
    assert [method for method, _ in found.losses] == list(METHODS)
    s, y, _ = scans(200, 20, curve, seed=1)
    assert np.abs(found.calibration.apply_all(s) - curve(np.log(s / (1 - s)))).mean() < 0.06
    assert found.left_out.mean() == pytest.approx(y.mean(), abs=0.03)


def test_too_few_scans_to_choose_among_methods():
    found = choose(*scans(3, 20, expit))
    assert (found.calibration.method, found.losses) == ("platt", ())


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_another_prevalence_changes_the_odds_by_its_ratio(method):
    s, y, _ = scans(40, 20, lambda x: expit(x - 1))
    found = replace(fit(method, s, y), scans=100, scans_with_lesion=60)
    rare = found.at_prevalence(0.06)
    odds = [c.apply(0.7) / (1 - c.apply(0.7)) for c in (found, rare)]
    assert odds[1] == pytest.approx(odds[0] / 10, rel=0.01)
    assert found.at_prevalence(0.6).apply(0.7) == pytest.approx(found.apply(0.7))


def test_adjusting_for_prevalence_is_right_where_only_prevalence_differs():
    """Scores of lesions and look-alikes are drawn the same everywhere; only the share of scans with a lesion is another."""
    rng = np.random.default_rng(3)

    def place(share, n=20000):
        with_lesion = rng.random(n) < share
        lesions, others = rng.normal(2, 1.5, with_lesion.sum()), rng.normal(-1, 1.5, 2 * n)
        return expit(np.append(lesions, others)), np.append(np.ones(len(lesions)), np.zeros(len(others)))

    known = replace(fit("platt", *place(0.6)), scans=100, scans_with_lesion=60)
    s, y = place(0.05)
    assert known.apply_all(s).mean() > 3 * y.mean()
    assert known.at_prevalence(0.05).apply_all(s).mean() == pytest.approx(y.mean(), rel=0.1)


def test_a_prevalence_that_cannot_be_is_named():
    with pytest.raises(ShokenError, match="above 0 and below 1"):
        Calibration(scans=10, scans_with_lesion=5).at_prevalence(1.0)
    with pytest.raises(ShokenError, match="newer model"):
        Calibration().at_prevalence(0.1)
