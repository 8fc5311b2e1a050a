"""A ball rolls through a body: what it cannot reach goes, and the array's border decides nothing."""

from __future__ import annotations

import numpy as np
import pytest

from cad.measure.opening import opened, opened_on

SPACING = (2.0, 1.0, 1.0)


def test_a_ball_stays_and_the_strand_that_leaves_it_goes() -> None:
    k, j, i = np.indices((21, 41, 61))
    ball = (2 * (k - 10)) ** 2 + (j - 20) ** 2 + (i - 20) ** 2 <= 12**2
    strand = (abs(k - 10) <= 1) & (abs(j - 20) <= 2)
    for way in (opened, opened_on):
        kept = way(ball | strand, SPACING, 4.0)
        assert not kept[..., 36:50].any()
        assert (kept & ball).sum() > 0.97 * ball.sum()


def test_slack_forgives_lattice_steps() -> None:
    body = np.pad(np.ones((5, 11, 11), dtype=bool), 3)
    assert opened(body, SPACING, 3.0).sum() < opened(body, SPACING, 3.0, 1.0).sum() <= body.sum()


@pytest.mark.parametrize(("way", "stays"), [(opened, False), (opened_on, True)])
def test_what_leaves_the_array_is_as_thick_as_is_seen_or_goes_on(way, stays: bool) -> None:
    body = np.zeros((9, 9, 9), dtype=bool)
    body[:2] = True  # 4 mm to be seen
    assert np.array_equal(way(body, SPACING, 5.0), body if stays else np.zeros_like(body))
