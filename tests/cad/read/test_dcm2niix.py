"""dcm2niix as an oracle: every volume it makes of a real series that we read too is the same, voxel and affine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import factory
import nibabel as nib
import numpy as np
import pytest

from cad.volume import Volume

# Folders that both read without resampling, and the number of volumes. Sheared or resampled ones differ in method, not in
# truth (see test_defects); JPEG-LS is left out of many builds of dcm2niix (see test_syntaxes).
FOLDERS = {
    "LIDC-IDRI-0001_dicom": 1, "Lung_Dx-A0002_B40f": 1, "totalseg_example_ct_dicom_j2k": 1, "pseudoPHI_MR_ftdc/dicom": 1,
    "dicom2nifti/generic/anatomical": 2, "dicom2nifti/generic/compressed": 1, "dicom2nifti/generic/compressed_j2k": 1,
    "dicom2nifti/generic/compressed_jpeg": 1, "dicom2nifti/generic/compressed_rle": 1,
    "dicom2nifti/hitachi/anatomical": 1, "dicom2nifti/philips_enhanced/anatomical": 1, "dicom2nifti/philips_enhanced/dti": 4,
    "dicom2nifti/philips_enhanced/fmri": 4,
}  # fmt: skip


# dcm2niix takes the slice thickness (3.313 mm) for the step; the positions say 3.3125 mm and we follow them.
AFFINE_MM = {"dicom2nifti/philips_enhanced/fmri": 0.01}


@pytest.mark.parametrize("folder", FOLDERS)
def test_volumes_equal_dcm2niix_to_the_voxel_and_its_affine_to_a_micrometre(folder: str, shared_data: Path, tmp_path: Path) -> None:
    if shutil.which("dcm2niix") is None:
        pytest.skip("dcm2niix (the oracle; Debian package of that name) is not on this machine")
    source = shared_data / folder
    subprocess.run(
        ["dcm2niix", "-z", "n", "-p", "n", "-b", "n", "-f", "%s_%p", "-o", str(tmp_path), str(source)], capture_output=True, check=False
    )
    theirs = [volume for path in sorted(tmp_path.glob("*.nii")) for volume in volumes(path)]
    ours = factory.read_back([p for p in sorted(source.rglob("*")) if p.is_file()])[1].volumes
    assert len(ours) == FOLDERS[folder]
    for volume in ours:
        assert any(same(volume, voxels, affine, AFFINE_MM.get(folder, 1e-3)) for voxels, affine in theirs)


def volumes(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each 3D volume of a NIfTI file with its LPS affine, index order (x, y, z)."""
    image = nib.load(path)
    array = np.asanyarray(image.dataobj)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    return [(array, affine)] if array.ndim == 3 else [(array[..., k], affine) for k in range(array.shape[3])]


def same(ours: Volume, theirs: np.ndarray, affine: np.ndarray, within_mm: float) -> bool:
    """Whether every voxel of ours is found where their affine says it must be, with the same value."""
    to_theirs = np.linalg.inv(affine) @ ours.grid.affine
    turn = np.rint(to_theirs[:3, :3])
    if not np.array_equal(np.abs(turn).sum(axis=0), np.ones(3)):
        return False
    corners = np.array([[(0, n - 1)[bit >> a & 1] for a, n in enumerate(ours.grid.shape)] for bit in range(8)])
    index = np.rint(np.c_[corners, np.ones(8)] @ to_theirs.T)[:, :3]
    if (index < 0).any() or (index >= theirs.shape).any():
        return False
    off = ours.grid.to_mm(corners) - (np.c_[index, np.ones(8)] @ affine.T)[:, :3]
    turned = theirs.transpose([int(np.flatnonzero(turn[:, c])[0]) for c in range(3)])
    for axis in range(3):
        if turn[:, axis].sum() < 0:
            turned = np.flip(turned, axis)
    return (
        bool(np.abs(off).max() < within_mm)
        and turned.shape == ours.grid.shape
        and bool(np.allclose(turned, ours.voxels, rtol=1e-5, atol=1e-3))
    )
