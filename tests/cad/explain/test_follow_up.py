"""Follow-up hints against the published rules, written out case by case from the guidelines' own tables."""

from __future__ import annotations

import pytest

from cad.explain.follow_up import Nodule, fleischner, follow_up, lung_rads, size_class
from cad.finding import Measurement

FLEISCHNER = [
    ("solid", 5.4, False, "no_follow_up_or_12m"),
    ("solid", 5.5, False, "ct_6_12m_then_18_24m"),
    ("solid", 8.4, False, "ct_6_12m_then_18_24m"),
    ("solid", 8.5, False, "ct_3m_pet_or_biopsy"),
    ("solid", 25.0, False, "ct_3m_pet_or_biopsy"),
    ("solid", 4.0, True, "no_follow_up_or_12m"),
    ("solid", 7.0, True, "ct_3_6m_then_18_24m"),
    ("solid", 12.0, True, "ct_3_6m_then_18_24m"),
    ("ground_glass", 5.0, False, "no_follow_up"),
    ("ground_glass", 6.0, False, "ct_6_12m_then_2y"),
    ("ground_glass", 20.0, False, "ct_6_12m_then_2y"),
    ("part_solid", 5.0, False, "no_follow_up"),
    ("part_solid", 7.0, False, "ct_3_6m_then_yearly"),
    ("ground_glass", 5.0, True, "ct_3_6m_then_2y_4y"),
    ("part_solid", 5.0, True, "ct_3_6m_then_2y_4y"),
    ("part_solid", 9.0, True, "ct_3_6m_most_suspicious"),
    ("calcified", 12.0, False, "calcification_to_judge"),
]

BASELINE = [
    ("solid", 5.9, None, "2"),
    ("solid", 6.0, None, "3"),
    ("solid", 7.9, None, "3"),
    ("solid", 8.0, None, "4A"),
    ("solid", 14.9, None, "4A"),
    ("solid", 15.0, None, "4B"),
    ("part_solid", 5.9, 3.0, "2"),
    ("part_solid", 12.0, 5.9, "3"),
    ("part_solid", 12.0, 6.0, "4A"),
    ("part_solid", 12.0, 7.9, "4A"),
    ("part_solid", 12.0, 8.0, "4B"),
    ("ground_glass", 29.9, None, "2"),
    ("ground_glass", 30.0, None, "3"),
    ("calcified", 20.0, None, "1"),
]

NEW = [
    ("solid", 3.9, None, "2"),
    ("solid", 4.0, None, "3"),
    ("solid", 5.9, None, "3"),
    ("solid", 6.0, None, "4A"),
    ("solid", 8.0, None, "4B"),
    ("part_solid", 5.9, 2.0, "3"),
    ("part_solid", 9.0, 3.9, "4A"),
    ("part_solid", 9.0, 4.0, "4B"),
    ("ground_glass", 12.0, None, "2"),
    ("ground_glass", 31.0, None, "3"),
]


@pytest.mark.parametrize(("texture", "size", "multiple", "code"), FLEISCHNER)
def test_fleischner_2017(texture: str, size: float, multiple: bool, code: str) -> None:
    assert fleischner(Nodule(texture, size, multiple=multiple)) == code


@pytest.mark.parametrize(("texture", "size", "solid", "category"), BASELINE)
def test_lung_rads_at_baseline(texture: str, size: float, solid: float | None, category: str) -> None:
    assert lung_rads(Nodule(texture, size, solid)) == category


@pytest.mark.parametrize(("texture", "size", "solid", "category"), NEW)
def test_lung_rads_of_a_new_nodule(texture: str, size: float, solid: float | None, category: str) -> None:
    assert lung_rads(Nodule(texture, size, solid, comparison="new", days=365)) == category


@pytest.mark.parametrize(
    ("texture", "size", "solid", "growth", "days", "category"),
    [
        ("solid", 7.0, None, 1.6, 365, "4A"),
        ("solid", 9.0, None, 1.6, 365, "4B"),
        ("solid", 5.0, None, 1.6, 180, "4A"),
        ("solid", 7.0, None, 1.5, 365, "3"),
        ("solid", 7.0, None, 1.6, 730, "3"),
        ("solid", 7.0, None, 3.2, 730, "4A"),
        ("part_solid", 9.0, 3.0, 2.0, 365, "4A"),
        ("part_solid", 9.0, 5.0, 2.0, 365, "4B"),
        ("ground_glass", 20.0, None, 2.0, 365, "2"),
        ("ground_glass", 35.0, None, 2.0, 365, "2"),
    ],
)
def test_lung_rads_of_a_growing_nodule(texture: str, size: float, solid: float | None, growth: float, days: float, category: str) -> None:
    assert lung_rads(Nodule(texture, size, solid, comparison="grown", growth_mm=growth, days=days)) == category


@pytest.mark.parametrize(
    ("size", "days", "category"), [(7.0, 180, "2"), (7.0, 90, "3"), (10.0, 90, "3"), (10.0, 30, "4A"), (20.0, 400, "4B"), (5.0, 400, "2")]
)
def test_a_stable_nodule_goes_down_one_step_after_its_follow_up(size: float, days: float, category: str) -> None:
    assert lung_rads(Nodule("solid", size, comparison="unchanged", growth_mm=0.1, days=days)) == category


def test_ground_glass_of_three_centimetres_that_was_there_before_is_two() -> None:
    assert lung_rads(Nodule("ground_glass", 32.0, comparison="unchanged", growth_mm=0.0, days=365)) == "2"


def test_sizes_are_rounded_half_up_for_the_class() -> None:
    assert [size_class(x) for x in (5.4, 5.5, 8.4, 8.5)] == ["below_6_mm", "6_to_8_mm", "6_to_8_mm", "above_8_mm"]


def test_labels_of_a_measured_nodule() -> None:
    measured = (
        Measurement("long_axis", 8.0, "mm", ""),
        Measurement("short_axis", 6.4, "mm", ""),
        Measurement("texture", None, "", "", label="solid"),
    )
    assert [m.label for m in follow_up(measured, 0)] == ["6_to_8_mm", "ct_6_12m_then_18_24m", "lung_rads_3"]
    assert follow_up(measured, 2)[1].label == "ct_3_6m_then_18_24m"
    assert "3 nodules" in follow_up(measured, 2)[1].method


def test_what_has_no_size_gets_no_hint() -> None:
    told = follow_up((Measurement("long_axis", None, "mm", "", outcome="empty_mask"),), 0)
    assert {(m.label, m.value, m.outcome) for m in told} == {("", None, "empty_mask")}
