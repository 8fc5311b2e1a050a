"""The chest phantom: deterministic, anatomically ordered, and its truth agrees with its voxels."""

from __future__ import annotations

import numpy as np
import pytest

from cad.simulate.nodules import NoduleSpec
from cad.simulate.phantom import Phantom
from cad.simulate.thorax import ThoraxPlan, simulate_thorax

SPECS = (
    NoduleSpec(24, "solid", "isolated"),
    NoduleSpec(16, "solid", "pleural"),
    NoduleSpec(12, "ground_glass", "isolated"),
    NoduleSpec(14, "calcified", "vascular"),
)
PLAN = ThoraxPlan(shape=(180, 190, 210), spacing_mm=(1.6, 1.6, 1.6), nodules=SPECS, aorta_max_mm=48, contrast=True, noise_hu=10)


@pytest.fixture(scope="module")
def chest() -> Phantom:
    return simulate_thorax(7, PLAN)


@pytest.fixture(scope="module")
def plain() -> Phantom:
    return simulate_thorax(8, ThoraxPlan(shape=(70, 140, 160), spacing_mm=(4.0, 2.2, 2.2), nodules=0))


def test_same_seed_same_bytes_other_seed_other_bytes() -> None:
    plan = ThoraxPlan(shape=(24, 80, 90), spacing_mm=(10, 4, 4), nodules=3)
    first, again, other = simulate_thorax(3, plan), simulate_thorax(3, plan), simulate_thorax(4, plan)
    assert first.volume.digest() == again.volume.digest()
    assert first.lesion_labels.digest() == again.lesion_labels.digest()
    assert first.lesions == again.lesions
    assert first.volume.digest() != other.volume.digest()


def test_volumes_share_one_grid_and_have_their_types(chest: Phantom) -> None:
    assert chest.volume.voxels.dtype == np.int16
    assert chest.volume.grid.shape == PLAN.shape
    assert chest.volume.grid.spacing_mm == pytest.approx(PLAN.spacing_mm)
    for mask in (chest.lesion_labels, chest.lungs, chest.aorta):
        assert mask is not None
        assert mask.voxels.dtype == np.uint8
        assert mask.grid == chest.volume.grid


def test_every_nodule_was_made_at_its_size(chest: Phantom) -> None:
    assert [lesion.kind for lesion in chest.lesions] == [spec.kind for spec in SPECS]
    assert [lesion.diameter_mm for lesion in chest.lesions] == pytest.approx([s.diameter_mm for s in SPECS], rel=0.04)


def test_label_volume_and_centroid_agree_with_the_truth(chest: Phantom) -> None:
    labels, grid = chest.lesion_labels.voxels, chest.volume.grid
    for lesion in chest.lesions:
        index = np.argwhere(labels == lesion.label)
        assert len(index) * grid.voxel_mm3 == pytest.approx(lesion.volume_mm3, rel=0.08)
        assert lesion.volume_mm3 == pytest.approx(np.pi / 6 * lesion.diameter_mm**3)
        assert np.linalg.norm(grid.to_mm(index.mean(axis=0)) - lesion.centre_mm) < 0.6


def test_nodules_lie_in_the_lungs(chest: Phantom) -> None:
    assert chest.lungs is not None
    assert (chest.lungs.voxels[chest.lesion_labels.voxels > 0] == 1).all()


def test_densities_follow_the_kinds(chest: Phantom) -> None:
    voxels, labels = chest.volume.voxels, chest.lesion_labels.voxels
    solid, _, faint, hard = (float(np.median(voxels[labels == lesion.label])) for lesion in chest.lesions)
    assert -150 < solid < 150
    assert -750 < faint < -300
    assert hard > solid + 20


def test_aorta_is_as_wide_as_planned(chest: Phantom) -> None:
    assert max(chest.aorta_diameters_mm) == pytest.approx(48)
    assert len(chest.aorta_diameters_mm) == len(chest.aorta_centreline_mm)


def test_aorta_area_gives_the_true_diameter_where_it_runs_straight_down(chest: Phantom) -> None:
    assert chest.aorta is not None
    line, widths = np.array(chest.aorta_centreline_mm), np.array(chest.aorta_diameters_mm)
    grid, mask = chest.volume.grid, chest.aorta.voxels
    tried = 0
    for n in np.flatnonzero((line[:, 1] > 10) & (line[:, 2] < -30) & (line[:, 2] > -120)):
        heading = line[n + 1] - line[n - 1]
        upright = abs(heading[2]) / np.linalg.norm(heading)
        k, j, i = np.rint(grid.to_index(line[n])).astype(int)
        patch = mask[k, j - 15 : j + 16, i - 15 : i + 16]
        area = patch.sum() * grid.spacing_mm[1] * grid.spacing_mm[2] * upright
        assert 2 * np.sqrt(area / np.pi) == pytest.approx(widths[n], abs=1.0)
        tried += 1
    assert tried > 10


def test_tissues_have_their_hounsfield_units(chest: Phantom, plain: Phantom) -> None:
    for phantom in (chest, plain):
        assert phantom.lungs is not None
        assert -920 < np.median(phantom.volume.voxels[phantom.lungs.voxels > 0]) < -780
        assert np.percentile(phantom.volume.voxels, 1) < -960
    assert chest.aorta is not None
    assert plain.aorta is not None
    assert np.median(chest.volume.voxels[chest.aorta.voxels > 0]) > 130
    assert 25 < np.median(plain.volume.voxels[plain.aorta.voxels > 0]) < 60


def test_lungs_have_a_human_volume_on_both_sides(plain: Phantom) -> None:
    assert plain.lungs is not None
    grid = plain.volume.grid
    x = grid.to_mm(np.argwhere(plain.lungs.voxels > 0))[:, 0]
    litres = np.array([(x < 0).sum(), (x > 0).sum()]) * grid.voxel_mm3 / 1e6
    assert (litres > 0.8).all()
    assert (litres < 4).all()


def test_noise_is_as_asked() -> None:
    shape, spacing = (20, 100, 110), (12.0, 3.4, 3.4)
    quiet = simulate_thorax(5, ThoraxPlan(shape=shape, spacing_mm=spacing, nodules=0, noise_hu=0))
    loud = simulate_thorax(5, ThoraxPlan(shape=shape, spacing_mm=spacing, nodules=0, noise_hu=20))
    inside = quiet.volume.voxels > -900
    assert float((loud.volume.voxels.astype(float) - quiet.volume.voxels)[inside].std()) == pytest.approx(20, rel=0.1)


def test_a_scan_without_lungs_leaves_nodules_out_rather_than_inventing_them() -> None:
    tiny = simulate_thorax(2, ThoraxPlan(shape=(2, 40, 40), spacing_mm=(1.0, 1.0, 1.0), nodules=(NoduleSpec(30),)))
    assert tiny.lesions == ()
    assert tiny.lesion_labels.voxels.max() == 0
