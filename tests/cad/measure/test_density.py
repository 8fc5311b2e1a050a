"""Densities put in are read out."""

import numpy as np
import pytest

from cad.errors import GridError
from cad.measure.density import measure_density, nodule_texture
from cad.space import Grid
from cad.volume import Volume

GRID = Grid.axial((20, 20, 20), (1, 1, 1))


def nodule(shell_hu, core_hu, core_radius, radius=7.0, noise=0.0):
    distance = np.linalg.norm(np.moveaxis(np.indices(GRID.shape), 0, -1) - 9.5, axis=-1)
    image = np.where(distance <= core_radius, core_hu, np.where(distance <= radius, shell_hu, -850.0))
    image = image + np.random.default_rng(0).normal(0, noise, image.shape) if noise else image
    return Volume(image.astype(np.float32), GRID), Volume((distance <= radius).astype(np.uint8), GRID)


def by_name(measurements):
    return {m.name: m for m in measurements}


def test_a_uniform_nodule_has_its_density():
    found = by_name(measure_density(*nodule(40, 40, 0)))
    assert (found["mean_hu"].value, found["sd_hu"].value, found["median_hu"].value) == (40, 0, 40)
    assert found["mean_hu"].unit == "[hnsf'U]"
    assert (found["solid_fraction"].value, found["calcified_fraction"].value) == (1, 0)


@pytest.mark.parametrize(
    ("shell", "core", "radius", "texture"),
    [(40, 40, 0, "solid"), (-600, -600, 0, "ground_glass"), (-600, 20, 4, "part_solid"), (40, 600, 5, "calcified"), (30, 30, 0, "solid")],
)
def test_texture(shell, core, radius, texture):
    assert nodule_texture(measure_density(*nodule(shell, core, radius))).label == texture


def test_noise_is_not_calcium():
    assert nodule_texture(measure_density(*nodule(40, 40, 0, noise=60))).label == "solid"


def test_the_interval_of_the_mean_covers_the_truth():
    found = by_name(measure_density(*nodule(40, 40, 0, noise=60)))
    low, high = found["mean_hu"].interval
    assert low <= 40 <= high
    assert high - low < 40


def test_magnetic_resonance_has_no_hu():
    image, mask = nodule(40, 40, 0)
    found = measure_density(Volume(image.voxels.copy(), GRID, unit="1", modality="MR"), mask)
    assert {m.unit for m in found} == {"1"}
    assert nodule_texture(found).outcome == "no_density"


def test_nothing_and_mismatch():
    image, mask = nodule(40, 40, 0)
    assert {m.outcome for m in measure_density(image, mask.like(np.zeros(GRID.shape, np.uint8)))} == {"empty_mask"}
    with pytest.raises(GridError, match="different grids"):
        measure_density(image, Volume(mask.voxels.copy(), Grid.axial(GRID.shape, (2, 1, 1))))
