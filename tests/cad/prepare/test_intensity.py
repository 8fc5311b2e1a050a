"""HU windows and MR scales: known ends, and lesions or gain that do not move the scale of normal tissue."""

from __future__ import annotations

from functools import cache

import numpy as np
import phantoms
import pytest

from cad.errors import ShokenError
from cad.prepare.intensity import correct_bias, scale, tissue_window
from cad.space import Grid
from cad.volume import Volume

GRID = Grid.axial((24, 48, 48), (4, 4, 4), (-94, -94, -46))
HEAD = phantoms.ellipsoid((0, 0, 0), (150, 170, 90))


@cache
def brain_like(gain: float = 1.0, lesion: float = 0.0) -> tuple[Volume, Volume]:
    share = phantoms.coverage(GRID, HEAD)
    voxels = share * 400 + np.random.default_rng(0).normal(0, 15, GRID.shape)
    voxels += lesion * phantoms.coverage(GRID, phantoms.sphere((20, 10, 0), 18))
    return Volume((voxels * gain).astype(np.float32), GRID, "a.u.", "MR"), phantoms.mask(GRID, HEAD)


def test_a_window_maps_its_ends_to_zero_and_one() -> None:
    out = scale(np.array([-2000, -1000, -300, 400, 3000], dtype=np.int16), -1000, 400)
    assert out.dtype == np.float32
    assert np.allclose(out, [0, 0, 0.5, 1, 1])


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ShokenError, match="low < high"):
        scale(np.zeros(3), 5, 5)


def seen(volume: Volume, mask: Volume) -> np.ndarray:
    """What a network sees of an MR."""
    return scale(volume.voxels, *tissue_window(volume, mask))


@pytest.mark.parametrize("gain", [0.01, 0.7, 40.0])
def test_the_scanners_gain_does_not_matter(gain: float) -> None:
    assert np.allclose(seen(*brain_like()), seen(*brain_like(gain)), atol=1e-3)


def test_a_lesion_hardly_moves_the_scale_of_normal_tissue() -> None:
    (volume, mask), (sick, _) = brain_like(), brain_like(lesion=300)
    away = phantoms.coverage(GRID, phantoms.sphere((20, 10, 0), 26)) == 0
    assert np.abs(seen(volume, mask) - seen(sick, mask))[away].max() < 0.03


def test_normal_tissue_lies_at_a_third_and_a_constant_image_gives_numbers() -> None:
    volume, mask = brain_like()
    assert np.median(seen(volume, mask)[mask.voxels > 0]) == pytest.approx(1 / 3, abs=0.01)
    flat = Volume(np.full(GRID.shape, 7, np.float32), GRID, "a.u.", "MR")
    assert np.isfinite(seen(flat, mask)).all()
    assert np.isfinite(correct_bias(flat, Volume(np.zeros(GRID.shape, np.uint8), GRID, "1")).voxels).all()


def test_bias_correction_flattens_a_smooth_field_inside_the_head() -> None:
    volume, mask = brain_like()
    x = np.linspace(-1, 1, GRID.shape[2], dtype=np.float32)
    biased = volume.like(volume.voxels * (1 + 0.35 * x))
    inside = phantoms.coverage(GRID, phantoms.ellipsoid((0, 0, 0), (130, 150, 70)), 3) == 1
    fixed = correct_bias(biased, mask)
    assert fixed.voxels[inside].std() < 0.45 * biased.voxels[inside].std()
    assert fixed.voxels[mask.voxels > 0].mean() == pytest.approx(biased.voxels[mask.voxels > 0].mean(), rel=1e-3)
