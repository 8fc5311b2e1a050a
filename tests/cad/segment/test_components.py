"""Which piece of a soft map is meant."""

from __future__ import annotations

import numpy as np
import pytest

from cad.segment.components import component_at, hard, largest_component, same
from cad.space import Grid
from cad.volume import Volume


@pytest.fixture
def soft():
    voxels = np.zeros((20, 20, 20), dtype=np.float32)
    voxels[2:6, 2:6, 2:6] = 0.9
    voxels[6, 3:5, 3:5] = 0.3
    voxels[12:18, 12:18, 12:18] = 0.8
    return Volume(voxels, Grid.axial(voxels.shape, (2.0, 1.0, 1.0)), "1")


def test_the_piece_at_the_point_keeps_its_soft_border(soft):
    kept = component_at(soft, soft.grid.to_mm((4, 4, 4)))
    assert hard(kept).voxels.sum() == 4**3
    assert kept.voxels[6, 3, 3] == pytest.approx(0.3)
    assert kept.voxels[12:].max() == 0


def test_a_point_beside_the_piece_still_finds_it_but_not_from_afar(soft):
    assert hard(component_at(soft, soft.grid.to_mm((4, 4, 9)), reach_mm=4.0)).voxels.sum() == 4**3
    assert component_at(soft, soft.grid.to_mm((4, 4, 11)), reach_mm=4.0).voxels.max() == 0
    assert component_at(soft, soft.grid.to_mm((40, 4, 4))).voxels.max() == 0


def test_the_largest_piece_is_the_largest(soft):
    assert hard(largest_component(soft)).voxels.sum() == 6**3


def test_nothing_stays_nothing(soft):
    empty = soft.like(np.zeros_like(soft.voxels))
    assert largest_component(empty).voxels.max() == component_at(empty, (0, 0, 0)).voxels.max() == 0


def test_one_lesion_outlined_twice_is_the_same_on_any_grid(soft):
    small, large = component_at(soft, soft.grid.to_mm((4, 4, 4))), largest_component(soft)
    fine = soft.grid.around(soft.grid.to_mm((15, 15, 15)), (24, 16, 16), 1.0)
    index = np.rint(soft.grid.to_index(fine.to_mm(np.argwhere(np.ones(fine.shape))))).astype(int).clip(0, 19)
    again = Volume(large.voxels[tuple(index.T)].reshape(fine.shape), fine, "1")
    assert (same(large, again), same(again, large)) == (True, True)
    assert not same(small, again)
    assert not same(small, soft.like(np.zeros_like(soft.voxels)))


def test_a_part_of_a_lesion_is_that_lesion_and_a_neighbour_is_not(soft):
    large = largest_component(soft)
    part, beside = (np.zeros_like(soft.voxels) for _ in range(2))
    part[12:18, 12:18, 12:14] = 1
    beside[12:18, 12:18, 17:23] = 1
    assert same(large, soft.like(part))
    assert not same(large, soft.like(beside))
