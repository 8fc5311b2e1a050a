"""The head phantom: deterministic, lesions inside the brain, contrast as each sequence shows it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cad.simulate.head import SEQUENCES, HeadLesionSpec, HeadPlan, simulate_head, simulate_sequences
from cad.simulate.phantom import Phantom

SPECS = (HeadLesionSpec(26, "ring", 0.8), HeadLesionSpec(16, "solid"), HeadLesionSpec(9, "metastasis", 0.0))


@pytest.fixture(scope="module", params=["T1c", "FLAIR"])
def head(request: pytest.FixtureRequest) -> Phantom:
    return simulate_head(11, HeadPlan(shape=(110, 150, 130), spacing_mm=(1.6, 1.5, 1.5), lesions=SPECS, sequence=request.param))


def test_head_is_deterministic() -> None:
    plan = HeadPlan(shape=(30, 60, 50), spacing_mm=(5, 4, 4), lesions=2)
    assert simulate_head(1, plan).volume.digest() == simulate_head(1, plan).volume.digest()
    assert simulate_head(1, plan).volume.digest() != simulate_head(2, plan).volume.digest()


def test_head_lesions_agree_with_their_labels(head: Phantom) -> None:
    grid = head.volume.grid
    assert [lesion.kind for lesion in head.lesions] == [spec.kind for spec in SPECS]
    for lesion, spec in zip(head.lesions, SPECS, strict=True):
        index = np.argwhere(head.lesion_labels.voxels == lesion.label)
        assert len(index) * grid.voxel_mm3 == pytest.approx(lesion.volume_mm3, rel=0.12)
        assert lesion.diameter_mm == pytest.approx(spec.diameter_mm, rel=0.1)
        assert np.linalg.norm(grid.to_mm(index.mean(axis=0)) - lesion.centre_mm) < 0.8


def test_lesions_lie_in_the_brain_and_shine(head: Phantom) -> None:
    assert head.brain is not None
    labels, brain = head.lesion_labels.voxels, head.brain.voxels
    assert (brain[labels > 0] == 1).all()
    healthy = np.median(head.volume.voxels[(brain == 1) & (labels == 0)])
    assert np.median(head.volume.voxels[labels == 2]) > 1.2 * healthy


def test_a_ring_is_darker_inside() -> None:
    phantom = simulate_head(12, HeadPlan(shape=(100, 150, 130), spacing_mm=(1.8, 1.5, 1.5), lesions=(HeadLesionSpec(30, "ring"),)))
    (lesion,) = phantom.lesions
    where = np.argwhere(phantom.lesion_labels.voxels == 1)
    distance = np.linalg.norm(phantom.volume.grid.to_mm(where) - lesion.centre_mm, axis=1)
    values = phantom.volume.voxels[tuple(where.T)]
    assert np.median(values[distance < 4]) < 0.7 * np.median(values[distance > 12])


def test_brain_has_a_human_volume(head: Phantom) -> None:
    assert head.brain is not None
    assert 0.7 < head.brain.voxels.sum() * head.volume.grid.voxel_mm3 / 1e6 < 2.0
    assert head.volume.modality == "MR"
    assert head.volume.voxels.min() >= 0


def test_sequences_share_anatomy_and_truth_but_not_noise() -> None:
    plan = HeadPlan(shape=(36, 100, 84), spacing_mm=(4.5, 2.2, 2.2), lesions=(HeadLesionSpec(24, "solid", 0.8),), noise=0.02)
    scans = simulate_sequences(21, plan)
    assert tuple(scans) == SEQUENCES
    first = scans["T1"]
    assert all(scan.lesions == first.lesions for scan in scans.values())
    assert all(np.array_equal(scan.lesion_labels.voxels, first.lesion_labels.voxels) for scan in scans.values())
    air = np.s_[:, :6, :6]
    assert not np.array_equal(scans["T1c"].volume.voxels[air], scans["FLAIR"].volume.voxels[air])
    assert first.brain is not None
    lesion, healthy = first.lesion_labels.voxels > 0, (first.brain.voxels > 0) & (first.lesion_labels.voxels == 0)
    contrast = {name: np.median(s.volume.voxels[lesion]) / np.median(s.volume.voxels[healthy]) for name, s in scans.items()}
    assert contrast["T1"] < 1 < min(contrast["T1c"], contrast["T2"], contrast["FLAIR"])


def test_a_lesion_that_does_not_enhance_cannot_be_told_by_its_brightness() -> None:
    plan = HeadPlan(shape=(36, 100, 84), spacing_mm=(4.5, 2.2, 2.2), noise=0.0, bias=0.0)
    bright, flat = (
        simulate_head(22, replace(plan, lesions=(HeadLesionSpec(20, "solid", 0.0, enhancement=share),))) for share in (1.0, 0.0)
    )
    inside = bright.lesion_labels.voxels > 0
    assert np.median(bright.volume.voxels[inside]) > 1.3 * np.median(flat.volume.voxels[inside])
