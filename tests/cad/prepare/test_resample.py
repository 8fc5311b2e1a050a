"""Resampling puts things where they are: linear fields stay exact, spheres keep volume and centre, masks keep shape."""

from __future__ import annotations

import numpy as np
import phantoms
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad.prepare.resample import resample, resample_labels, resample_mask
from cad.space import Grid
from cad.volume import Volume

SOURCE = Grid.axial((30, 44, 40), (2.0, 0.9, 1.1), (-20, -19, -30))


def ramp(grid: Grid) -> Volume:
    """A field linear in LPS: 3 x - 2 y + z, in float32."""
    points = grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))
    return Volume((points @ np.array([3.0, -2.0, 1.0])).astype(np.float32), grid)


def inner(target: Grid, source: Grid, margin: float = 2) -> np.ndarray:
    """Target voxels at least `margin` source voxels inside the source."""
    index = source.to_index(target.to_mm(np.moveaxis(np.indices(target.shape), 0, -1)))
    return np.all((index > margin) & (index < np.array(source.shape) - 1 - margin), axis=-1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 2.5))
def test_a_linear_field_is_exact_on_any_oblique_grid(seed: int, edge: float) -> None:
    target = phantoms.oblique((12, 12, 12), (edge,) * 3, (0, 0, 0), seed)
    inside = inner(target, SOURCE, margin=6 if edge > 1 else 2)
    error = np.abs(resample(ramp(SOURCE), target, 0).voxels - ramp(target).voxels)
    assert error[inside].max(initial=0) < 0.02  # a field of 200 over the volume: 0.01 mm


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(3)), st.tuples(*[st.booleans()] * 3), st.tuples(*[st.floats(0.4, 4)] * 3))
def test_a_linear_field_is_exact_on_flipped_permuted_and_rescaled_axes(
    order: list[int], flips: tuple[bool, ...], spacing: tuple[float, ...]
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, order] * np.where(flips, -1, 1) * spacing
    affine[:3, 3] = -affine[:3, :3] @ np.array([5, 6, 7])
    target = Grid((11, 13, 15), affine)
    inside = inner(target, SOURCE, margin=5)
    assert np.abs(resample(ramp(SOURCE), target, 0).voxels - ramp(target).voxels)[inside].max(initial=0) < 0.01


def test_the_fast_path_and_the_oblique_path_agree() -> None:
    volume = Volume(np.random.default_rng(0).integers(-1000, 400, (20, 22, 24)).astype(np.int16), Grid.axial((20, 22, 24), (2, 1, 1)))
    target = Grid.axial((50, 60, 70), (0.9, 0.4, 0.4), (-2, -1, 0.3))
    nearly = Grid(target.shape, _turned(target.affine, 0.02))
    assert np.abs(resample(volume, target, -1000).voxels - resample(volume, nearly, -1000).voxels).mean() < 3


@pytest.mark.parametrize("spacing", [(1.5, 1.5, 1.5), (0.5, 0.5, 0.5), (4, 2, 2)])
def test_a_sphere_keeps_its_volume_and_centre(spacing: tuple[float, ...]) -> None:
    centre, diameter = (1.2, 0.4, -1.7), 16.0
    volume = Volume(phantoms.coverage(SOURCE, phantoms.sphere(centre, diameter)), SOURCE)
    out = resample(volume, SOURCE.with_spacing(spacing), 0)
    mass = out.voxels.sum(dtype=float)
    middle = (out.grid.to_mm(np.moveaxis(np.indices(out.grid.shape), 0, -1)) * out.voxels[..., None]).sum(axis=(0, 1, 2)) / mass
    assert mass * out.grid.voxel_mm3 == pytest.approx(np.pi / 6 * diameter**3, rel=0.01)
    assert np.allclose(middle, centre, atol=0.02)


def test_coarser_grids_average_noise_instead_of_picking_from_it() -> None:
    noise = np.random.default_rng(1).normal(0, 100, (40, 60, 60)).astype(np.float32)
    volume = Volume(noise, Grid.axial(noise.shape, (1, 1, 1)))
    assert resample(volume, volume.grid.with_spacing((3, 3, 3)), 0).voxels.std() < 30
    assert resample(volume, phantoms.oblique((12, 12, 12), (3, 3, 3), (30, 30, 20), 5), 0).voxels.std() < 45


def test_outside_is_filled_and_half_a_voxel_around_is_not() -> None:
    volume = Volume(np.full((4, 4, 4), 7, np.int16), Grid.axial((4, 4, 4), (2, 2, 2)))
    wide = resample(volume, volume.grid.crop((-2, 0, 0), (8, 4, 4)), -1000).voxels
    assert (wide[:2] == -1000).all()
    assert (wide[2:6] == 7).all()
    assert (wide[6:] == -1000).all()
    assert (resample(volume, volume.grid.with_spacing((0.5, 0.5, 0.5)), -1000).voxels == 7).all()


def test_the_same_grid_gives_the_same_voxels() -> None:
    volume = ramp(SOURCE)
    assert np.array_equal(resample(volume, SOURCE, 0).voxels, volume.voxels)


def test_labels_keep_their_values_and_dtype_on_any_grid() -> None:
    labels = Volume(np.random.default_rng(2).integers(0, 5, SOURCE.shape).astype(np.uint8), SOURCE, "1")
    for target in (SOURCE.with_spacing((1, 1, 1)), phantoms.oblique((9, 9, 9), (1.3, 1, 1), (0, 0, 0), 3)):
        out = resample_labels(labels, target)
        assert out.voxels.dtype == np.uint8
        assert set(np.unique(out.voxels)) <= set(range(5))
    back = resample_labels(resample_labels(labels, SOURCE.with_spacing((1, 0.45, 0.55))), SOURCE)
    assert np.array_equal(back.voxels, labels.voxels)


def test_a_mask_keeps_its_volume_from_coarse_to_fine() -> None:
    coarse = phantoms.mask(SOURCE, phantoms.sphere((0, 0, 0), 24))
    fine = resample_mask(coarse, SOURCE.with_spacing((0.6, 0.5, 0.5)))
    assert fine.voxels.dtype == np.uint8
    assert fine.voxels.sum() * fine.grid.voxel_mm3 == pytest.approx(np.pi / 6 * 24**3, rel=0.03)


def _turned(affine: np.ndarray, degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn @ affine
