"""The change of a ball between two scans of one made-up lung: other grids, another position, other noise."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from scipy import ndimage

from cad.finding import Measurement
from cad.measure.growth import Sighting, growth_measurements
from cad.measure.paired import paired_change
from cad.prepare.locally import Alongside, alongside
from cad.prepare.register import Registration
from cad.space import Grid
from cad.volume import Volume

FINE = Grid.axial((96, 96, 96), (0.8, 0.8, 0.8), (-38.0, -38.0, -38.0))
CENTRE = (1.0, -2.0, 3.0)
SHIFT = np.array([2.0, -1.5, 1.0])


def vessels() -> np.ndarray:
    """Branching stuff of a few mm in lung of -850 HU, nothing where the lesions are."""
    rough = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(FINE.shape), 2.0)
    dense = np.clip((rough / rough.std() - 1.6) * 3, 0, 1)
    apart = np.linalg.norm(FINE.to_mm(np.moveaxis(np.indices(FINE.shape), 0, -1)) - CENTRE, axis=-1)
    return np.asarray(-850 + 850 * dense * (apart > 12))


LUNG = vessels()


def scan(
    diameter_mm: float, spacing_mm: tuple[float, float, float], moved: np.ndarray, seed: int, hu: float = 40.0
) -> tuple[Volume, Volume]:
    """The lung with a ball in it as a scan at `moved`, averaged over its voxels, and an outline of the ball half a mm too small."""
    grid = Grid.axial([int(60 / s) for s in spacing_mm], spacing_mm, (-29.0, -29.0, -29.0))
    parts = max(1, round(spacing_mm[0] / 0.7))
    stack, share = np.zeros(grid.shape), np.zeros(grid.shape)
    for part in range(parts):
        step = np.array([(part + 0.5) / parts - 0.5, 0, 0])
        points = grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1) + step) - moved
        full = np.clip(0.5 - (np.linalg.norm(points - CENTRE, axis=-1) - diameter_mm / 2) / 0.8, 0, 1)
        lung = ndimage.map_coordinates(LUNG, np.moveaxis(FINE.to_index(points), -1, 0), order=1, mode="nearest")
        stack += (lung + full * (hu - lung)) / parts
        share += full / parts
    noise = np.random.default_rng(seed).normal(0, 15, grid.shape)
    points = grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1)) - moved
    inside = np.linalg.norm(points - CENTRE, axis=-1) < diameter_mm / 2 - 0.5
    return Volume(np.rint(stack + noise).astype(np.int16), grid), Volume(inside.astype(np.float32), grid, "1", "SEG")


def laid(before: float, after: float, slices: tuple[float, float] = (1.25, 1.25), away: float = 1.0, hu: float = 40.0) -> Alongside:
    """Both scans laid by a registration that is off by 2.7 mm times `away`."""
    prior, current = scan(before, (slices[0], 0.8, 0.8), SHIFT, 1, hu), scan(after, (slices[1], 0.7, 0.7), np.zeros(3), 2, hu)
    rigid = np.eye(4)
    rigid[:3, 3] = SHIFT * (1 - away)
    found = Registration(rigid, None, current[0].grid, (0.0, 0.0, 0.0), 0.0)
    return alongside((prior[0], current[0]), (prior[1], current[1]), found, CENTRE, after / 2)


@pytest.mark.parametrize("slices", [(1.25, 1.25), (2.5, 1.25)])
@pytest.mark.parametrize("factor", [1.0, 1.3, 2.0])
def test_a_known_change_is_measured_within_its_interval(factor: float, slices: tuple[float, float]) -> None:
    found = paired_change(laid(8.0, 8.0 * factor ** (1 / 3), slices))
    assert found is not None
    assert found.log_ratio == pytest.approx(log(factor), abs=0.1)
    low, high = found.change("solid").bounds
    assert low < log(factor) < high
    assert found.change("solid").label == ("unchanged" if factor == 1 else "grown")


def test_a_change_of_ground_glass_may_be_told_shorter() -> None:
    found = paired_change(laid(8.0, 8.0 * 2 ** (1 / 3)))
    assert found is not None
    glass, solid = found.change("ground_glass"), found.change("solid")
    assert (glass.label, glass.bounds[0]) == (solid.label, solid.bounds[0])
    assert glass.bounds[1] > solid.bounds[1]


def test_the_surroundings_lead_and_the_lesion_does_not() -> None:
    grown = laid(8.0, 14.0)
    assert (grown.to_prior @ [*CENTRE, 1.0])[:3] == pytest.approx(np.add(CENTRE, SHIFT), abs=0.4)


def test_what_cannot_be_measured_on_one_grid_is_none() -> None:
    assert paired_change(laid(8.0, 8.0, hu=-820.0)) is None  # hardly denser than the lung around
    edge = laid(8.0, 8.0)
    cut = np.array(edge.prior.voxels)
    cut[: cut.shape[0] // 2] = -3000
    assert (
        paired_change(
            Alongside(edge.prior.like(cut), edge.current, edge.prior_outline, edge.current_outline, edge.slices_mm, edge.to_prior)
        )
        is None
    )


def test_the_change_on_one_grid_stands_for_that_of_the_outlines() -> None:
    found = paired_change(laid(8.0, 8.0 * 1.3 ** (1 / 3)))
    assert found is not None
    seen = Sighting((Measurement("volume", 268.0, "mm3", "", (200.0, 330.0)), Measurement("effective_diameter", 8.0, "mm", "")), 1.25, 1.0)
    told = {m.name: m for m in growth_measurements(seen, seen, 100, found.change("solid"))}
    assert told["comparison"].label == "grown"
    assert told["prior_volume"].value * (1 + told["volume_change"].value / 100) == pytest.approx(268, rel=0.03)
    assert told["doubling_time"].value == pytest.approx(100 * log(2) / found.log_ratio)
