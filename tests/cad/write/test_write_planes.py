"""Where a picture's pixels lie in the patient, whatever way the slices were stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad.space import Grid
from cad.volume import Volume
from cad.write import planes


def placed(axes: np.ndarray, shape=(12, 40, 50), spacing=(3.0, 1.0, 0.8)) -> Volume:
    """A volume whose index axes run along the columns of `axes`, holding x + 100 y + 10000 z at each voxel."""
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = (5, -7, 11)
    grid = Grid(shape, affine)
    mm = grid.to_mm(np.moveaxis(np.indices(shape), 0, -1))
    return Volume((mm @ np.array([1.0, 100.0, 10000.0])), grid)


FLIPS = [(k, j, i) for k in (1, -1) for j in (1, -1) for i in (1, -1)]
AXIAL = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=float)
AXIAL_TURNED = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=float)
CORONAL = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], dtype=float)
SAGITTAL = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]], dtype=float)


@pytest.mark.parametrize("flip", FLIPS)
@pytest.mark.parametrize(
    ("axes", "name", "letters"),
    [
        (AXIAL, "axial", ("R", "L", "A", "P")),
        (AXIAL_TURNED, "axial", ("R", "L", "A", "P")),
        (CORONAL, "coronal", ("R", "L", "H", "F")),
        (SAGITTAL, "sagittal", ("A", "P", "H", "F")),
    ],
)
def test_a_slice_hangs_as_radiologists_hang_it_however_it_was_stored(axes, name, letters, flip):
    volume = placed(axes * flip)
    plane = planes.whole_slice(volume.grid, 4, 100)
    assert (plane.name, plane.letters) == (name, letters)
    values = planes.sample(volume, plane, np.nan)
    inner = values[plane.shape[0] // 4 : -plane.shape[0] // 4, plane.shape[1] // 4 : -plane.shape[1] // 4]
    expected = plane.points_mm() @ np.array([1.0, 100.0, 10000.0])
    np.testing.assert_allclose(
        inner, expected[plane.shape[0] // 4 : -plane.shape[0] // 4, plane.shape[1] // 4 : -plane.shape[1] // 4], rtol=1e-4
    )


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0, 0), "R"),
        ((0, 1, 0), "P"),
        ((0, -1, 0), "A"),
        ((0, 0, 1), "H"),
        ((0, 0, -1), "F"),
        ((0.8, -0.6, 0), "LA"),
        ((0.99, 0.14, 0), "L"),
    ],
)
def test_letters_name_the_patients_side(direction, letters):
    assert planes.side(np.array(direction, dtype=float)) == letters


@pytest.mark.parametrize("name", ["axial", "coronal", "sagittal"])
def test_a_centred_plane_has_its_point_in_the_middle(name):
    plane = planes.centred(name, (3.0, -4.0, 9.0), 50.0, 101)
    assert plane.to_pixel((3.0, -4.0, 9.0)) == pytest.approx((50, 50))
    assert plane.name == name
    assert plane.slice_mm == pytest.approx({"axial": 9.0, "coronal": -4.0, "sagittal": 3.0}[name])


@settings(max_examples=60, deadline=None)
@given(direction=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda d: np.linalg.norm(d) > 0.1))
def test_a_plane_across_a_direction_is_at_right_angles_to_it(direction):
    plane = planes.across(direction, (1, 2, 3), 40, 41)
    unit = np.array(direction) / np.linalg.norm(direction)
    assert abs(plane.right @ unit) < 1e-9
    assert abs(plane.down @ unit) < 1e-9
    assert abs(plane.right @ plane.down) < 1e-9
    np.testing.assert_allclose([np.linalg.norm(plane.right), np.linalg.norm(plane.down)], 1)
    assert plane.to_pixel((1, 2, 3)) == pytest.approx((20, 20))


@settings(max_examples=40, deadline=None)
@given(row=st.floats(-50, 50), column=st.floats(-50, 50))
def test_pixel_and_millimetre_go_there_and_back(row, column):
    plane = planes.across((0.2, 0.5, 0.8), (10, 20, 30), 70, 64)
    assert plane.to_pixel(plane.to_mm(row, column)) == pytest.approx((row, column), abs=1e-9)


def test_outside_the_volume_shows_the_outside_value():
    volume = placed(AXIAL)
    values = planes.sample(volume, planes.centred("axial", volume.grid.box().centre_mm, 400, 80), -7.0)
    assert values[0, 0] == -7.0
    assert values[40, 40] != -7.0


@pytest.mark.parametrize("flip", FLIPS)
@pytest.mark.parametrize("axes", [AXIAL, AXIAL_TURNED, CORONAL, SAGITTAL])
@pytest.mark.parametrize("name", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("field_mm", [9.0, 90.0])
def test_the_fast_way_along_the_axes_sees_what_a_look_up_of_every_pixel_sees(axes, flip, name, field_mm):
    volume = placed(axes * flip)
    plane = planes.centred(name, volume.grid.to_mm((3.3, 17.6, 21.2)), field_mm, 41)
    expected = planes.sample_at(volume, plane.points_mm(), -5.0)
    np.testing.assert_allclose(planes.sample(volume, plane, -5.0), expected, rtol=1e-5, atol=0.05)
    assert (expected == -5.0).any() == (field_mm > 50)


def test_a_mask_of_bools_and_one_slice_are_sampled_too() -> None:
    grid = Grid.axial((1, 6, 6), (2.0, 1.0, 1.0))
    mask = np.zeros(grid.shape, dtype=bool)
    mask[0, 2:4, 2:4] = True
    seen = planes.sample(Volume(mask, grid, "1"), planes.centred("axial", (2.5, 2.5, 0.4), 6.0, 6), 0.0)
    np.testing.assert_allclose(seen, mask[0], atol=1e-6)
