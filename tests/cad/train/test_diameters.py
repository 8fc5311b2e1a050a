"""The sections that the diameter network learns from: as wide as they are said to be, however they are turned, stretched and shifted."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage

from cad.measure.aorta.direct import MIDDLE_MM, PIXEL_MM, PIXELS, SCALE_MM
from cad.prepare.inputs import InputRule
from cad.train.diameters import KnownAorta, Sections, TrueCourse
from cad.train.losses import with_doubt
from cad.volume import Volume

sys.path.insert(0, str(Path(__file__).parents[1] / "measure"))
from bodies import box_grid, candy_cane, drawn, tube

RULE = InputRule(region="lungs", spacing_mm=2.5, margin_mm=12, low=0, high=400, patch_voxels=48, patch_spacing_mm=1.0)
COURSE = candy_cane()
RADII = np.linspace(17, 12, len(COURSE))


@pytest.fixture(scope="module")
def case():
    soft = drawn(box_grid(COURSE, 18, (2.0, 1.2, 1.2), np.random.default_rng(2)), tube(COURSE, RADII), 2)
    mask = Volume((soft.voxels >= 0.5).astype(np.uint8), soft.grid, "1", "SEG")
    rows = np.column_stack([COURSE, 2 * RADII]).tolist()
    return SimpleNamespace(
        source=Volume((400 * soft.voxels).astype(np.int16), soft.grid), source_labels=mask, truth={"aorta_course_mm": rows}
    )


def test_a_batch_is_as_wide_as_its_targets_say(case):
    images, targets = Sections([KnownAorta.of(case, TrueCourse.of(case))], RULE, batch=48)(np.random.default_rng(5))
    assert images.shape == (48, 3, PIXELS, PIXELS)
    assert targets.shape == (48, 1)
    said = MIDDLE_MM + SCALE_MM * targets[:, 0]
    seen = np.array([_width(image[1]) for image in images])
    assert np.median(np.abs(seen - said)) < 0.6
    assert np.ptp(said) > 10


def _width(section):
    labels, _ = ndimage.label(section > 0.5 * section.max())
    centre = (PIXELS - 1) / 2
    nearest = min(range(1, labels.max() + 1), key=lambda n: np.hypot(*(np.argwhere(labels == n) - centre).T).min())
    return 2 * np.sqrt((labels == nearest).sum() / np.pi) * PIXEL_MM


def test_the_course_is_the_drawn_one_within_the_scan_or_the_measured_one(case):
    drawn_course = TrueCourse.of(case)
    measured = TrueCourse.of(SimpleNamespace(source=case.source, source_labels=case.source_labels, truth={}))
    middle = tuple(COURSE[len(COURSE) // 2])
    for course in (drawn_course, measured):
        assert course.at(middle) == pytest.approx(2 * RADII[len(COURSE) // 2], abs=0.4)
        assert course.at((200.0, 0.0, 0.0)) is None
    assert len(drawn_course.points_mm) > len(measured.points_mm)


def test_the_loss_is_least_where_mean_and_doubt_are_right():
    target = torch.tensor([[0.5], [-0.5]])

    def loss(mean, log_variance):
        return float(with_doubt(0.0)(torch.tensor([[mean, log_variance]] * 2), target))

    right = loss(0.0, float(np.log(0.25)))
    assert all(right < loss(m, v) for m, v in ((0.2, np.log(0.25)), (-0.2, np.log(0.25)), (0.0, 0.0), (0.0, -3.0)))
