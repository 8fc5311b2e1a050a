"""Registration against known maps, and against a real pair with landmarks; and whether two scans are of one person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from cad.errors import GridError
from cad.prepare.register import on_current, register
from cad.prepare.same_patient import same_patient
from cad.simulate.head import HeadPlan, simulate_head
from cad.simulate.phantom import Phantom
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.space import FloatArray, Grid
from cad.volume import Volume

PLAN = ThoraxPlan(shape=(90, 130, 140), spacing_mm=(3.0, 2.6, 2.6), nodules=0)
Map = Callable[[FloatArray], FloatArray]


@pytest.fixture(scope="module")
def chest() -> Phantom:
    return simulate_thorax(11, PLAN)


def moved(grid: Grid, seed: int, breath_mm: float) -> Map:
    """Current points to prior points: turned by some degrees, shifted, and breathed out towards the diaphragm."""
    rng = np.random.default_rng(seed)
    middle = grid.to_mm(np.asarray(grid.shape) / 2)
    turn = Rotation.from_euler("xyz", rng.uniform(-5, 5, 3), degrees=True).as_matrix()
    shift = rng.uniform(-15, 15, 3)

    def to_prior(points: FloatArray) -> FloatArray:
        bent = np.array(points, dtype=np.float64)
        bent[..., 2] += breath_mm * np.clip((middle[2] - points[..., 2]) / 130, 0, 1) ** 1.5
        return np.asarray((bent - middle) @ turn.T + middle + shift)

    return to_prior


def seen_through(volume: Volume, to_prior: Map, seed: int) -> Volume:
    """The scan of the same patient on another day, with noise of its own."""
    at = volume.grid.to_index(to_prior(volume.grid.to_mm(np.moveaxis(np.indices(volume.grid.shape), 0, -1))))
    voxels = ndimage.map_coordinates(volume.voxels.astype(np.float32), np.moveaxis(at, -1, 0), order=1, cval=-1000)
    noise = np.random.default_rng(seed).normal(0, 20, volume.grid.shape)
    return Volume((voxels + noise).astype(np.int16), volume.grid)


def inside(phantom: Phantom, count: int = 300) -> FloatArray:
    """Points in the lungs."""
    index = np.argwhere(phantom.lungs.voxels > 0)
    return phantom.volume.grid.to_mm(index[np.random.default_rng(0).choice(len(index), count)])


def error_mm(found: FloatArray, truth: FloatArray) -> float:
    return float(np.linalg.norm(found - truth, axis=-1).mean())


def test_a_patient_who_lay_differently_is_found_to_a_fraction_of_a_voxel(chest: Phantom) -> None:
    to_prior = moved(chest.volume.grid, 1, 0.0)
    current = seen_through(chest.volume, to_prior, 1)
    points = inside(chest)
    found = register(chest.volume, current, deformable=False)
    assert error_mm(points, to_prior(points)) > 10
    assert error_mm(found.to_prior(points), to_prior(points)) < 1.0
    assert found.correlation[0] < found.correlation[1]


def test_breathing_is_followed_and_the_map_does_not_fold(chest: Phantom) -> None:
    to_prior = moved(chest.volume.grid, 2, 20.0)
    current = seen_through(chest.volume, to_prior, 2)
    points = inside(chest)
    found = register(chest.volume, current)
    rigid = error_mm(replace(found, field=None).to_prior(points), to_prior(points))
    assert error_mm(found.to_prior(points), to_prior(points)) < min(2.0, 0.5 * rigid)
    assert found.folded < 1e-3
    assert np.abs(found.to_current(found.to_prior(points)) - points).max() < 0.01
    assert found.to_prior(points[0]).shape == (3,)
    shown = on_current(chest.volume, found, current.grid, -1000.0)
    body = current.voxels > -500
    before = np.abs(chest.volume.voxels[body].astype(float) - current.voxels[body]).mean()
    assert np.abs(shown.voxels[body] - current.voxels[body]).mean() < 0.5 * before
    assert np.array_equal(register(chest.volume, current).field, found.field)


def test_part_of_the_chest_is_found_in_the_whole(chest: Phantom) -> None:
    grid = chest.volume.grid
    part_grid = grid.crop((20, 0, 0), (45, grid.shape[1], grid.shape[2]))
    part = Volume(chest.volume.voxels[20:65].copy(), part_grid)
    found = register(chest.volume, part, deformable=False)
    points = inside(chest)
    assert error_mm(found.to_prior(points), points) < 1.5


def test_a_picture_of_nothing_is_refused(chest: Phantom) -> None:
    air = chest.volume.like(np.full(chest.volume.grid.shape, -1000, dtype=np.int16))
    with pytest.raises(GridError, match="no body"):
        register(air, chest.volume)


def test_the_same_person_is_confirmed_and_a_stranger_is_not(chest: Phantom) -> None:
    again = seen_through(chest.volume, moved(chest.volume.grid, 3, 12.0), 3)
    stranger = simulate_thorax(12, PLAN).volume
    one = same_patient(chest.volume, again, register(chest.volume, again, deformable=False))
    two = same_patient(stranger, again, register(stranger, again, deformable=False))
    assert (one.confirmed, two.confirmed) == (True, False)
    assert one.score is not None
    assert two.score is not None
    assert one.score > two.score + 0.1
    assert "does not reach" in two.reason


def test_a_head_is_known_again_in_another_sequence_and_a_stranger_is_not() -> None:
    plan = HeadPlan((60, 90, 76), (3.0, 2.6, 2.6), 0, "T1c", noise=0.0)
    first = simulate_head(100, plan).volume
    same, other = (head_again(simulate_head(seed, replace(plan, sequence="FLAIR")).volume, 5) for seed in (100, 101))
    one, two = (same_patient(first, again, register(first, again, deformable=False)) for again in (same, other))
    assert (one.confirmed, two.confirmed) == (True, False)
    assert one.score is not None
    assert two.score is not None
    assert one.score > two.score + 0.1
    assert "edges within the head agree" in one.reason


def head_again(head: Volume, seed: int) -> Volume:
    """The same head as it lies on another day, under noise of its own."""
    to_prior = moved(head.grid, seed, 0.0)
    at = head.grid.to_index(to_prior(head.grid.to_mm(np.moveaxis(np.indices(head.grid.shape), 0, -1))))
    voxels = ndimage.map_coordinates(head.voxels.astype(np.float32), np.moveaxis(at, -1, 0), order=1)
    noise = np.random.default_rng(seed).normal(0, 15, (2, *head.grid.shape))
    return Volume(np.hypot(voxels + noise[0], noise[1]).astype(np.float32), head.grid, "a.u.", "MR")


def test_a_real_head_is_known_again_when_it_lies_differently(shared_data: Path) -> None:
    """One head and its own picture, moved: the only real head at hand. That a real stranger is told apart is not measured."""
    head = _read(shared_data / "pyradiomics" / "brain1_image.nrrd")
    head = Volume(head.voxels.astype(np.float32), head.grid, "a.u.", "MR")
    again = head_again(head, 6)
    assert same_patient(head, again, register(head, again, deformable=False)).confirmed


def test_what_is_no_head_is_not_compared_on_mr() -> None:
    knee = np.zeros((40, 80, 80), dtype=np.float32)
    knee[:, 20:60, 20:60] = 500
    volume = Volume(
        knee + np.random.default_rng(0).normal(0, 5, knee.shape).astype(np.float32), Grid.axial(knee.shape, (3.0, 2.0, 2.0)), "a.u.", "MR"
    )
    answer = same_patient(volume, volume, register(volume, volume, deformable=False))
    assert (answer.score, answer.confirmed) == (None, False)
    assert "head" in answer.reason


def test_what_cannot_be_compared_is_not_confirmed(chest: Phantom) -> None:
    found = register(chest.volume, chest.volume, deformable=False)
    soft = chest.volume.like(np.minimum(chest.volume.voxels, 60))
    for prior in (Volume(chest.volume.voxels, chest.volume.grid, "1", "MR"), soft):
        answer = same_patient(prior, chest.volume, found)
        assert (answer.score, answer.confirmed) == (None, False)


def test_a_real_baseline_and_follow_up(shared_data: Path) -> None:
    """Ten landmark pairs in the voxel indices of an elastix example; nothing was tuned on them."""
    folder = shared_data / "elastix_lung_pair"
    prior, current = (_read(folder / f"3DCT_lung_{name}.mha") for name in ("baseline", "followup"))
    truth, points = (_landmarks(folder / f"3DCT_lung_{name}.txt", v.grid) for name, v in (("baseline", prior), ("followup", current)))
    found = register(prior, current)
    before, rigid, after = (error_mm(x, truth) for x in (points, replace(found, field=None).to_prior(points), found.to_prior(points)))
    assert before > 30
    assert rigid < 10
    assert after < 4.5
    assert same_patient(prior, current, found).confirmed


def _read(path: Path) -> Volume:
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    voxels = sitk.GetArrayFromImage(image)
    return Volume(voxels, Grid.axial(voxels.shape, image.GetSpacing()[::-1], image.GetOrigin()))


def _landmarks(path: Path, grid: Grid) -> FloatArray:
    rows = [line.split() for line in path.read_text().splitlines()[2:] if line.strip()]
    return grid.to_mm(np.asarray(rows, dtype=float)[:, ::-1])
