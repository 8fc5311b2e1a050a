"""A lesion that does not fit its close-up is outlined from further away, at its true size."""

from __future__ import annotations

import numpy as np
import pytest

from cad.prepare.inputs import InputRule, NetworkInput
from cad.segment.outline import outlined
from cad.space import Grid
from cad.volume import Volume

RULE = InputRule(region="lungs", spacing_mm=1.5, margin_mm=6, low=-1000, high=400, patch_voxels=48, patch_spacing_mm=1.0)
MIDDLE = (3.0, -2.0, 5.0)


def bright(pixels: np.ndarray) -> np.ndarray:
    """A network that outlines whatever is brighter than half its window."""
    return np.where(pixels > 0.5, 9.0, -9.0).astype(np.float32)


def ball(diameter_mm: float) -> Volume:
    grid = Grid.axial((65, 130, 130), (2.0, 1.0, 1.0), (-62.0, -67.0, -59.0))
    k, j, i = np.indices(grid.shape)
    away = np.linalg.norm(grid.to_mm(np.stack([k, j, i], axis=-1).reshape(-1, 3)) - MIDDLE, axis=1).reshape(grid.shape)
    return Volume(np.where(away <= diameter_mm / 2, 40, -850).astype(np.int16), grid)


@pytest.mark.parametrize(("diameter_mm", "spacing_mm"), [(0.0, 1.0), (10.0, 1.0), (40.0, 1.0), (70.0, 2.0), (100.0, 3.0)])
def test_a_lesion_is_outlined_where_it_fits(diameter_mm: float, spacing_mm: float) -> None:
    volume = ball(diameter_mm)
    seen = NetworkInput(volume, volume.like(np.ones(volume.grid.shape, dtype=np.uint8)), -1000, 400)
    shown, soft = outlined(volume, seen, MIDDLE, RULE, bright, seen.closely(volume, MIDDLE, RULE.patch_voxels, RULE))
    assert shown.grid == soft.grid
    assert soft.grid.spacing_mm == pytest.approx((spacing_mm,) * 3)
    held = float((soft.voxels >= 0.5).sum()) * spacing_mm**3
    assert held == pytest.approx(np.pi / 6 * diameter_mm**3, rel=0.15)


@pytest.mark.parametrize(("diameter_mm", "looks"), [(10.0, 1), (0.0, 1), (40.0, 2)])
def test_what_leaves_the_close_up_free_is_not_looked_at_again(diameter_mm: float, looks: int) -> None:
    seen_at = []

    def bright_or_all(pixels: np.ndarray) -> np.ndarray:
        seen_at.append(pixels)
        return bright(pixels) if len(seen_at) == 1 else np.full_like(pixels, -9.0 if diameter_mm == 40 else 9.0)

    volume = ball(diameter_mm)
    seen = NetworkInput(volume, volume.like(np.ones(volume.grid.shape, dtype=np.uint8)), -1000, 400)
    _, soft = outlined(volume, seen, MIDDLE, RULE, bright_or_all, seen.closely(volume, MIDDLE, RULE.patch_voxels, RULE))
    assert len(seen_at) == looks
    assert float((soft.voxels >= 0.5).sum()) == pytest.approx(np.pi / 6 * diameter_mm**3, rel=0.15)
