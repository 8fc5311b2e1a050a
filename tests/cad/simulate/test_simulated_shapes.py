"""The drawing tools against shapes whose size is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad.simulate.fields import Lattice, Sampler, ellipsoid, smooth_min
from cad.simulate.lesions import draw_lesion, fitted_to, lesion_shape, mark, spicules, true_extent
from cad.simulate.trees import Habit, grow_tree
from cad.simulate.tubes import Tubes, draw_tubes, spline
from cad.space import FloatArray, Grid


def everywhere(points: FloatArray) -> FloatArray:
    return np.full(len(points), -100.0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 0.7, 0.7)])
@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 0, 0), (1, 2, 1)])
def test_a_tube_fills_its_own_volume(spacing: tuple[float, float, float], direction: tuple[int, int, int]) -> None:
    grid = Grid.axial(tuple(round(60 / s) for s in spacing), spacing, (-30, -30, -30))
    half = 15 * np.array(direction) / np.linalg.norm(direction)
    canvas = draw_tubes(grid, Tubes.along(np.stack([-half, half]), np.full(2, 5.0)))
    volume = canvas.sum() / 255 * grid.voxel_mm3
    assert volume == pytest.approx(np.pi * 25 * 30 + 4 / 3 * np.pi * 125, rel=0.04)


def test_a_hair_thin_tube_fades_instead_of_growing() -> None:
    grid = Grid.axial((30, 30, 30), (1.5, 1.5, 1.5), (-22, -22, -22))
    ends = np.array([[0, 0, -15.0], [0, 0, 15.0]])
    volumes = [draw_tubes(grid, Tubes.along(ends, np.full(2, r))).sum() / 255 * grid.voxel_mm3 for r in (0.25, 0.5)]
    assert volumes[1] / volumes[0] == pytest.approx(4, rel=0.2)


def test_tubes_outside_the_grid_draw_nothing() -> None:
    grid = Grid.axial((5, 5, 5), (1, 1, 1))
    far = Tubes.along(np.array([[90.0, 90, 90], [95, 90, 90]]), np.full(2, 2.0))
    assert draw_tubes(grid, far).max() == 0
    assert draw_tubes(grid, Tubes.join([])).max() == 0


@settings(max_examples=12, deadline=None)
@given(diameter=st.floats(5, 30), roughness=st.floats(0, 0.25), seed=st.integers(0, 999))
def test_a_lesion_has_the_volume_it_was_asked_for(diameter: float, roughness: float, seed: int) -> None:
    shape = lesion_shape(np.random.default_rng(seed), np.array([1.0, 2.0, 3.0]), diameter, roughness)
    assert true_extent(shape, everywhere)[0] == pytest.approx(np.pi / 6 * diameter**3, rel=0.05)


def test_a_lesion_cut_by_the_pleura_is_grown_to_its_size() -> None:
    shape = lesion_shape(np.random.default_rng(0), np.zeros(3), 20, 0.1)

    def half_space(points: FloatArray) -> FloatArray:
        return np.asarray(points[:, 0])

    fitted = fitted_to(shape, 20, half_space)
    assert true_extent(fitted, half_space)[0] == pytest.approx(np.pi / 6 * 20**3, rel=0.03)


def test_a_drawn_lesion_covers_its_volume_on_thick_slices() -> None:
    grid = Grid.axial((20, 60, 60), (3.0, 0.8, 0.8), (-24, -24, -29))
    drawn = draw_lesion(grid, lesion_shape(np.random.default_rng(1), np.zeros(3), 18, 0.1), everywhere)
    assert drawn is not None
    assert drawn.share.sum() * grid.voxel_mm3 == pytest.approx(np.pi / 6 * 18**3, rel=0.05)
    labels = np.zeros(grid.shape, dtype=np.uint8)
    mark(labels, drawn, 3)
    assert set(np.unique(labels)) == {0, 3}


def test_a_lesion_smaller_than_a_voxel_still_gets_one_label() -> None:
    grid = Grid.axial((5, 9, 9), (8.0, 4.0, 4.0), (-16, -16, -16))
    drawn = draw_lesion(grid, lesion_shape(np.random.default_rng(1), np.zeros(3), 3, 0), everywhere)
    assert drawn is not None
    labels = np.zeros(grid.shape, dtype=np.uint8)
    mark(labels, drawn, 1)
    assert labels.sum() == 1


def test_spicules_start_in_the_lesion_and_thin_out() -> None:
    shape = lesion_shape(np.random.default_rng(2), np.zeros(3), 20, 0.05)
    strands = spicules(np.random.default_rng(2), shape, 9)
    assert len(strands.start) == 18
    assert (strands.end_mm < strands.start_mm).all()


def test_a_tree_reaches_every_leaf_and_thickens_to_its_root() -> None:
    rng = np.random.default_rng(5)
    leaves = rng.uniform(-40, 40, (60, 3))
    tree = grow_tree(rng, np.array([80.0, 0, 0]), leaves, Habit(twig_mm=0.5))
    reach = np.linalg.norm(leaves[:, None] - tree.end[None], axis=2).min(axis=1)
    assert reach.max() < 1e-9
    assert tree.start_mm[0] > 3 * tree.start_mm.min()


def test_a_field_reads_the_same_at_any_resolution() -> None:
    lattice = Lattice.spanning((-40, -40, -40), (40, 40, 40), 4)
    ball = ellipsoid(lattice.mesh(), (0, 0, 0), (20, 20, 20))
    volumes = []
    for step in (1.0, 2.0):
        grid = Grid.axial((round(70 / step),) * 3, (step,) * 3, (-35, -35, -35))
        sampler = Sampler(lattice, grid)
        volumes.append(sum((sampler.slice(ball, k) < 0).sum() for k in range(grid.shape[0])) * grid.voxel_mm3)
    assert volumes[0] == pytest.approx(volumes[1], rel=0.02)
    assert volumes[0] == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.06)


def test_a_spline_passes_its_points_without_swelling() -> None:
    path = spline([(0, 0, 0, 2), (10, 0, 0, 5), (20, 5, 0, 5), (30, 5, 5, 1)], 0.5)
    assert path[:, 3].max() <= 5 + 1e-9
    assert np.linalg.norm(path[:, :3] - [10, 0, 0], axis=1).min() < 0.5


def test_a_smooth_union_holds_both_parts() -> None:
    a, b = np.linspace(-5, 5, 21), np.linspace(5, -5, 21)
    assert (smooth_min(a, b, 2) <= np.minimum(a, b) + 1e-9).all()


def test_a_tree_without_leaves_is_no_tree():
    """One chest in some hundreds has a lung zone without room for an airway."""
    none = grow_tree(np.random.default_rng(0), np.zeros(3), np.zeros((0, 3)), Habit(1.0))
    assert len(none.start_mm) == 0
