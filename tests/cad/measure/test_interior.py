"""Solid parts, cavities and vessels of nodules that were built with them."""

from __future__ import annotations

import numpy as np
import pytest

from cad.measure.interior import cavity_fraction, solid_diameter
from cad.measure.vessels import vessel_contact
from cad.space import Grid
from cad.volume import Volume

GRID = Grid.axial((48, 48, 48), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
MIDDLE = (23.3, 23.6, 23.1)
LUNG = -850.0


def share(radius_mm: float, centre=MIDDLE) -> np.ndarray:
    """How much of each voxel a ball fills, to a voxel's width."""
    away = np.linalg.norm(GRID.to_mm(np.moveaxis(np.indices(GRID.shape), 0, -1)) - centre, axis=-1)
    return np.clip(radius_mm - away + 0.5, 0, 1)


def picture(*parts: tuple[np.ndarray, float], noise: float = 15.0) -> Volume:
    hu = np.full(GRID.shape, LUNG)
    for part, density in parts:
        hu = hu * (1 - part) + density * part
    return Volume((hu + np.random.default_rng(0).normal(0, noise, GRID.shape)).astype(np.float32), GRID)


def mask(radius_mm: float) -> Volume:
    return Volume(share(radius_mm).astype(np.float32), GRID, "1", "SEG")


def tube(radius_mm: float, start, stop) -> np.ndarray:
    points = GRID.to_mm(np.moveaxis(np.indices(GRID.shape), 0, -1))
    a, b = np.asarray(start), np.asarray(stop)
    t = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.clip(radius_mm - np.linalg.norm(points - a - t[..., None] * (b - a), axis=-1) + 0.5, 0, 1)


@pytest.mark.parametrize("core_mm", [5.0, 8.0, 11.0])
def test_the_solid_part_of_a_part_solid_nodule(core_mm: float) -> None:
    image = picture((share(9.0), -550.0), (share(core_mm / 2), 20.0))
    assert solid_diameter(image, mask(9.0)).value == pytest.approx(core_mm, abs=1.0)


def test_ground_glass_has_no_solid_part() -> None:
    found = solid_diameter(picture((share(8.0), -600.0)), mask(8.0))
    assert (found.value, found.outcome) == (None, "not_solid")


@pytest.mark.parametrize(("wall_mm", "cavity_mm"), [(12.0, 8.0), (10.0, 5.0), (14.0, 10.0)])
def test_a_cavity_is_measured(wall_mm: float, cavity_mm: float) -> None:
    found = cavity_fraction(picture((share(wall_mm), 30.0), (share(cavity_mm), -1000.0)), mask(wall_mm))
    assert found.value == pytest.approx((cavity_mm / wall_mm) ** 3, rel=0.15)
    assert found.label == "cavitary"


def test_an_outline_that_leaves_the_cavity_out_is_filled() -> None:
    hollow = Volume((share(12.0) * (1 - share(8.0))).astype(np.float32), GRID, "1", "SEG")
    found = cavity_fraction(picture((share(12.0), 30.0), (share(8.0), -1000.0)), hollow)
    assert found.value == pytest.approx((8 / 12) ** 3, rel=0.15)


@pytest.mark.parametrize("density", [30.0, -450.0, -680.0])
def test_no_cavity_where_there_is_none(density: float) -> None:
    found = cavity_fraction(picture((share(9.0), density), noise=40), mask(9.0))
    assert (found.label, found.value) == ("no_cavity", 0.0)


def test_air_in_a_single_voxel_is_no_cavity() -> None:
    assert cavity_fraction(picture((share(9.0), 30.0), (share(0.9), -1000.0)), mask(9.0)).label == "no_cavity"


@pytest.mark.parametrize("radius", [1.0, 1.5, 2.2])
def test_a_vessel_that_ends_in_the_nodule(radius: float) -> None:
    found = vessel_contact(picture((share(6.0), 30.0), (tube(radius, MIDDLE, (45.0, 40.0, 30.0)), 40.0)), mask(6.0))
    assert found.label == "attached"
    expected = radius**2 / (4 * 9.0**2)
    assert expected / 2 < found.value < 3 * expected


def test_a_vessel_that_passes_by_or_a_wall_does_not_count() -> None:
    beside = tube(1.5, (0.0, 23.0, 34.5), (47.0, 23.0, 34.5))
    wall = np.zeros(GRID.shape)
    wall[:, 31:, :] = 1
    for parts in ((), ((beside, 40.0),), ((wall, 40.0),)):
        found = vessel_contact(picture((share(6.0), 30.0), *parts), mask(6.0))
        assert (found.label, found.value) == ("free", 0.0)


def test_nothing_outlined_is_coded() -> None:
    empty = Volume(np.zeros(GRID.shape, np.uint8), GRID, "1", "SEG")
    found = [measure(picture(), empty) for measure in (solid_diameter, cavity_fraction, vessel_contact)]
    assert {(m.value, m.outcome) for m in found} == {(None, "empty_mask")}
