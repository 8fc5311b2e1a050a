"""NIfTI in and out: the flip happens once, and another reader agrees on where things are."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import phantoms
import pytest
import SimpleITK as sitk

from cad.errors import ShokenError
from cad.read.nifti import read_nifti, write_nifti
from cad.volume import Volume


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32])
@pytest.mark.parametrize("seed", range(3))
def test_out_and_in_again_is_the_same_volume(dtype: type, seed: int, tmp_path: Path) -> None:
    grid = phantoms.oblique((5, 6, 7), (2.5, 0.7, 0.9), (10, -200, 33), seed)
    volume = Volume(np.random.default_rng(seed).integers(0, 200, grid.shape).astype(dtype), grid, "a.u.", "MR")
    write_nifti(volume, tmp_path / "v.nii.gz")
    again = read_nifti(tmp_path / "v.nii.gz", "a.u.", "MR")
    assert np.array_equal(again.voxels, volume.voxels)
    assert again.voxels.dtype == dtype
    assert np.allclose(again.grid.affine, grid.affine, atol=1e-4)
    assert (again.unit, again.modality) == ("a.u.", "MR")


def test_an_independent_reader_finds_the_voxel_at_the_same_lps_place(tmp_path: Path) -> None:
    grid = phantoms.oblique((8, 9, 10), (2, 1, 1.5), (5, 6, 7), 4)
    voxels = np.zeros(grid.shape, np.int16)
    voxels[3, 4, 5] = 1000
    write_nifti(Volume(voxels, grid), tmp_path / "v.nii")
    image = sitk.ReadImage(str(tmp_path / "v.nii"))
    index = image.TransformPhysicalPointToIndex([float(v) for v in grid.to_mm((3, 4, 5))])
    assert image[index] == 1000


def test_bad_files_name_themselves(tmp_path: Path) -> None:
    (path := tmp_path / "bad.nii").write_bytes(b"not an image")
    with pytest.raises(ShokenError, match=r"bad\.nii"):
        read_nifti(path)
    nib.save(nib.Nifti1Image(np.zeros((4, 4), np.int16), np.eye(4)), tmp_path / "flat.nii")
    with pytest.raises(ShokenError, match="3D"):
        read_nifti(tmp_path / "flat.nii")
    with pytest.raises(ShokenError, match=r"gone\.nii"):
        read_nifti(tmp_path / "gone.nii")
