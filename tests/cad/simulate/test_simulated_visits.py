"""A patient who comes twice: the same chest, nodules with a known fate, another pose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cad.simulate.nodules import NoduleSpec
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.simulate.visits import Pose, Visit

PLAN = ThoraxPlan((52, 85, 95), (5.4, 3.6, 3.6), (NoduleSpec(20), NoduleSpec(16), NoduleSpec(18)))


def test_nodules_grow_go_and_stay_as_told() -> None:
    first, second = simulate_thorax(3, PLAN), simulate_thorax(3, replace(PLAN, visit=Visit(1, (2.0, 0.0))))
    assert (len(first.lesions), len(second.lesions)) == (3, 2)
    factors = [b.volume_mm3 / a.volume_mm3 for a, b in zip((first.lesions[0], first.lesions[2]), second.lesions, strict=True)]
    assert factors == pytest.approx([2.0, 1.0], rel=0.02)
    assert not np.array_equal(first.volume.voxels, second.volume.voxels)


def test_a_pose_moves_image_labels_and_truth_alike() -> None:
    pose = Pose((2.0, -1.5, 2.5), (6.0, -8.0, 5.0), 8.0)
    moved = simulate_thorax(3, replace(PLAN, visit=Visit(1, (), pose)))
    for lesion in moved.lesions:
        inside = moved.lesion_labels.grid.to_mm(np.argwhere(moved.lesion_labels.voxels == lesion.label)).mean(axis=0)
        assert np.linalg.norm(inside - lesion.centre_mm) < 2.5
    points = np.random.default_rng(0).uniform(-100, 100, (50, 3))
    assert pose.from_first(pose.to_first(points, np.zeros(3)), np.zeros(3)) == pytest.approx(points, abs=1e-3)
