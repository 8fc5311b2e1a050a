"""Real scans: a tilted head CT, a thick-sliced head MR with contrast, and bodies that have no head in view."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

sys.path.insert(0, str(Path(__file__).parent))
import heads
from heads import Scan

from anonymizer.defacing.account import Defaced, FaceVerdict, Status
from anonymizer.defacing.deface import deface


def images_in(folder: Path) -> list:
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.read_bytes()[128:132] == b"DICM")
    return [dcmread(path) for path in paths]


def brain_mr(shared: Path, remap=lambda signal: signal) -> list:
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.ReadImage(str(shared / "pyradiomics" / "brain1_image.nrrd"))
    axes = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    scan = Scan("T1", spacing=(image.GetSpacing()[1], image.GetSpacing()[0], image.GetSpacing()[2]))
    planes = remap(sitk.GetArrayFromImage(image).astype(np.float32))
    corners = [np.array(image.GetOrigin()) + k * axes[:, 2] for k in range(len(planes))]
    return [heads._slice(scan, np.maximum(p, 0), corners[k], axes[:, 1], axes[:, 0], k) for k, p in enumerate(planes)]


def changed_in(done: Defaced, images: list) -> np.ndarray:
    return np.stack([a.pixel_array != b.pixel_array for a, b in zip(images, done.images, strict=True)])


def test_a_tilted_head_ct(shared_data: Path) -> None:
    images = images_in(shared_data / "dcm_qa_ct_GE_tilt")
    done = deface(images)
    assert isinstance(done, Defaced), done
    assert done.account.status is Status.APPLIED
    assert done.account.brain_voxels_changed == 0
    assert (done.account.face_moved_share or 0) > 0.9
    hu = np.stack([i.pixel_array * float(i.RescaleSlope) + float(i.RescaleIntercept) for i in images])
    changed = changed_in(done, images)
    gone = changed & (hu > -300)
    assert 50 < gone.sum() * 0.488**2 * 5.5 / 1000 < 400, "ml of tissue"
    assert not changed[-12:][hu[-12:] > -300].any(), "the vault is whole"
    twice = deface(done.images)
    assert isinstance(twice, Defaced)
    assert twice.account.status is Status.NOT_NEEDED


def test_a_thick_sliced_head_mr_whose_nose_lies_outside_the_view(shared_data: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    images = brain_mr(shared_data)
    done = deface(images)
    assert isinstance(done, Defaced), done
    assert done.account.status is Status.APPLIED
    assert done.account.brain_voxels_changed == 0
    tumour = sitk.GetArrayFromImage(sitk.ReadImage(str(shared_data / "pyradiomics" / "brain1_label.nrrd"))) > 0
    assert not changed_in(done, images)[tumour].any()
    twice = deface(done.images)
    assert isinstance(twice, Defaced)
    assert twice.account.status is Status.NOT_NEEDED


@pytest.mark.parametrize(
    ("folder", "evidence"),
    [
        ("pseudoPHI_MR_ftdc/dicom", "no_head_in_view"),
        ("Lung_Dx-A0002_B40f", "no_head_in_view"),
        ("totalseg_example_ct_dicom_j2k", "no_head_in_view"),
        ("LIDC-IDRI-0001_dicom", "no_head_in_view"),
    ],
)
def test_bodies_without_a_head_pass_untouched(shared_data: Path, folder: str, evidence: str) -> None:
    images = images_in(shared_data / folder)
    done = deface(images)
    assert isinstance(done, Defaced), done
    assert (done.account.status, done.account.evidence) == (Status.NOT_NEEDED, evidence)
    assert all(a is b for a, b in zip(images, done.images, strict=True))


@pytest.mark.parametrize(
    "folder",
    [
        "dicom2nifti/philips_enhanced/anatomical/001",
        "dicom2nifti/philips_enhanced/dti/001",
        "dicom2nifti/philips_enhanced/fmri/001",
        "dicom2nifti/hitachi/anatomical/001",
        "dicom2nifti/generic/anatomical/001",
        "dcm_qa_ct_Philips_localizer",
    ],
)
def test_what_cannot_be_judged_is_refused(shared_data: Path, folder: str) -> None:
    """Series whose pixels are noise, four slices of a shoulder that says nothing of itself, a lateral scout."""
    images = [image for image in images_in(shared_data / folder) if "PixelData" in image]
    assert isinstance(deface(images), FaceVerdict)
