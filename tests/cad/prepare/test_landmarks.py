"""Small bright spheres at known LPS places, scanned with a tilted gantry and uneven steps, read back, and found again to 0.1 mm.

The place of a sphere in the volume is its centre of mass in LPS: what a measurement or a registration would take.
"""

from __future__ import annotations

from pathlib import Path

import factory
import numpy as np
import phantoms
import pytest
from factory import Layout

from cad.prepare.resample import resample
from cad.space import Grid
from cad.volume import Volume

DIAMETER_MM = 14.0
SPHERES_MM = np.array([(-21.3, -18.7, -17.9), (18.4, -12.1, 3.3), (-9.6, 21.8, 12.2), (22.7, 17.2, -6.4), (0.4, 0.9, 21.1)])
WITHIN_MM = 0.1
GRID = factory.small_grid((48, 128, 88), (1.5, 0.9, 0.9))

UNEVEN = tuple(np.cumsum([0.0, *(1.0 + 0.25 * (k % 3) for k in range(56))]))  # each slice of 1.5 mm reaches the next


def spheres(where: Grid) -> np.ndarray:
    """Soft tissue with bright spheres, each voxel the mean over its slice thickness and pixel."""
    return phantoms.paint(where, [(phantoms.sphere(tuple(at), DIAMETER_MM), 1000.0) for at in SPHERES_MM], 0.0)


def errors_mm(volume: Volume) -> np.ndarray:
    """Distance of each sphere's centre of mass from where it was put."""
    points = volume.grid.to_mm(np.moveaxis(np.indices(volume.grid.shape), 0, -1))
    out = []
    for truth in SPHERES_MM:
        near = np.linalg.norm(points - truth, axis=-1) < DIAMETER_MM * 0.9
        weight = np.clip(volume.voxels[near].astype(float), 0, None)
        out.append(np.linalg.norm((points[near] * weight[:, None]).sum(axis=0) / weight.sum() - truth))
    return np.array(out)


def turned_grid() -> Grid:
    """The same stack with its axes turned 12 degrees about x, as a head is scanned."""
    turn = np.radians(12)
    rotation = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ GRID.affine[:3, :3]
    affine[:3, 3] = rotation @ GRID.affine[:3, 3]
    return Grid(GRID.shape, affine)


LAYOUTS = {
    "straight": Layout(GRID),
    "tilted 15 degrees": Layout(GRID, tilt_degrees=15),
    "tilted -22 degrees": Layout(GRID, tilt_degrees=-22),
    "uneven": Layout(GRID, along_mm=UNEVEN),
    "uneven and tilted": Layout(GRID, tilt_degrees=15, along_mm=UNEVEN),
    "oblique": Layout(turned_grid()),
    "oblique and tilted": Layout(turned_grid(), tilt_degrees=10),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_landmarks_of_a_series_stay_within_a_tenth_of_a_millimetre(name: str, tmp_path: Path) -> None:
    paths = factory.save(factory.build(spheres, LAYOUTS[name]), tmp_path)
    _, read = factory.read_back(paths)
    (volume,) = read.volumes
    assert errors_mm(volume).max() < WITHIN_MM


@pytest.mark.parametrize("spacing_mm", [0.8, 1.5, 2.5])
@pytest.mark.parametrize("name", ["straight", "oblique"])
def test_landmarks_stay_when_a_volume_is_resampled_for_a_network(name: str, spacing_mm: float) -> None:
    where = LAYOUTS[name].grid
    volume = Volume(spheres(where), where, "HU", "CT")
    box = where.box()
    shape = [int(size / spacing_mm) for size in reversed(box.size_mm)]
    network = Grid.axial(shape, (spacing_mm,) * 3, [low + spacing_mm / 2 for low in box.low_mm])
    assert errors_mm(resample(volume, network, 0.0)).max() < WITHIN_MM


def test_there_and_back_again_moves_no_landmark() -> None:
    where = turned_grid()
    volume = Volume(spheres(where), where, "HU", "CT")
    there = resample(volume, GRID.with_spacing((1.0, 1.0, 1.0)), 0.0)
    assert errors_mm(resample(there, where, 0.0)).max() < WITHIN_MM
