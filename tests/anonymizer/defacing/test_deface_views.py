"""When nothing is done, and when nothing may pass: views without a head, without a face, without depth, without a place in space."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

sys.path.insert(0, str(Path(__file__).parent))
import heads
from heads import CORONAL, SAGITTAL, Scan

from anonymizer.defacing.account import Defaced, FaceVerdict, Status
from anonymizer.defacing.deface import deface
from anonymizer.defacing.header import Part, part_of
from anonymizer.gate import Reason


def outcome(scan: Scan, real: np.ndarray | None = None, **changes: object) -> tuple[str, str]:
    images = heads.slices(scan) if real is None else heads.as_slices(scan, real)
    for image in images:
        for keyword, value in changes.items():
            setattr(image, keyword, value)
    done = deface(images)
    if isinstance(done, FaceVerdict):
        assert done.reason is Reason.FACE_NOT_REMOVED
        assert done.account.status is Status.REFUSED
    else:
        assert all(a is b for a, b in zip(images, done.images, strict=True)) == (done.account.status is Status.NOT_NEEDED)
    return done.account.status.value, done.account.evidence


def body(scan: Scan, semi: tuple[float, float], inside: float, outside: float, noise: float = 8.0) -> np.ndarray:
    """A trunk: an elliptic cylinder through the whole view."""
    corners, down, right, rows, columns = heads.planes(scan)
    out = []
    for k, corner in enumerate(corners):
        points = corner + np.arange(rows)[:, None, None] * down + np.arange(columns)[None, :, None] * right
        within = (points[..., 0] / semi[0]) ** 2 + (points[..., 1] / semi[1]) ** 2 < 1
        plane = np.where(within, inside, outside)
        out.append(plane + np.random.default_rng(k).normal(0, noise, plane.shape))
    real = np.stack(out).astype(np.float32)
    return real if scan.contrast == "CT" else np.abs(real)


TRUNK_CT = Scan("CT", spacing=(4, 4, 6), low=(-200, -150, -60), high=(200, 150, 60))
TRUNK_MR = Scan("T1", spacing=(4, 4, 6), low=(-200, -150, -60), high=(200, 150, 60))


def test_a_trunk_has_no_face_whatever_the_header_leaves_unsaid() -> None:
    assert outcome(TRUNK_CT, body(TRUNK_CT, (160, 110), 40, -1000)) == ("not_needed", "no_head_in_view")
    assert outcome(TRUNK_MR, body(TRUNK_MR, (160, 110), 400, 10)) == ("not_needed", "no_head_in_view")


def test_a_header_that_names_a_head_the_pixels_do_not_show_is_refused() -> None:
    real = body(TRUNK_CT, (160, 110), 40, -1000)
    assert outcome(TRUNK_CT, real, BodyPartExamined="HEAD") == ("refused", "head_named_not_found")


@pytest.mark.parametrize("contrast", ["CT", "T1"])
def test_slices_through_the_vault_show_no_face(contrast: str) -> None:
    scan = Scan(contrast, spacing=(2, 2, 4), low=(-92, -130, 35), high=(92, 112, 100))
    status, evidence = outcome(scan)
    assert status == "not_needed"
    assert evidence in ("cranium_by_bone", "vault_only")


def test_one_ct_slice_through_the_vault_shows_no_face_and_one_through_the_eyes_may() -> None:
    assert outcome(Scan("CT", low=(-92, -130, 28), high=(92, 112, 31))) == ("not_needed", "cranium_by_bone")
    assert outcome(Scan("CT", low=(-92, -130, -41), high=(92, 112, -38)))[0] == "refused"


def test_a_slab_of_mr_without_vertex_proves_nothing() -> None:
    assert outcome(Scan("T1", low=(-92, -130, 10), high=(92, 112, 50)))[0] == "refused"


@pytest.mark.parametrize("top", [-40, -60, -85])
def test_a_neck_that_shows_the_lower_face_is_refused(top: float) -> None:
    status, _ = outcome(Scan("CT", low=(-92, -130, -140), high=(92, 112, top)))
    assert status == "refused"
    assert outcome(Scan("T1", low=(-92, -130, -140), high=(92, 112, top)))[0] == "refused"


def test_a_vault_and_an_already_skull_stripped_brain_have_no_face() -> None:
    scan = Scan("T1", spacing=(2.5, 2.5, 4))
    real = heads.real_values(scan) * heads.truth(scan, 1)
    status, evidence = outcome(scan, real)
    assert (status, evidence) in {("not_needed", "no_face_in_view"), ("refused", "brain_not_found"), ("refused", "brain_doubtful")}


@pytest.mark.parametrize("kind", ["LOCALIZER", "SCOUT"])
def test_localizers_are_refused_unless_they_show_another_part_from_the_front(kind: str) -> None:
    side = Scan("T1", axes=SAGITTAL, spacing=(4, 4, 20))
    front = Scan("T1", axes=CORONAL, spacing=(4, 4, 20))
    image_type = ["ORIGINAL", "PRIMARY", kind]
    assert outcome(side, ImageType=image_type) == ("refused", "localizer")
    assert outcome(side, ImageType=image_type, BodyPartExamined="CHEST") == ("refused", "localizer")
    assert outcome(front, ImageType=image_type, BodyPartExamined="HEAD") == ("refused", "localizer")
    assert outcome(front, ImageType=image_type, BodyPartExamined="CHEST") == ("not_needed", "localizer_of_another_part")


def test_a_single_profile_and_three_planes_in_one_series_are_refused() -> None:
    assert outcome(Scan("T1", axes=SAGITTAL, low=(-4, -130, -140), high=(4, 112, 100), spacing=(2, 2, 5))) == ("refused", "single_views")
    mixed = heads.slices(Scan("T1", spacing=(4, 4, 20))) + heads.slices(Scan("T1", axes=SAGITTAL, spacing=(4, 4, 20)))
    verdict = deface(mixed)
    assert isinstance(verdict, FaceVerdict)
    assert verdict.account.evidence == "mixed_planes"


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_images_without_a_place_in_space_are_refused(keyword: str) -> None:
    images = heads.slices(Scan("T1", spacing=(4, 4, 8)))
    delattr(images[3], keyword)
    verdict = deface(images)
    assert isinstance(verdict, FaceVerdict)
    assert verdict.account.evidence == "geometry_unknown"


def test_noise_is_no_head_and_is_refused() -> None:
    scan = Scan("T1", spacing=(4, 4, 6))
    noise = np.random.default_rng(1).uniform(0, 4000, heads.real_values(scan).shape).astype(np.float32)
    assert outcome(scan, noise)[0] == "refused"


def test_colour_and_missing_pixels_are_refused() -> None:
    images = heads.slices(Scan("T1", spacing=(4, 4, 8)))
    images[2].SamplesPerPixel = 3
    verdict = deface(images)
    assert isinstance(verdict, FaceVerdict)
    assert verdict.account.evidence == "pixels_unreadable"
    images[2].SamplesPerPixel = 1
    del images[2].PixelData
    assert isinstance(deface(images), FaceVerdict)


def test_other_modalities_are_left_alone_unless_they_name_a_head() -> None:
    scan = Scan("T1", spacing=(4, 4, 20))
    assert outcome(scan, Modality="PT") == ("not_needed", "not_ct_or_mr")
    assert outcome(scan, Modality="DX", BodyPartExamined="SKULL") == ("refused", "not_ct_or_mr")
    done = deface([])
    assert isinstance(done, Defaced)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ({"BodyPartExamined": "CHEST"}, Part.OTHER),
        ({"BodyPartExamined": "CHEST", "SeriesDescription": "Head Neck Chest"}, Part.HEAD),
        ({"SeriesDescription": "T1 brain"}, Part.HEAD),
        ({"SeriesDescription": "膝 MRI"}, Part.OTHER),
        ({"SeriesDescription": "頭部単純"}, Part.HEAD),
        ({"BodyPartExamined": "CSPINE"}, Part.HEAD),
        ({"BodyPartExamined": "LSPINE"}, Part.OTHER),
        ({"SeriesDescription": "AX T2"}, Part.UNSAID),
        ({"SeriesDescription": "WHOLE BODY"}, Part.HEAD),
    ],
)
def test_what_the_header_names(words: dict[str, str], part: Part) -> None:
    dataset = Dataset()
    for keyword, value in words.items():
        setattr(dataset, keyword, value)
    assert part_of(dataset) is part
