"""The clauses on growth and follow-up: each said only of what was measured, in both languages."""

from __future__ import annotations

import pytest

from cad.explain.statement import nodule_statement
from cad.finding import Measurement, Statement

BASE = (
    Measurement("location", None, "", "", label="right_upper_zone"),
    Measurement("long_axis", 9.0, "mm", ""),
    Measurement("short_axis", 7.0, "mm", ""),
    Measurement("texture", None, "", "", label="solid"),
    Measurement("prior_interval", 180.0, "d", ""),
)
HINTS = (
    Measurement("fleischner_2017", None, "", "", label="ct_6_12m_then_18_24m"),
    Measurement("lung_rads_2022", None, "", "", label="lung_rads_4A"),
)


def grown(label: str, percent: float) -> tuple[Measurement, ...]:
    return (
        Measurement("comparison", None, "", "", label="unchanged" if label.startswith("slightly") else label),
        Measurement("volume_change", percent, "%", "", (percent - 20, percent + 20), label=label),
        Measurement("least_change", 32.0, "%", ""),
        Measurement("doubling_time", 203.0 if label == "grown" else None, "d", "", (150.0, 310.0) if label == "grown" else None),
    )


def clause(statement: Statement, topic: str) -> str:
    return next(c.text for c in statement.clauses if c.topic == topic)


@pytest.mark.parametrize(
    ("label", "percent", "en", "ja"),
    [
        ("grown", 85.0, ("+85 % (95 % interval 65 to 105 %)", "doubling in 203 days (95 % interval 150 to 310)"), ("増大", "203日")),
        ("shrunk", -45.0, ("-45 %", "has shrunk"), ("縮小",)),
        ("unchanged", 8.0, ("+8 %", "unchanged", "32 %"), ("不変", "32%")),
        ("slightly_larger", 18.0, ("+18 %", "more than measurement noise", "compare again"), ("4分の1",)),
    ],
)
def test_what_changed_is_said_with_its_interval_and_noise(label: str, percent: float, en: tuple[str, ...], ja: tuple[str, ...]) -> None:
    for lang, parts in (("en", en), ("ja", ja)):
        said = clause(nodule_statement((*BASE, *grown(label, percent)), 0.8, lang), "comparison")
        assert all(part in said for part in parts), said
        assert "180" in said


@pytest.mark.parametrize(("label", "en", "ja"), [("new", "new", "新出"), ("outside_prior", "does not reach", "含まず")])
def test_a_lesion_without_a_partner(label: str, en: str, ja: str) -> None:
    measured = (*BASE, Measurement("comparison", None, "", "", label=label))
    assert en in clause(nodule_statement(measured, 0.8, "en"), "comparison")
    assert ja in clause(nodule_statement(measured, 0.8, "ja"), "comparison")


def test_a_change_that_cannot_be_measured_says_why() -> None:
    measured = (*BASE, Measurement("comparison", None, "", "", label="not_comparable", outcome="cut_by_scan_edge"))
    assert "it runs out of the scanned volume" in clause(nodule_statement(measured, 0.8, "en"), "comparison")


def test_without_a_prior_nothing_is_compared() -> None:
    topics = [c.topic for c in nodule_statement(BASE, 0.8, "en").clauses]
    assert "comparison" not in topics
    assert "follow_up" not in topics


def test_hints_say_for_whom_they_hold_and_rest_on_their_measurements() -> None:
    statement = nodule_statement((*BASE, *grown("grown", 85.0), *HINTS), 0.8, "en")
    said = clause(statement, "follow_up")
    assert all(part in said for part in ("from 35 years", "without known cancer", "6 to 12 months", "screening only", "category 4A"))
    assert "カテゴリー4A" in clause(nodule_statement((*BASE, *HINTS), 0.8, "ja"), "follow_up")
    order = [c.topic for c in statement.clauses]
    assert order.index("comparison") < order.index("impression") < order.index("follow_up") < order.index("confidence")
    measured = {m.name for m in (*BASE, *grown("grown", 85.0), *HINTS)}
    assert all(set(c.sources) <= measured for c in statement.clauses if c.topic in ("comparison", "follow_up"))
