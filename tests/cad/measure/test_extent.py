"""Sizes of bodies whose size is known."""

import sys
from pathlib import Path

import numpy as np
import pytest

from cad.measure.extent import measure_extent, recist_axes
from cad.space import Grid
from cad.volume import Volume

sys.path.insert(0, str(Path(__file__).parent))
from bodies import ball, drawn, ellipsoid, turned_grid


def by_name(measurements):
    return {m.name: m for m in measurements}


@pytest.mark.parametrize("spacing", [(0.7, 0.7, 0.7), (1.25, 0.7, 0.7), (2.5, 0.7, 0.7)])
@pytest.mark.parametrize("diameter", [6.0, 10.0, 16.0])
def test_soft_balls_at_any_tilt(spacing, diameter):
    rng = np.random.default_rng(7)
    found = [by_name(measure_extent(drawn(turned_grid(spacing, 1.2 * diameter, rng), ball(diameter), 4))) for _ in range(3)]
    volume = np.pi * diameter**3 / 6
    assert np.mean([m["volume"].value for m in found]) == pytest.approx(volume, rel=0.01)
    assert np.mean([m["effective_diameter"].value for m in found]) == pytest.approx(diameter, abs=0.05)
    assert np.mean([m["long_axis"].value for m in found]) == pytest.approx(diameter, abs=0.35)
    assert np.mean([m["short_axis"].value for m in found]) == pytest.approx(diameter, abs=0.4)
    assert np.mean([m["longest_diameter_3d"].value for m in found]) == pytest.approx(diameter, abs=0.8)
    assert all(m["volume"].interval[0] <= volume <= m["volume"].interval[1] for m in found)


@pytest.mark.parametrize("diameter", [6.0, 10.0, 16.0])
def test_binary_balls_keep_their_volume(diameter):
    rng = np.random.default_rng(3)
    found = [by_name(measure_extent(drawn(turned_grid((1.25, 0.7, 0.7), 1.2 * diameter, rng), ball(diameter)))) for _ in range(6)]
    volume = np.pi * diameter**3 / 6
    assert np.mean([m["volume"].value for m in found]) == pytest.approx(volume, rel=0.03)
    assert np.mean([m["long_axis"].value for m in found]) == pytest.approx(diameter, abs=0.6)
    assert np.mean([m["volume"].interval[0] <= volume <= m["volume"].interval[1] for m in found]) == 1.0


def test_axes_of_an_ellipsoid_turned_in_the_slice():
    rng = np.random.default_rng(0)
    angle = np.deg2rad(35)
    frame = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    mask = drawn(turned_grid((1.0, 0.7, 0.7), 24, rng, tilt=False), ellipsoid((20.0, 10.0, 14.0), frame), 4)
    found = by_name(measure_extent(mask))
    assert found["long_axis"].value == pytest.approx(20.0, abs=0.3)
    assert found["short_axis"].value == pytest.approx(10.0, abs=0.3)
    assert found["volume"].value == pytest.approx(np.pi * 20 * 10 * 14 / 6, rel=0.01)
    axes = recist_axes(mask)
    along = np.subtract(axes.long.end_mm, axes.long.start_mm) / axes.long.length_mm
    across = np.subtract(axes.short.end_mm, axes.short.start_mm) / axes.short.length_mm
    assert abs(along @ across) < 1e-6
    assert abs(along @ frame[:, 0]) > 0.995
    assert axes.long.middle_mm == pytest.approx((0, 0, 0), abs=0.6)
    assert mask.grid.to_mm([axes.slice_index, 0, 0])[2] == pytest.approx(axes.long.middle_mm[2])


def test_the_short_axis_is_a_chord_not_a_shadow():
    """A bar with a bump on either side, at different places: the shadow across it is 12 mm wide, the longest chord 7.9 mm."""
    grid = Grid.axial((5, 40, 96), (1, 0.5, 0.5), (-23.75, -9.75, -2))

    def body(points):
        x, y, z = np.moveaxis(points, -1, 0)
        bumps = ((np.abs(x + 6) < 2) & (y > 0) & (y < 6)) | ((np.abs(x - 6) < 2) & (y < 0) & (y > -6))
        return (((x / 20) ** 2 + (y / 2) ** 2 < 1) | bumps) & (np.abs(z) < 1.2)

    assert by_name(measure_extent(drawn(grid, body, 3)))["short_axis"].value == pytest.approx(7.9, abs=0.4)


def test_one_voxel_and_one_slice_are_measured():
    voxels = np.zeros((3, 9, 9), np.uint8)
    voxels[1, 4, 4] = 1
    found = by_name(measure_extent(Volume(voxels, Grid.axial((3, 9, 9), (1, 1, 1)))))
    assert found["volume"].value == 1.0
    assert 0 < found["long_axis"].value < 2


def test_no_interval_of_a_length_reaches_below_zero():
    away = np.linalg.norm(np.indices((41, 41, 41)) - 20.0, axis=0)
    faint = np.clip(0.52 - 0.02 * away, 0, 1)  # a few voxels pass, and far around them many nearly do
    found = by_name(measure_extent(Volume(faint.astype(np.float32), Grid.axial((41, 41, 41), (1, 1, 1)), "1")))
    assert found["longest_diameter_3d"].interval[1] > 2 * found["longest_diameter_3d"].value
    assert all(m.interval[0] >= 0 for m in found.values() if m.interval)


def test_what_cannot_be_measured_is_coded():
    grid = Grid.axial((6, 8, 8), (1, 1, 1))
    empty = measure_extent(Volume(np.zeros(grid.shape, np.uint8), grid))
    assert {m.outcome for m in empty} == {"empty_mask"}
    assert all(m.value is None for m in empty)
    voxels = np.zeros(grid.shape, np.uint8)
    voxels[:3, 2:6, 2:6] = 1
    cut = by_name(measure_extent(Volume(voxels, grid)))
    assert (cut["volume"].value, cut["volume"].outcome) == (None, "cut_by_scan_edge")
    assert cut["long_axis"].value == pytest.approx(np.hypot(4, 4), abs=0.9)
    sideways = np.zeros(grid.shape, np.uint8)
    sideways[2:4, :3, 2:6] = 1
    assert by_name(measure_extent(Volume(sideways, grid)))["long_axis"].outcome == "cut_by_scan_edge"
