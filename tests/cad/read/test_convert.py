"""A series to NIfTI: the volume is the true one and every file has a row."""

from __future__ import annotations

from pathlib import Path

import factory
import numpy as np
import phantoms
from factory import Layout

from cad.read.convert import convert_series
from cad.read.headers import read_headers
from cad.read.nifti import read_nifti
from cad.space import Grid

GRID = factory.small_grid()


def scene(where: Grid) -> np.ndarray:
    return phantoms.paint(where, [(phantoms.sphere((0, 0, 0), 15), 80.0)], -900.0)


def test_every_file_has_one_row_and_the_volume_is_true(tmp_path: Path) -> None:
    paths = factory.save(factory.resent(factory.build(scene, Layout(GRID)), 2), tmp_path / "in")
    (study,) = read_headers(paths).studies
    done = convert_series(study.series[0], tmp_path / "out")
    assert [row.path for row in done.rows] == [str(p) for p in paths]
    assert sorted(row.status for row in done.rows) == ["converted"] * 12 + ["refused"]
    assert [row.reason for row in done.rows if row.status == "refused"] == ["duplicate_slice"]
    (name,) = done.outputs
    assert study.series[0].series_instance_uid not in name
    volume = read_nifti(tmp_path / "out" / name)
    assert np.allclose(volume.grid.affine, GRID.affine, atol=1e-4)
    assert np.abs(volume.voxels - np.concatenate([scene(w) for w in Layout(GRID).slices()])).max() <= 1


def test_several_volumes_get_a_number_each_and_a_refused_series_writes_none(tmp_path: Path) -> None:
    datasets = factory.build(scene, Layout(GRID))
    (study,) = read_headers(factory.save(factory.two_phases(datasets), tmp_path / "in")).studies
    assert convert_series(study.series[0], tmp_path / "out", "phases").outputs == ("phases-1.nii.gz", "phases-2.nii.gz")
    (study,) = read_headers(factory.save(factory.gap(datasets, 4), tmp_path / "gap")).studies
    done = convert_series(study.series[0], tmp_path / "none", "gap")
    assert done.outputs == ()
    assert {row.reason for row in done.rows} == {"gap_in_series"}
