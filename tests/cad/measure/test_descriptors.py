"""Shape, margin, attachment and site of bodies that have them by construction."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from cad.measure.descriptors import brain_location, lung_location, measure_margin, measure_shape, pleural_contact
from cad.space import Grid
from cad.volume import Volume

sys.path.insert(0, str(Path(__file__).parent))
from bodies import ball, drawn, ellipsoid, turned_grid


def by_name(measurements):
    return {m.name: m for m in measurements}


@pytest.mark.parametrize("subdivisions", [1, 3])
def test_a_ball_is_round_and_smooth(subdivisions):
    found = by_name(measure_shape(drawn(turned_grid((1.0, 0.7, 0.7), 18, np.random.default_rng(1)), ball(14), subdivisions)))
    assert found["sphericity"].value > 0.96
    assert found["lobulation_index"].value < 0.03
    assert found["spiculation_index"].value < 0.02


def test_a_flat_ellipsoid_is_less_spherical_as_calculus_says():
    """Knud Thomsen's formula gives an ellipsoid's surface within 1.1 %."""
    a, b, c, p = 12.0, 12.0, 5.0, 1.6075
    area = 4 * np.pi * (((a * b) ** p + (a * c) ** p + (b * c) ** p) / 3) ** (1 / p)
    expected = np.pi ** (1 / 3) * (6 * 4 / 3 * np.pi * a * b * c) ** (2 / 3) / area
    grid = Grid.axial((22, 40, 40), (0.7, 0.7, 0.7), (-13.65, -13.65, -7.35))
    mask = drawn(grid, ellipsoid((2 * a, 2 * b, 2 * c)), 3)
    assert by_name(measure_shape(mask))["sphericity"].value == pytest.approx(expected, abs=0.02)


def test_spikes_and_lobes_raise_their_own_index():
    grid = Grid.axial((50, 50, 50), (0.6, 0.6, 0.6), (-14.7, -14.7, -14.7))
    plain = by_name(measure_shape(drawn(grid, ball(14))))

    def spiked(points):
        rays = [np.hypot(points[..., (k + 1) % 3], points[..., (k + 2) % 3]) < 0.8 for k in range(3)]
        return ball(14)(points) | (np.any(rays, axis=0) & ball(26)(points))

    spicules = by_name(measure_shape(drawn(grid, spiked)))
    lobes = by_name(measure_shape(drawn(grid, lambda p: ball(12, (-4.5, 0, 0))(p) | ball(12, (4.5, 0, 0))(p) | ball(12, (0, 7, 0))(p))))
    assert spicules["spiculation_index"].value > plain["spiculation_index"].value + 0.02
    assert lobes["lobulation_index"].value > plain["lobulation_index"].value + 0.05
    assert lobes["spiculation_index"].value < 0.05


def test_five_millimetres_are_too_small_for_an_index():
    found = measure_shape(drawn(turned_grid((1.0, 0.7, 0.7), 8, np.random.default_rng(1)), ball(5)))
    assert {m.outcome for m in found} == {"too_small"}


@pytest.mark.parametrize("blur", [1.0, 2.0])
def test_the_margin_is_as_wide_as_the_blur(blur):
    grid = Grid.axial((60, 60, 60), (0.5, 0.5, 0.5), (-14.75, -14.75, -14.75))
    sharp = drawn(grid, ball(18))
    image = Volume(ndimage.gaussian_filter(np.where(sharp.voxels, 40.0, -850.0), blur / 0.5).astype(np.float32), grid)
    assert measure_margin(image, sharp).value == pytest.approx(2.51 * blur, rel=0.2)


def test_no_contrast_no_margin():
    grid = Grid.axial((30, 30, 30), (1, 1, 1), (-14.5, -14.5, -14.5))
    assert measure_margin(Volume(np.zeros(grid.shape, np.float32), grid), drawn(grid, ball(12))).outcome == "no_contrast"


def chest():
    """Two boxes of lung 60 mm apart at their inner borders, 150 mm high."""
    grid = Grid.axial((50, 40, 90), (3, 3, 3), (-133.5, 0, 0))
    x = grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))[..., 0]
    lung = (np.abs(x) > 30) & (np.abs(x) < 120)
    lung[:, :3] = lung[:, -3:] = False
    return grid, lung


@pytest.mark.parametrize(
    ("centre", "label"),
    [((-75, 60, 120), "right_upper_zone"), ((75, 60, 75), "left_middle_zone"), ((75, 60, 20), "left_lower_zone")],
)
def test_site_in_the_lungs(centre, label):
    grid, lung = chest()
    nodule = drawn(grid, ball(12, centre))
    assert lung_location(nodule, Volume((lung & ~(nodule.voxels > 0)).astype(np.uint8), grid)).label == label


def test_pleural_contact():
    grid, lung = chest()
    inside, at_wall = drawn(grid, ball(15, (75, 60, 75))), drawn(grid, ball(15, (113, 60, 75)))
    air = [Volume((lung & ~(m.voxels > 0)).astype(np.uint8), grid) for m in (inside, at_wall)]
    assert pleural_contact(inside, air[0]).label == "free"
    assert pleural_contact(at_wall, air[1]).label == "attached"


def test_a_vessel_is_not_the_pleura():
    grid = Grid.axial((40, 60, 60), (1, 1, 1), (-29.5, -29.5, -19.5))
    nodule = drawn(grid, ball(10))
    vessel = drawn(grid, lambda p: np.hypot(p[..., 1], p[..., 2]) < 1.5)
    lung = Volume(((nodule.voxels == 0) & (vessel.voxels == 0)).astype(np.uint8), grid)
    assert pleural_contact(nodule, lung).label == "free"


@pytest.mark.parametrize(("x", "label"), [(30, "left_hemisphere"), (-30, "right_hemisphere"), (0, "midline")])
def test_site_in_the_brain(x, label):
    grid = Grid.axial((30, 50, 50), (4, 4, 4), (-98, -98, -58))
    assert brain_location(drawn(grid, ball(12, (x, 0, 0))), drawn(grid, ball(110))).label == label


def test_without_a_lung_the_site_is_coded():
    grid = Grid.axial((10, 10, 10), (2, 2, 2))
    mask = drawn(grid, ball(8, (9, 9, 9)))
    assert lung_location(mask, mask.like(np.zeros(grid.shape, np.uint8))).outcome == "no_lung_mask"
