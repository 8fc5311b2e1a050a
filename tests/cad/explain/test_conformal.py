"""Verdicts keep what they promise on new scans, whatever the scores are like, and make no promise that n cannot keep."""

import json

import numpy as np
import pytest

from cad.explain.conformal import LESION, NOT_LESION, UNSURE, Verdicts, fit_verdicts, group_bound, scans_needed


def scans(n, rng, gap=2.0):
    """Logits, truths and scans; candidates of one scan share a shift, and scans hold very different numbers of them."""
    x, y, g = [], [], []
    for scan in range(n):
        shift, lesions, others = rng.normal(0, 1), int(rng.integers(0, 4)), int(rng.integers(1, 12))
        x += [*rng.normal(gap + shift, 1, lesions), *rng.normal(-gap + shift, 1, others)]
        y += [True] * lesions + [False] * others
        g += [scan] * (lesions + others)
    return np.array(x), np.array(y), np.array(g)


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_the_promise_holds_on_average_over_calibration_sets(level):
    """A lesion drawn from a new scan falls below the cut no more often than promised, though lesions of one scan are alike."""
    rng, kept = np.random.default_rng(0), []
    for _ in range(400):
        x, y, g = scans(40, rng)
        cut = -group_bound(-x[y], g[y], level)
        x, y, g = scans(20, rng)
        kept += [np.mean(x[y & (g == scan)] >= cut) for scan in np.unique(g[y])]
    assert level - 0.01 <= np.mean(kept) <= level + 0.04


def test_words_by_place():
    verdicts = Verdicts(0.9, lesion_from=-1.0, other_to=1.0)
    assert [verdicts.of(x) for x in (-2.0, 0.0, 2.0)] == [NOT_LESION, UNSURE, LESION]
    apart = Verdicts(0.9, lesion_from=1.0, other_to=-1.0)
    assert [apart.of(x) for x in (-2.0, 0.0, 2.0)] == [NOT_LESION, UNSURE, LESION]


def test_no_claim_where_there_are_too_few_scans():
    assert scans_needed(0.9) == 9
    assert scans_needed(0.95) == 19
    x, y, g = np.arange(18.0), np.array([True] * 8 + [False] * 10), np.arange(18)
    verdicts = fit_verdicts(x, y, g, 0.9)
    assert (verdicts.scans_with_lesion, verdicts.lesion_from) == (8, None)
    assert verdicts.of(3.0) == ""
    enough = fit_verdicts(np.arange(19.0), np.array([True] * 9 + [False] * 10), np.arange(19), 0.9)
    assert enough.lesion_from == 0.0
    assert fit_verdicts([], [], []).of(0.0) == ""


def test_one_scan_with_many_candidates_does_not_decide():
    values, g = np.append(np.arange(20.0), np.full(500, 99.0)), np.append(np.arange(20), np.full(500, 20))
    assert group_bound(values, g, 0.8) < 20


def test_what_was_called_so_is_counted_on_scans_left_out():
    rng = np.random.default_rng(1)
    verdicts = fit_verdicts(*scans(60, rng))
    x, y, _ = scans(60, np.random.default_rng(1))
    assert sum(n for _, n, _ in verdicts.counts) == len(x)
    assert sum(lesions for _, _, lesions in verdicts.counts) == y.sum()
    lesions, n = verdicts.called(LESION)
    assert lesions / n > 0.5
    assert Verdicts.from_dict(json.loads(json.dumps(verdicts.to_dict()))) == verdicts
    assert Verdicts.from_dict({}).of(1.0) == ""
