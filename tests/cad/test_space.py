"""Laws of Grid: going there and back, cropping, changing spacing, standing around a point."""

from __future__ import annotations

import numpy as np
import phantoms
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad.errors import GridError
from cad.space import Grid

shapes = st.tuples(*[st.integers(1, 40)] * 3)
spacings = st.tuples(*[st.floats(0.3, 9)] * 3)
grids = st.builds(phantoms.oblique, shapes, spacings, st.tuples(*[st.floats(-500, 500)] * 3), st.integers(0, 2**31))
points = st.tuples(*[st.floats(-600, 600)] * 3)


@settings(max_examples=40, deadline=None)
@given(grids, points)
def test_millimetres_to_index_and_back_is_the_same_point(grid: Grid, point: tuple[float, float, float]) -> None:
    assert np.allclose(grid.to_mm(grid.to_index(point)), point, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(grids, st.tuples(*[st.integers(-5, 5)] * 3), shapes)
def test_a_crop_keeps_every_voxel_where_it_was(grid: Grid, start: tuple[int, int, int], shape: tuple[int, int, int]) -> None:
    index = np.array([0.5, 2, 3])
    assert np.allclose(grid.crop(start, shape).to_mm(index), grid.to_mm(index + start), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(grids, spacings)
def test_another_spacing_fills_the_same_physical_extent(grid: Grid, spacing: tuple[float, float, float]) -> None:
    other = grid.with_spacing(spacing)
    assert np.allclose(other.spacing_mm, spacing)
    assert np.allclose(other.to_mm((-0.5, -0.5, -0.5)), grid.to_mm((-0.5, -0.5, -0.5)), atol=1e-6)
    beyond = (np.array(other.shape) * spacing) - np.array(grid.shape) * grid.spacing_mm
    assert (beyond > -1e-4 * np.array(spacing)).all()
    assert (beyond < np.array(spacing) * 1.001).all()


@settings(max_examples=40, deadline=None)
@given(grids, points, shapes, st.floats(0.3, 5))
def test_a_grid_around_a_point_has_it_in_the_middle(
    grid: Grid, centre: tuple[float, ...], shape: tuple[int, int, int], edge: float
) -> None:
    around = grid.around(centre, shape, edge)
    assert np.allclose(around.to_mm((np.array(shape) - 1) / 2), centre, atol=1e-6)
    assert np.allclose(around.spacing_mm, edge)


@settings(max_examples=40, deadline=None)
@given(grids)
def test_the_box_holds_every_corner(grid: Grid) -> None:
    box = grid.box()
    for corner in np.ndindex(2, 2, 2):
        assert box.contains(grid.to_mm(np.array(corner) * (np.array(grid.shape) - 1)))


def test_a_sheared_affine_is_refused() -> None:
    affine = np.eye(4)
    affine[1, 0] = 0.3
    with pytest.raises(GridError, match="orthogonal"):
        Grid((2, 2, 2), affine)
