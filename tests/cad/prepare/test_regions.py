"""Body, lungs, brain and crops on phantoms whose parts are known, in any orientation, and on real scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantoms
import pytest

from cad.errors import GridError
from cad.prepare.bodypart import body_part
from cad.prepare.regions import body, bounding_grid, brain, lungs
from cad.prepare.resample import resample_labels
from cad.read.assemble import assemble
from cad.read.headers import read_headers
from cad.space import Grid
from cad.volume import Volume

CHEST = phantoms.thorax(Grid.axial((48, 84, 88), (6, 5, 5), (-217.5, -207.5, -141)))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Dice."""
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def true_lungs(grid: Grid) -> np.ndarray:
    right, left = (phantoms.coverage(grid, phantoms.ellipsoid((x, 0, 0), (110, 160, 220)), 3) for x in (-85, 85))
    return right + left > 0.5


def test_lungs_are_found_without_trachea_table_or_outside_air() -> None:
    found = lungs(CHEST).voxels > 0
    assert overlap(found, true_lungs(CHEST.grid)) > 0.95
    trachea = phantoms.coverage(CHEST.grid, phantoms.tube([(0, -10, 60), (0, -10, 130)], 12), 3) > 0.5
    assert found[trachea].mean() < 0.1


def test_a_nodule_on_the_pleura_lies_inside_the_lung_mask() -> None:
    nodule = phantoms.coverage(CHEST.grid, phantoms.sphere((-133, 0, 0), 14), 3)
    sick = CHEST.like(np.rint(CHEST.voxels + nodule * (30 - CHEST.voxels)).astype(np.int16))
    inside_lung = (nodule > 0.5) & true_lungs(CHEST.grid)
    assert (lungs(sick).voxels > 0)[inside_lung].mean() > 0.95


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_orientation_of_the_stack_does_not_matter(order: tuple[int, int, int]) -> None:
    affine = CHEST.grid.affine[:, [*order, 3]].copy()
    affine[:3, 3] += affine[:3, 0] * (CHEST.grid.shape[order[0]] - 1)
    affine[:3, 0] *= -1
    turned = Volume(
        np.ascontiguousarray(np.flip(CHEST.voxels.transpose(order), 0)), Grid(tuple(CHEST.grid.shape[a] for a in order), affine)
    )
    back = resample_labels(lungs(turned), CHEST.grid)
    assert overlap(back.voxels > 0, true_lungs(CHEST.grid)) > 0.95


def test_the_body_holds_the_lungs_but_not_the_table() -> None:
    found = body(CHEST).voxels > 0
    truth = phantoms.coverage(CHEST.grid, phantoms.ellipsoid((0, 0, 0), (360, 240, 2000)), 3) > 0.5
    assert overlap(found, truth) > 0.96
    assert not found[phantoms.coverage(CHEST.grid, phantoms.box((-200, 136, -200), (200, 144, 200)), 3) > 0.9].any()


def test_no_lungs_give_an_empty_mask_and_an_empty_mask_has_no_crop() -> None:
    solid = CHEST.like(np.where(CHEST.voxels < -700, -1000, 40).astype(np.int16))
    water = Volume(np.full((20, 40, 40), 30, np.int16), Grid.axial((20, 40, 40), (5, 5, 5)))
    assert lungs(water).voxels.sum() == 0
    assert solid.grid == CHEST.grid
    with pytest.raises(GridError, match="empty"):
        bounding_grid(lungs(water), 5)


def test_the_crop_holds_the_mask_and_its_margin_and_stays_in_the_volume() -> None:
    grid = Grid.axial((30, 40, 50), (2, 1, 1))
    mask = phantoms.mask(grid, phantoms.box((9.6, 4.6, 19.6), (14.4, 10.4, 30.4)))
    crop = bounding_grid(mask, 4)
    assert crop.origin_mm == (6, 1, 16)
    assert crop.shape == (10, 14, 13)
    assert bounding_grid(mask, 1000) == grid


def head_mr(grid: Grid) -> tuple[Volume, np.ndarray]:
    """Scalp, dark skull, brain with noise; and where the brain is."""
    things = [
        (phantoms.ellipsoid((0, 0, 0), (166, 200, 160)), 700.0),
        (phantoms.ellipsoid((0, 0, 0), (152, 186, 146)), 60.0),
        (phantoms.ellipsoid((0, 0, 0), (136, 170, 130)), 420.0),
    ]
    voxels = phantoms.paint(grid, things, 10.0) + np.random.default_rng(0).normal(0, 12, grid.shape)
    truth = phantoms.coverage(grid, phantoms.ellipsoid((0, 0, 0), (136, 170, 130)), 3) > 0.5
    return Volume(np.abs(voxels).astype(np.float32), grid, "a.u.", "MR"), truth


def test_the_brain_is_found_inside_skull_and_scalp() -> None:
    volume, truth = head_mr(Grid.axial((56, 86, 74), (4, 3, 3), (-109.5, -127.5, -110)))
    assert overlap(brain(volume).voxels > 0, truth) > 0.93
    whole = phantoms.coverage(volume.grid, phantoms.ellipsoid((0, 0, 0), (166, 200, 160)), 3) > 0.5
    assert overlap(body(volume).voxels > 0, whole) > 0.95


def test_body_parts_are_told_apart_on_phantoms() -> None:
    volume, _ = head_mr(Grid.axial((56, 86, 74), (4, 3, 3), (-109.5, -127.5, -110)))
    assert body_part(CHEST).name == "chest"
    assert body_part(volume).name == "head"
    grid = Grid.axial((40, 60, 60), (4, 4, 4), (-118, -118, -78))
    shell = [(phantoms.ellipsoid((0, 0, 0), (160, 200, 400)), 900.0), (phantoms.ellipsoid((0, 0, 0), (146, 186, 380)), 35.0)]
    assert body_part(phantoms.ct(grid, shell)).name == "head"
    assert body_part(phantoms.ct(grid, [(phantoms.sphere((0, 0, 0), 90), 30.0)])).name == "other"
    wide = Grid.axial((20, 60, 84), (6, 5, 5), (-207.5, -147.5, -57))
    assert body_part(phantoms.ct(wide, [(phantoms.ellipsoid((0, 0, 0), (350, 240, 2000)), 40.0)])).name == "abdomen"
    assert body_part(Volume(np.full((8, 8, 8), -1000, np.int16), Grid.axial((8, 8, 8), (5, 5, 5)))).name == "other"


@pytest.mark.parametrize(
    ("folder", "part"),
    [("Lung_Dx-A0002_B40f", "chest"), ("totalseg_example_ct_dicom_j2k", "abdomen"), ("pseudoPHI_MR_ftdc/dicom", "body")],
)
def test_body_parts_of_real_scans(shared_data: Path, folder: str, part: str) -> None:
    scan = read_headers(sorted((shared_data / folder).iterdir()))
    (volume,) = assemble(scan.studies[0].series[0]).volumes
    assert body_part(volume).name == part


def test_real_lungs_are_as_large_as_lungs_are(shared_data: Path) -> None:
    scan = read_headers(sorted((shared_data / "Lung_Dx-A0002_B40f").iterdir()))
    (volume,) = assemble(scan.studies[0].series[0]).volumes
    mask = lungs(volume)
    ml = float(mask.voxels.sum()) * mask.grid.voxel_mm3 / 1000
    assert 2200 < ml < 3300
    assert -900 < np.median(volume.voxels[mask.voxels > 0]) < -700
