"""Growth on balls whose volumes are known, on grids of many kinds; matching on points whose partners are known."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from cad.measure.extent import measure_extent
from cad.measure.growth import Sighting, change, growth_measurements, matched
from cad.space import Grid
from cad.volume import Volume

GRIDS = {"thin": (1.0, 0.7, 0.7), "usual": (1.25, 1.0, 1.0), "anisotropic": (2.5, 0.7, 0.7)}


def ball(diameter_mm: float, spacing_mm: tuple[float, float, float], offset: float = 0.3) -> Sighting:
    """A ball with soft borders (each voxel's share, by 4 x 4 x 4 points), measured as a finding is."""
    shape = tuple(int(diameter_mm / s) + 9 for s in spacing_mm)
    grid = Grid.axial(shape, spacing_mm, (0.0, 0.0, 0.0))
    centre = grid.to_mm(np.asarray(shape) / 2 + offset)
    steps = (np.arange(4) + 0.5) / 4 - 0.5
    share = np.zeros(shape)
    for step in np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3):
        points = grid.to_mm(np.moveaxis(np.indices(shape), 0, -1) + step)
        share += np.linalg.norm(points - centre, axis=-1) <= diameter_mm / 2
    return Sighting(measure_extent(Volume((share / 64).astype(np.float32), grid, "1", "SEG")), spacing_mm[0], spacing_mm[1])


def by_name(prior: Sighting, current: Sighting, days: int = 100) -> dict:
    return {m.name: m for m in growth_measurements(prior, current, days)}


@pytest.mark.parametrize("before", GRIDS)
@pytest.mark.parametrize("after", GRIDS)
@pytest.mark.parametrize("factor", [0.4, 1.0, 2.0])
def test_a_known_factor_is_measured_on_any_pair_of_grids(before: str, after: str, factor: float) -> None:
    found = change(ball(10, GRIDS[before]), ball(10 * factor ** (1 / 3), GRIDS[after], 0.1))
    assert found is not None
    assert found.ratio == pytest.approx(factor, rel=0.05)
    assert found.bounds[0] < log(factor) < found.bounds[1]
    assert found.label == {0.4: "shrunk", 1.0: "unchanged", 2.0: "grown"}[factor]


def test_the_doubling_time_of_exact_growth() -> None:
    told = by_name(ball(10, GRIDS["thin"]), ball(10 * 4 ** (1 / 3), GRIDS["thin"]), days=200)
    assert told["comparison"].label == told["volume_change"].label == "grown"
    assert told["volume_change"].value == pytest.approx(300, rel=0.05)
    assert told["doubling_time"].value == pytest.approx(100, rel=0.04)
    low, high = told["doubling_time"].interval
    assert low < 100 < high
    assert told["mean_diameter_change"].value == pytest.approx(10 * (4 ** (1 / 3) - 1), abs=0.3)


def test_no_doubling_time_of_what_did_not_grow() -> None:
    same = by_name(ball(8, GRIDS["usual"]), ball(8, GRIDS["usual"], 0.0))
    less = by_name(ball(12, GRIDS["thin"]), ball(8, GRIDS["thin"]))
    assert (same["doubling_time"].value, same["doubling_time"].outcome) == (None, "change_within_noise")
    assert (less["doubling_time"].value, less["doubling_time"].outcome) == (None, "shrinking")


def test_thicker_slices_and_smaller_lesions_are_noisier() -> None:
    sds = [change(ball(d, GRIDS[g]), ball(d, GRIDS[g])).log_sd for d, g in ((12, "thin"), (12, "anisotropic"), (6, "anisotropic"))]
    assert sds == sorted(sds)
    assert len(set(sds)) == 3


def test_a_growth_of_a_fifth_never_counts() -> None:
    """Below a quarter no patient's nodule can be told to have grown, however fine the grid."""
    found = change(ball(25, GRIDS["thin"]), ball(25 * 1.2 ** (1 / 3), GRIDS["thin"]))
    assert found.label == "unchanged"
    assert found.least_ratio >= 1.25


def test_a_lesion_cut_by_the_scan_is_matched_but_not_compared() -> None:
    whole = ball(10, GRIDS["usual"])
    grid = Grid.axial((8, 30, 30), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    points = np.moveaxis(np.indices(grid.shape), 0, -1)
    cut = Volume((np.linalg.norm(points - [0, 15, 15], axis=-1) < 6).astype(np.uint8), grid, "1", "SEG")
    told = by_name(whole, Sighting(measure_extent(cut), 1.0, 1.0))
    assert (told["comparison"].label, told["comparison"].outcome) == ("not_comparable", "cut_by_scan_edge")
    assert "volume_change" not in told
    assert told["prior_volume"].value is not None


def test_partners_are_found_one_to_one_and_no_further_than_registration_errs() -> None:
    prior = [(0.0, 0.0, 0.0), (15.0, 0.0, 0.0), (100.0, 0.0, 0.0)]
    current = [(8.0, 0.0, 0.0), (6.0, 0.0, 0.0), (140.0, 0.0, 0.0)]
    assert matched(prior, current, [3, 3, 3]) == {0: 1, 1: 0}
    assert matched(prior, current, [3, 3, 45]) == {0: 1, 1: 0, 2: 2}
    assert matched([], current, [3, 3, 3]) == matched(prior, [], []) == {}


def test_as_many_as_possible_are_matched() -> None:
    """The nearest pair alone would leave the other lesion without its only partner."""
    assert matched([(0.0, 0.0, 0.0), (12.0, 0.0, 0.0)], [(6.0, 0.0, 0.0), (21.0, 0.0, 0.0)], [3, 3]) == {0: 0, 1: 1}


def test_where_outlines_may_not_tell_a_change_is_not_told() -> None:
    told = {m.name: m for m in growth_measurements(ball(8, GRIDS["thin"]), ball(12, GRIDS["thin"]), 100, outlines_tell=False)}
    assert (told["comparison"].label, told["comparison"].outcome) == ("not_comparable", "not_alike")
    assert "volume_change" not in told
