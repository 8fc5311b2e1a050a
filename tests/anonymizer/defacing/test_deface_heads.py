"""Faces of simulated heads: what the truth says is brain is never touched, what it says is face is gone."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import heads
from heads import CORONAL, SAGITTAL, Scan

from anonymizer.defacing.account import Defaced, FaceVerdict, Status
from anonymizer.defacing.deface import deface
from anonymizer.gate import Reason
from cad.simulate.head import HeadPlan, simulate_head

OBLIQUE = tuple(tuple(heads.turned((12, -8, 10))[:, a]) for a in (0, 1))
SCANS = {
    "CT axial": Scan("CT"),
    "CT thin pixels, turned": Scan("CT", spacing=(1.2, 1.2, 4.0), rotation=(20, 0, 0)),
    "CT coronal": Scan("CT", axes=CORONAL, spacing=(2, 2, 4)),
    "T1 chin down": Scan("T1", rotation=(0, 20, 0)),
    "T2 sagittal": Scan("T2", axes=SAGITTAL, spacing=(1.5, 1.5, 5)),
    "FLAIR thick, chin up": Scan("FLAIR", spacing=(1.5, 1.5, 6), rotation=(0, -18, 0)),
    "DWI tilted": Scan("DWI", spacing=(2.5, 2.5, 4), rotation=(0, 0, 18)),
    "B0": Scan("B0", spacing=(2.5, 2.5, 4)),
    "T1 every way": Scan("T1", rotation=(15, 12, -12)),
    "T1 oblique slices": Scan("T1", axes=OBLIQUE),
    "T1 to the nose only": Scan("T1", low=(-92, -130, -85)),
}


def stack(images) -> np.ndarray:
    return np.stack([image.pixel_array for image in images])


@pytest.mark.parametrize("name", SCANS)
def test_the_face_goes_and_the_brain_stays(name: str) -> None:
    scan = SCANS[name]
    images = heads.slices(scan)
    before = [bytes(image.PixelData) for image in images]
    done = deface(images)
    assert isinstance(done, Defaced), done
    account, changed = done.account, stack(done.images) != stack(images)
    brain, face = heads.truth(scan, 1).astype(bool), heads.truth(scan, 2).astype(bool)
    assert account.status is Status.APPLIED
    assert account.brain_voxels_changed == 0
    assert account.brain_voxels_checked > 0.9 * np.count_nonzero(brain)
    assert np.count_nonzero(changed & brain) == 0
    assert changed[face].mean() > 0.9
    assert account.face_moved_share is not None
    assert account.face_moved_share > 0.85
    assert all(image.RecognizableVisualFeatures == "NO" for image in done.images)
    assert [bytes(image.PixelData) for image in images] == before, "the input was changed"
    assert not any("RecognizableVisualFeatures" in image for image in images)


def test_what_is_cut_gets_the_air_of_its_modality_in_stored_units() -> None:
    ct, mr = Scan("CT"), Scan("T1", spacing=(2.5, 2.5, 4))
    for scan, low, high in ((ct, 24, 24), (mr, 5, 25)):
        images = heads.slices(scan)
        done = deface(images)
        assert isinstance(done, Defaced)
        fill = np.unique(stack(done.images)[stack(done.images) != stack(images)])
        assert len(fill) == 1
        assert low <= fill[0] <= high


def test_twice_is_once_and_the_same_input_gives_the_same_bytes() -> None:
    images = heads.slices(Scan("T1", rotation=(8, 5, 0)))
    first, again = deface(images), deface(images)
    assert isinstance(first, Defaced)
    assert isinstance(again, Defaced)
    assert np.array_equal(stack(first.images), stack(again.images))
    twice = deface(first.images)
    assert isinstance(twice, Defaced)
    assert twice.account.status is Status.NOT_NEEDED
    assert twice.account.evidence == "no_face_in_view"
    assert all(a is b for a, b in zip(twice.images, first.images, strict=True))


def test_the_order_of_the_slices_does_not_matter() -> None:
    images = heads.slices(Scan("CT", spacing=(2.5, 2.5, 4)))
    shuffled = [images[k] for k in np.random.default_rng(3).permutation(len(images))]
    straight, mixed = deface(images), deface(shuffled)
    assert isinstance(straight, Defaced)
    assert isinstance(mixed, Defaced)
    by_uid = {image.SOPInstanceUID: bytes(image.PixelData) for image in mixed.images}
    assert all(by_uid[image.SOPInstanceUID] == bytes(image.PixelData) for image in straight.images)


def test_every_repeat_of_a_place_is_cut_alike() -> None:
    scan = Scan("B0", spacing=(2.5, 2.5, 4))
    weighted = heads.slices(replace(scan, contrast="DWI"), seed=1)
    images = heads.slices(scan) + weighted
    done = deface(images)
    assert isinstance(done, Defaced)
    half = len(weighted)
    changed = stack(done.images) != stack(images)
    assert (changed[:half] == changed[half:]).mean() > 0.96  # noise may already hold the value of the air
    assert not changed[half:][heads.truth(scan, 1).astype(bool)].any()


def test_an_enhanced_multi_frame_object() -> None:
    scan = Scan("FLAIR", spacing=(2.5, 2.5, 4))
    image = heads.enhanced(scan)
    done = deface([image])
    assert isinstance(done, Defaced)
    changed = done.images[0].pixel_array != image.pixel_array
    assert not changed[heads.truth(scan, 1).astype(bool)].any()
    assert changed[heads.truth(scan, 2).astype(bool)].mean() > 0.9


def test_uneven_and_sheared_stacks() -> None:
    scan = Scan("CT", spacing=(2.5, 2.5, 4))
    images = [image for k, image in enumerate(heads.slices(scan)) if k % 7 != 3]
    done = deface(images)
    assert isinstance(done, Defaced)
    brain = heads.truth(scan, 1).astype(bool)[[k for k in range(len(heads.slices(scan))) if k % 7 != 3]]
    assert not (stack(done.images) != stack(images))[brain].any()


@pytest.mark.parametrize("sequence", ["T1c", "FLAIR"])
def test_the_heads_of_the_simulator(sequence) -> None:
    phantom = simulate_head(5, HeadPlan(sequence=sequence, shape=(75, 120, 100), spacing_mm=(2.4, 2, 2), lesions=1))
    affine, brain = phantom.volume.grid.affine, phantom.brain
    scan = Scan("T1", spacing=(2, 2, 2.4))
    images = [
        heads._slice(scan, plane, affine[:3, 3] + k * affine[:3, 0], affine[:3, 1], affine[:3, 2], k)
        for k, plane in enumerate(phantom.volume.voxels)
    ]
    done = deface(images)
    assert isinstance(done, Defaced), done
    assert done.account.status is Status.APPLIED
    assert brain is not None
    assert not (stack(done.images) != stack(images))[brain.voxels > 0].any()
    twice = deface(done.images)
    assert (
        np.array_equal(stack(twice.images), stack(done.images)) if isinstance(twice, Defaced) else twice.reason is Reason.FACE_NOT_REMOVED
    )


@pytest.mark.parametrize(
    "scan",
    [
        Scan("T1", high=(92, 112, 40)),
        Scan("T1", high=(92, 40, 100)),
        Scan("T1", low=(-30, -130, -140)),
        Scan("CT", high=(92, 112, -50)),
        Scan("CT", high=(92, 112, 20)),
    ],
)
def test_a_brain_cut_by_the_view_is_refused(scan: Scan) -> None:
    verdict = deface(heads.slices(scan))
    assert isinstance(verdict, FaceVerdict), verdict
    assert verdict.reason is Reason.FACE_NOT_REMOVED
    assert verdict.account.status is Status.REFUSED


def test_a_header_that_lies_about_front_and_back_is_refused() -> None:
    images = heads.slices(Scan("T1", spacing=(2.5, 2.5, 4)))
    for image in images:
        x, y, z = (float(v) for v in image.ImagePositionPatient)
        image.ImagePositionPatient = [f"{-x:.3f}", f"{-y:.3f}", f"{z:.3f}"]
        image.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
    verdict = deface(images)
    assert isinstance(verdict, FaceVerdict), verdict


def test_a_header_that_lies_about_up_and_down_is_refused() -> None:
    images = heads.slices(Scan("T1", spacing=(2.5, 2.5, 4)))
    for image in images:
        x, y, z = (float(v) for v in image.ImagePositionPatient)
        image.ImagePositionPatient = [f"{-x:.3f}", f"{y:.3f}", f"{-z:.3f}"]
        image.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]
    assert isinstance(deface(images), FaceVerdict)
