"""Simulated nodules in a scan that is already there: true to size, in the lungs, with the scan's blur and noise, in training only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cad.datasets.insertion import WithNodules, _insert, _Lungs, edge_blur_mm, insert_nodules
from cad.simulate.nodules import NoduleSpec, make_nodule
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.space import Grid
from cad.train.recipe import CALIBRATION_SEEDS, TRAIN_SEEDS
from cad.volume import Volume

PLAN = ThoraxPlan(shape=(56, 120, 140), spacing_mm=(5.0, 2.5, 2.5), nodules=(NoduleSpec(14),), noise_hu=15)
SPECS = (NoduleSpec(20, "solid"), NoduleSpec(15, "ground_glass"), NoduleSpec(16, "solid", "pleural"), NoduleSpec(9, "solid", "vascular"))


@pytest.fixture(scope="module")
def scan():
    return simulate_thorax(31, PLAN)


@pytest.fixture(scope="module")
def richer(scan):
    return insert_nodules(scan, SPECS, np.random.default_rng(5))


def test_nodules_come_after_the_scans_own_and_are_as_large_as_asked(scan, richer):
    assert richer.lesions[0] == scan.lesions[0]
    added = richer.lesions[1:]
    assert [x.kind for x in added] == [s.kind for s in SPECS]
    assert [x.label for x in added] == [2, 3, 4, 5]
    assert [x.diameter_mm for x in added] == pytest.approx([s.diameter_mm for s in SPECS], rel=0.06)
    grid, labels = richer.volume.grid, richer.lesion_labels.voxels
    for lesion in added[:3]:
        index = np.argwhere(labels == lesion.label)
        assert len(index) * grid.voxel_mm3 == pytest.approx(lesion.volume_mm3, rel=0.25)
        assert np.linalg.norm(grid.to_mm(index.mean(axis=0)) - lesion.centre_mm) < 1.5


def test_nothing_changes_away_from_them_and_nothing_lies_outside_the_lungs(scan, richer):
    changed = np.argwhere(richer.volume.voxels != scan.volume.voxels)
    places = scan.volume.grid.to_mm(changed)
    nearest = np.min([np.linalg.norm(places - x.centre_mm, axis=1) / x.diameter_mm for x in richer.lesions[1:]], axis=0)
    assert nearest.max() < 4
    added = richer.lesion_labels.voxels > 1
    assert (scan.lungs.voxels[added] == 1).mean() > 0.9


def test_densities_follow_the_kinds(richer):
    labels, after = richer.lesion_labels.voxels, richer.volume.voxels
    solid, faint = (np.median(after[labels == n]) for n in (2, 3))
    assert -200 < solid < 120
    assert -750 < faint < -300


def test_the_noise_of_the_scan_stays_in_the_nodule():
    grid = Grid.axial((24, 48, 48), (2.0, 1.0, 1.0))
    lungs = _Lungs(np.full((4, 4, 4), -850, dtype=np.float32), grid, np.full(grid.shape, -50, dtype=np.float32))
    nodule = make_nodule(np.random.default_rng(2), NoduleSpec(18, "solid"), np.array([24.0, 24.0, 24.0]), lungs.inside)
    noise = np.random.default_rng(3).normal(0, 30, grid.shape).astype(np.float32)
    plain, loud = (np.full(grid.shape, -850, dtype=np.float32) + extra for extra in (np.float32(0), noise))
    labels = np.zeros(grid.shape, dtype=np.uint8)
    for voxels in (plain, loud):
        assert _insert(voxels, labels, 1, nodule, lungs, grid, 0.5) is not None
    inside = labels == 1
    assert inside.sum() > 1000
    assert np.std((loud - plain)[inside]) == pytest.approx(30, rel=0.25)
    assert np.corrcoef((loud - plain)[inside], noise[inside])[0, 1] > 0.8


def test_the_same_seed_inserts_the_same_and_only_into_scans_that_are_trained_on(scan):
    more = WithNodules(lambda _: scan, 4)
    first, again = (more(TRAIN_SEEDS + 1) for _ in range(2))
    assert first.volume.digest() == again.volume.digest()
    assert len(first.lesions) > len(scan.lesions)
    assert more(CALIBRATION_SEEDS) is scan


def test_a_scan_that_cannot_take_any_comes_back_as_it_is(scan):
    air = Volume(np.full((20, 30, 30), -1000, dtype=np.int16), Grid.axial((20, 30, 30), (4, 4, 4)))
    blank = replace(scan, volume=air, lesion_labels=Volume(np.zeros((20, 30, 30), dtype=np.uint8), air.grid), lesions=())
    assert insert_nodules(blank, SPECS, np.random.default_rng(0)) is blank
    turned = replace(
        scan, volume=replace(scan.volume, grid=Grid(scan.volume.grid.shape, scan.volume.grid.affine @ np.diag([1, -1, -1, 1])))
    )
    assert insert_nodules(turned, SPECS, np.random.default_rng(0)) is turned


@pytest.mark.parametrize(("kernel", "sigma_mm"), [("soft", 0.55), ("sharp", 0.32)])
def test_the_skin_tells_how_blurred_a_scan_is(kernel, sigma_mm):
    plan = ThoraxPlan(shape=(3, 400, 460), spacing_mm=(5.0, 0.75, 0.75), nodules=0, noise_hu=4, kernel=kernel)
    drawn = np.hypot(sigma_mm, 0.75 / np.sqrt(12))  # edges are drawn one pixel wide before the kernel blurs them
    assert edge_blur_mm(simulate_thorax(3, plan).volume) == pytest.approx(drawn, rel=0.3)
