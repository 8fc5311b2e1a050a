"""Aortas that ail: the truth is the outer wall, whatever lies inside, and a healthy chest stays as it was."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cad.simulate.aortic_disease import HEALTHY, AorticDisease
from cad.simulate.thorax import ThoraxPlan, simulate_thorax

PLAN = ThoraxPlan((56, 93, 115), (5.0, 3.0, 3.0), nodules=0, aorta_max_mm=40.0, contrast=True, noise_hu=1.0)


@cache
def chest(disease=HEALTHY):
    return simulate_thorax(3, replace(PLAN, aorta_disease=disease))


def inside(phantom):
    return np.asarray(phantom.volume.voxels)[np.asarray(phantom.aorta.voxels) > 0]


@pytest.mark.parametrize(
    "disease", [AorticDisease(inside="dissection", filling=0.4), AorticDisease(inside="thrombus"), AorticDisease(plaques=40)]
)
def test_what_lies_inside_changes_the_blood_and_not_the_truth(disease):
    healthy, ailing = chest(), chest(disease)
    assert np.array_equal(healthy.aorta.voxels, ailing.aorta.voxels)
    assert healthy.aorta_diameters_mm == ailing.aorta_diameters_mm
    outside = np.asarray(healthy.aorta.voxels) == 0
    assert np.abs(inside(ailing).astype(float) - inside(healthy)).mean() > 1
    assert np.mean(np.asarray(healthy.volume.voxels)[outside] != np.asarray(ailing.volume.voxels)[outside]) < 0.02


def test_thrombus_is_dark_calcium_is_bright():
    assert np.mean(inside(chest(AorticDisease(inside="thrombus"))) < 70) > np.mean(inside(chest()) < 70) + 0.05
    assert inside(chest(AorticDisease(plaques=40))).max() > inside(chest()).max() + 60


def test_a_bulge_widens_the_descending_limb_by_what_was_asked():
    wider = np.subtract(chest(AorticDisease(bulge_mm=20.0)).aorta_diameters_mm, chest().aorta_diameters_mm)
    assert wider.max() == pytest.approx(20.0, abs=0.5)
    assert wider[: len(wider) // 5].max() < 1.0
