"""One defect each: corrected to the true volume or refused with its code, never silently wrong, every file accounted for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import factory
import numpy as np
import phantoms
import pytest
from factory import Datasets, Layout

from cad.read.limits import Limits
from cad.space import Grid

GRID = factory.small_grid()


def scene(where: Grid) -> np.ndarray:
    return phantoms.paint(where, [(phantoms.sphere((2, -3, 1), 17), 120.0), (phantoms.sphere((-6, 5, -4), 7), -400.0)], -1000.0)


@cache
def _whole(modality: str) -> Datasets:
    return factory.build(scene if modality == "CT" else lambda where: scene(where) + 1000, Layout(GRID), modality)


def truth() -> np.ndarray:
    return np.concatenate([scene(where) for where in Layout(GRID).slices()])


RIGHT: dict[str, Callable[[Datasets], Datasets]] = {
    "nothing wrong": list,
    "instance numbers reversed": factory.reverse,
    "files in random order": factory.shuffle,
    "one file copied": lambda d: factory.duplicate(d, 3),
    "one slice sent twice": lambda d: factory.resent(d, 3),
    "MONOCHROME1": factory.monochrome1,
    "stored signed": factory.signed,
    "rescale differs from slice to slice": factory.slope_per_slice,
}

REFUSED: dict[str, tuple[Callable[[Datasets], Datasets], str, str]] = {
    "a slice is missing": (lambda d: factory.gap(d, 4), "gap_in_series", "5.00 mm between -6.25 and -1.25 mm"),
    "three slices are missing": (lambda d: factory.gap(d, 4, 5, 6), "gap_in_series", "about 3 slices missing"),
    "one of four slices is missing": (lambda d: factory.gap(d[:4], 1), "gap_in_series", "about 1 slice missing"),
    "every other slice is missing at one end": (lambda d: factory.gap(d, 1, 3, 5, 7, 9), "gap_in_series", "5.00 mm"),
    "two pictures of one place": (lambda d: factory.conflict(d, 5), "conflicting_slices", "12.50 mm above the lowest"),
    "only one slice": (factory.single, "single_slice", "1 slice;"),
    "only two slices": (lambda d: d[:2], "too_few_slices", "2 slices;"),
    "a planning view": (factory.localizer, "localizer", "planning view"),
}

SPOILED: dict[str, tuple[Callable[[Datasets, int], Datasets], str]] = {
    "truncated": (factory.truncated, "truncated"),
    "another size": (factory.other_size, "mixed_size"),
    "another pixel spacing": (factory.other_spacing, "mixed_spacing"),
    "another plane": (factory.other_plane, "mixed_orientation"),
    "no position": (factory.missing_position, "missing_position"),
}


@pytest.mark.parametrize("defect", RIGHT)
def test_harmless_defects_give_the_true_volume(defect: str, tmp_path: Path) -> None:
    paths = factory.save(RIGHT[defect](_whole("CT")), tmp_path)
    scan, read = factory.read_back(paths)
    (volume,) = read.volumes
    assert np.abs(volume.voxels - truth()).max() <= 1
    assert np.allclose(volume.grid.affine, GRID.affine, atol=1e-5)
    assert len(volume.sources) == len(volume.voxels)
    assert [ref.position_mm[2] for ref in volume.sources if ref.position_mm] == sorted(
        ref.position_mm[2] for ref in volume.sources if ref.position_mm
    )
    assert not factory.unaccounted(paths, scan, read)


@pytest.mark.parametrize("defect", REFUSED)
def test_dangerous_defects_are_refused_with_their_evidence(defect: str, tmp_path: Path) -> None:
    change, reason, evidence = REFUSED[defect]
    paths = factory.save(change(_whole("CT")), tmp_path)
    scan, read = factory.read_back(paths)
    refusals = (*scan.refusals, *read.refusals)
    assert not read.volumes
    assert {r.reason for r in refusals} == {reason}
    assert all(evidence in r.detail for r in refusals)
    assert factory.reasons_by_path(refusals).keys() == {str(p) for p in paths}


@pytest.mark.parametrize("defect", SPOILED)
def test_a_spoiled_slice_inside_leaves_a_gap_and_at_the_end_is_left_out(defect: str, tmp_path: Path) -> None:
    change, reason = SPOILED[defect]
    inside = factory.save(change(_whole("CT"), 4), tmp_path / "inside")
    scan, read = factory.read_back(inside)
    reasons = factory.reasons_by_path((*scan.refusals, *read.refusals))
    assert not read.volumes
    assert reasons.pop(str(inside[4])) == reason
    assert set(reasons.values()) == {"gap_in_series"}
    end = factory.save(change(_whole("CT"), 11), tmp_path / "end")
    scan, read = factory.read_back(end)
    assert factory.reasons_by_path((*scan.refusals, *read.refusals)) == {str(end[11]): reason}
    assert np.abs(read.volumes[0].voxels - truth()[:11]).max() <= 1


def test_two_phases_become_two_volumes(tmp_path: Path) -> None:
    paths = factory.save(factory.two_phases(_whole("CT")), tmp_path)
    scan, read = factory.read_back(paths)
    early, late = read.volumes
    assert [w.reason for w in read.warnings] == ["series_split"]
    assert np.abs(early.voxels - truth()).max() <= 1
    assert (late.voxels - early.voxels == 10).all()
    assert not factory.unaccounted(paths, scan, read)


def test_padding_that_would_pass_for_bone_becomes_air(tmp_path: Path) -> None:
    _, read = factory.read_back(factory.save(factory.padded(_whole("CT")), tmp_path))
    (volume,) = read.volumes
    assert (volume.voxels[:, 0] == -1024).all()
    assert np.abs(volume.voxels[:, 1:] - truth()[:, 1:]).max() <= 1
    assert volume.voxels.dtype == np.int16


def test_mr_monochrome1_is_mirrored_so_that_signal_is_bright(tmp_path: Path) -> None:
    _, plain = factory.read_back(factory.save(_whole("MR"), tmp_path / "plain"))
    _, read = factory.read_back(factory.save(factory.monochrome1(_whole("MR")), tmp_path / "mono"))
    voxels = plain.volumes[0].voxels
    assert np.allclose(read.volumes[0].voxels, voxels.max() + voxels.min() - voxels)
    assert [w.reason for w in read.warnings] == ["monochrome1"]
    assert (read.volumes[0].unit, read.volumes[0].voxels.dtype) == ("a.u.", np.float32)


@pytest.mark.parametrize("degrees", [5.0, -18.5, 30.0])
def test_a_tilted_stack_is_sheared_back_and_landmarks_stay_within_a_tenth_of_a_millimetre(degrees: float, tmp_path: Path) -> None:
    ball = phantoms.sphere((1.3, -2.1, 0.7), 16)
    grid = factory.small_grid((24, 56, 40), (1.25, 0.8, 0.8))
    paths = factory.save(factory.build(lambda where: phantoms.paint(where, [(ball, 0.0)], -1000.0), Layout(grid, degrees)), tmp_path)
    scan, read = factory.read_back(paths)
    (volume,) = read.volumes
    (warning,) = read.warnings
    assert warning.reason == "gantry_tilt"
    assert f"{abs(degrees):.2f} degrees" in warning.detail
    assert np.allclose(centroid(volume.voxels, volume.grid), (1.3, -2.1, 0.7), atol=0.1)
    assert not factory.unaccounted(paths, scan, read)


def test_uneven_steps_are_resampled_and_landmarks_stay(tmp_path: Path) -> None:
    ball = phantoms.sphere((1.3, -2.1, 0.7), 16)
    grid = factory.small_grid((21, 40, 40), (1.25, 0.8, 0.8))
    rng = np.random.default_rng(4)
    along = tuple(float(v) for v in np.arange(21) * 1.25 + np.append(0, np.append(rng.uniform(-0.15, 0.15, 19), 0)))
    paths = factory.save(factory.build(lambda where: phantoms.paint(where, [(ball, 0.0)], -1000.0), Layout(grid, along_mm=along)), tmp_path)
    scan, read = factory.read_back(paths)
    (volume,) = read.volumes
    assert [w.reason for w in read.warnings] == ["uneven_spacing"]
    assert np.allclose(centroid(volume.voxels, volume.grid), (1.3, -2.1, 0.7), atol=0.1)
    assert not factory.unaccounted(paths, scan, read)


def test_a_wider_step_that_thicker_slices_cover_is_no_gap(tmp_path: Path) -> None:
    along = (*[4.0 * k for k in range(8)], *[28.0 + 8 * k for k in range(1, 6)])
    datasets = factory.build(scene, Layout(factory.small_grid((13, 40, 32), (4, 0.8, 0.8)), along_mm=along))
    thin = factory.save(datasets, tmp_path / "thin")
    for dataset in datasets[7:]:
        dataset.SliceThickness = 8
    thick = factory.save(datasets, tmp_path / "thick")
    assert {r.reason for r in factory.read_back(thin)[1].refusals} == {"gap_in_series"}
    scan, read = factory.read_back(thick)
    assert read.volumes[0].grid.spacing_mm[0] == pytest.approx(4.0)
    assert not factory.unaccounted(thick, scan, read)


@pytest.mark.parametrize("seed", range(3))
def test_an_oblique_mr_is_put_where_it_was(seed: int, tmp_path: Path) -> None:
    grid = phantoms.oblique((14, 30, 26), (2.0, 1.0, 1.2), (30, -40, 500), seed)
    ball = phantoms.sphere((31, -41, 502), 12)
    paths = factory.save(factory.build(lambda where: phantoms.paint(where, [(ball, 900.0)], 50.0), Layout(grid), "MR"), tmp_path)
    (volume,) = factory.read_back(paths)[1].volumes
    assert np.allclose(volume.grid.affine, grid.affine, atol=1e-4)
    assert np.allclose(centroid(volume.voxels - 50, volume.grid), (31, -41, 502), atol=0.1)


def test_thresholds_are_the_callers(tmp_path: Path) -> None:
    paths = factory.save(_whole("CT")[:2], tmp_path)
    _, read = factory.read_back(paths, Limits(slices=(10, 2)))
    assert read.volumes[0].grid.shape[0] == 2
    assert [w.reason for w in read.warnings] == ["too_few_slices"]
    paths = factory.save(factory.build(scene, Layout(GRID, 15.0)), tmp_path / "tilt")
    _, read = factory.read_back(paths, Limits(tilt_degrees=(0.1, 10)))
    assert {r.reason for r in read.refusals} == {"gantry_tilt"}


def centroid(voxels: np.ndarray, grid: Grid) -> np.ndarray:
    weight = (voxels.astype(float) - min(float(voxels.min()), -1000.0) if voxels.min() < -500 else voxels.astype(float)).clip(0)
    weight[weight < 25] = 0
    points = grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))
    return (points * weight[..., None]).sum(axis=(0, 1, 2)) / weight.sum()
