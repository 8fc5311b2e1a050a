"""Resampling and Grid in any orientation: what must come out the same whichever way round it is done."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import phantoms
from hypothesis import given, settings
from hypothesis import strategies as st

from cad.prepare.resample import resample, resample_labels, resample_mask
from cad.space import Grid
from cad.volume import Volume

ORIENTATIONS = [(order, flips) for order in permutations(range(3)) for flips in np.ndindex(2, 2, 2)]
shapes = st.tuples(*[st.integers(3, 12)] * 3)
spacings = st.tuples(*[st.floats(0.5, 6)] * 3)
seeds = st.integers(0, 2**31)
grids = st.builds(phantoms.oblique, shapes, spacings, st.tuples(*[st.floats(-300, 300)] * 3), seeds)
orientations = st.sampled_from(ORIENTATIONS)


def random_volume(grid: Grid, seed: int) -> Volume:
    return Volume(np.random.default_rng(seed).normal(0, 100, grid.shape).astype(np.float32), grid)


def reoriented(grid: Grid, order: tuple[int, ...], flips: tuple[int, ...]) -> Grid:
    """The same voxel centres, counted along other axes and from other ends."""
    affine = grid.affine[:, [*order, 3]].copy()
    shape = [grid.shape[a] for a in order]
    for axis, flip in enumerate(flips):
        if flip:
            affine[:3, 3] += affine[:3, axis] * (shape[axis] - 1)
            affine[:3, axis] *= -1
    return Grid((shape[0], shape[1], shape[2]), affine)


@settings(max_examples=40, deadline=None)
@given(grids, orientations, seeds)
def test_another_orientation_of_the_same_centres_and_back_is_the_same_volume(grid: Grid, orientation, seed: int) -> None:
    volume = random_volume(grid, seed)
    there = resample(volume, reoriented(grid, *orientation), fill=0.0)
    assert np.allclose(np.sort(there.voxels, axis=None), np.sort(volume.voxels, axis=None), atol=1e-2)
    assert np.allclose(resample(there, grid, fill=0.0).voxels, volume.voxels, atol=1e-2)


@settings(max_examples=40, deadline=None)
@given(grids, st.data())
def test_a_crop_of_a_crop_is_a_crop(grid: Grid, data) -> None:
    first = [data.draw(st.integers(0, n - 2)) for n in grid.shape]
    inner = grid.crop(first, [n - a for n, a in zip(grid.shape, first, strict=True)])
    then = [data.draw(st.integers(0, n - 1)) for n in inner.shape]
    both = grid.crop([a + b for a, b in zip(first, then, strict=True)], (1, 1, 1))
    assert np.allclose(inner.crop(then, (1, 1, 1)).affine, both.affine, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(grids, seeds, st.data())
def test_resampling_onto_a_crop_is_cutting_it_out(grid: Grid, seed: int, data) -> None:
    start = [data.draw(st.integers(0, n - 1)) for n in grid.shape]
    shape = [n - a for n, a in zip(grid.shape, start, strict=True)]
    volume = random_volume(grid, seed)
    cut = volume.voxels[tuple(slice(a, None) for a in start)]
    assert np.allclose(resample(volume, grid.crop(start, shape), fill=0.0).voxels, cut, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(grids, spacings, spacings)
def test_spacing_of_spacing_fills_the_same_extent_from_the_same_corner(grid: Grid, one, two) -> None:
    corner = (-0.5, -0.5, -0.5)
    assert np.allclose(grid.with_spacing(one).with_spacing(two).to_mm(corner), grid.to_mm(corner), atol=1e-6)
    assert np.allclose(grid.with_spacing(grid.spacing_mm).affine, grid.affine, atol=1e-9)
    assert grid.with_spacing(grid.spacing_mm).shape == grid.shape


@settings(max_examples=25, deadline=None)
@given(grids, orientations, seeds)
def test_labels_and_masks_turn_with_their_grid(grid: Grid, orientation, seed: int) -> None:
    labels = Volume(np.random.default_rng(seed).integers(0, 4, grid.shape).astype(np.uint8), grid, "1")
    mask = labels.like((labels.voxels > 1).astype(np.uint8))
    turned = reoriented(grid, *orientation)
    assert np.array_equal(resample_labels(resample_labels(labels, turned), grid).voxels, labels.voxels)
    assert np.array_equal(resample_mask(resample_mask(mask, turned), grid).voxels, mask.voxels)


@settings(max_examples=25, deadline=None)
@given(grids, grids, seeds)
def test_a_linear_field_is_the_same_by_one_way_or_by_two(source: Grid, target: Grid, seed: int) -> None:
    """Resampling composes on fields that interpolation is exact on, wherever both ways stay inside."""
    direction = np.random.default_rng(seed).normal(size=3)
    middle = source.to_mm((np.asarray(source.shape) - 1) / 2)
    inside = target.around(middle, (3, 3, 3), 0.05 * min(source.spacing_mm))
    field = Volume(((source.to_mm(np.moveaxis(np.indices(source.shape), 0, -1)) - middle) @ direction).astype(np.float32), source)
    half = source.with_spacing([0.9 * s for s in source.spacing_mm])
    one, two = resample(field, inside, 0.0), resample(resample(field, half, 0.0), inside, 0.0)
    truth = (inside.to_mm(np.moveaxis(np.indices(inside.shape), 0, -1)) - middle) @ direction
    scale = 1e-3 * (1 + max(source.spacing_mm))
    assert np.allclose(one.voxels, truth, atol=scale)
    assert np.allclose(two.voxels, truth, atol=10 * scale)
