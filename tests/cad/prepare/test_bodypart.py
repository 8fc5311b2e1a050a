"""The body part from the pixels: a confusion table over simulated, analytic and real volumes, and what must never happen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import body_cases
import numpy as np
import pytest
import SimpleITK as sitk

from cad.prepare.bodypart import CT_PARTS, MR_PARTS, body_part
from cad.read.assemble import assemble
from cad.read.headers import read_headers
from cad.read.limits import Limits
from cad.space import Grid
from cad.volume import Volume


def test_the_confusion_table_is_a_diagonal() -> None:
    table = Counter((one.modality, truth, body_part(one).name) for truth, _, one in body_cases.known())
    wrong = {row: n for row, n in table.items() if row[1] != row[2]}
    assert not wrong
    assert table.total() == 44
    assert {name for _, _, name in table} <= {*CT_PARTS, *MR_PARTS}


@pytest.mark.parametrize("seed", [1, 2])
def test_parts_of_a_head_are_never_a_chest_and_parts_of_a_chest_never_a_head(seed: int) -> None:
    for low, high, axis in ((0.5, 1, 0), (0, 0.5, 0), (0, 0.5, 2), (0.3, 0.6, 0)):
        for whole in (body_cases.head_ct(seed), body_cases.head_mr(seed)):
            part = body_part(body_cases.part(whole, low, high, axis))
            assert part.name != "chest"
            assert part.partly != "chest"
        assert body_part(body_cases.part(body_cases.chest(seed), low, high, axis)).name in {"chest", "other"}


def test_gas_in_the_bowel_is_no_lung_and_lung_bases_are_no_chest() -> None:
    assert body_part(body_cases.colonography()).name == "abdomen"
    bases = body_part(body_cases.abdomen(lung_bases=True))
    assert (bases.name, bases.partly) == ("abdomen", "chest")


def test_some_lung_in_a_slab_is_partly_a_chest() -> None:
    slab = body_part(body_cases.part(body_cases.chest(2), 0, 0.2))
    assert (slab.name, slab.partly) == ("other", "chest")


def test_a_limb_as_wide_as_a_head_is_no_head() -> None:
    part = body_part(body_cases.knee_mr())
    assert (part.name, part.partly) == ("other", "")
    assert "no skull" in part.reason


def test_an_empty_or_constant_picture_is_other() -> None:
    for value in (-1000, 0, 3000):
        assert body_part(Volume(np.full((8, 8, 8), value, np.int16), Grid.axial((8, 8, 8), (5, 5, 5)))).name == "other"


REAL_SERIES = [
    ("LIDC-IDRI-0001_dicom", "chest"),
    ("Lung_Dx-A0002_B40f", "chest"),
    ("totalseg_example_ct_dicom_j2k", "abdomen"),
    ("dcm_qa_ct_GE_tilt", "head"),
    ("dicom2nifti/failing/gantrytilting", "other"),  # pixels are noise
    ("pseudoPHI_MR_ftdc/dicom", "body"),
    ("dicom2nifti/hitachi/anatomical", "other"),  # a shoulder
    ("dicom2nifti/philips_enhanced/anatomical", "other"),  # pixels are noise in this set, as in the next ones
    ("dicom2nifti/philips_enhanced/dti", "other"),
    ("dicom2nifti/philips_enhanced/fmri", "other"),
    ("dicom2nifti/generic/compressed", "other"),
    ("dicom2nifti/generic/anatomical/002_non_isotropic", "other"),
]


@pytest.mark.parametrize(("folder", "truth"), REAL_SERIES)
def test_real_series_are_what_they_show(folder: str, truth: str, shared_data: Path) -> None:
    paths = [p for p in sorted((shared_data / folder).rglob("*")) if p.is_file()]
    series = [one for study in read_headers(paths).studies for one in study.series]
    volumes = [volume for one in series for volume in assemble(one, Limits(slices=(10, 2))).volumes]
    assert {body_part(volume).name for volume in volumes} == {truth}


REAL_IMAGES = [
    ("pyradiomics/lung1_image.nrrd", "CT", {"chest"}),
    ("pyradiomics/brain1_image.nrrd", "MR", {"head"}),
    ("totalseg_aorta_report/example_ct.nii.gz", "CT", {"chest"}),
    ("elastix_lung_pair/3DCT_lung_baseline.mha", "CT", {"chest"}),  # half a thorax, cut by the frame on two sides
    ("elastix_lung_pair/3DCT_lung_followup.mha", "CT", {"other"}),  # the same, its lung open to the frame: nothing is claimed
]


@pytest.mark.parametrize(("file", "modality", "truth"), REAL_IMAGES)
def test_real_images_are_what_they_show(file: str, modality: str, truth: set[str], shared_data: Path) -> None:
    image = sitk.ReadImage(str(shared_data / file))
    voxels = sitk.GetArrayFromImage(image)
    affine = np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    assert body_part(Volume(voxels, Grid(voxels.shape, affine), "HU", modality)).name in truth
