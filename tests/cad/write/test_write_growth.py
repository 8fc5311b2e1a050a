"""What a page shows of a prior: the chart of each compared finding, what came of the comparison, and a mix-up in plain sight."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from case_phantom import finding, report
from schema_check import faults, schema

from cad.finding import Measurement
from cad.report import Comparison, PriorLesion
from cad.write.canonical import document_bytes
from cad.write.document import case_document
from cad.write.growth_chart import growth_figure
from cad.write.html import case_page

GROWN = (
    Measurement("comparison", None, "", "", label="grown"),
    Measurement("prior_interval", 182.0, "d", ""),
    Measurement("prior_volume", 400.0, "mm3", "", (320.0, 500.0)),
    Measurement("volume_change", 125.0, "%", "", (60.0, 200.0), label="grown"),
    Measurement("least_change", 40.0, "%", ""),
    Measurement("doubling_time", 156.0, "d", "", (115.0, 268.0)),
)
COMPARED = Comparison(
    "lung_nodule_ct",
    "case-0123456789ab",
    "2.25.1",
    "2.25.2",
    182,
    "compared",
    "the bones agree with r = 0.83",
    0.83,
    (0.6, 0.9, 0.95),
    0.0,
    (PriorLesion("resolved", (1.0, 2.0, 3.0), 8.0, 260.0, 0.6),),
)


def compared():
    kept = tuple(m for m in finding(1, 0.8).measurements if m.name != "volume")
    return replace(finding(1, 0.8), measurements=(*kept, Measurement("volume", 900.0, "mm3", "", (700.0, 1100.0)), *GROWN))


def test_the_chart_puts_volumes_intervals_and_noise_where_they_belong() -> None:
    figure = growth_figure(compared())
    assert figure is not None
    before, now = figure.marks
    assert before.x < now.x
    assert (before.day, now.day) == ("−182", "0")
    assert before.low == before.y == before.high
    scale = (figure.bottom - now.y) / 900
    assert [(figure.bottom - y) / scale for y in (now.low, now.high)] == pytest.approx([400 * 1.6, 400 * 3.0], rel=0.01)
    assert now.label == "900 mm³ (+125 %)"
    assert (figure.bottom - before.y) / 400 == pytest.approx(scale, rel=0.01)
    assert figure.band is not None
    assert [(figure.bottom - y) / scale for y in figure.band] == pytest.approx([560, 400 / 1.4], rel=0.01)


def test_no_chart_without_two_volumes_that_may_be_compared() -> None:
    assert growth_figure(finding(1, 0.8)) is None
    told = compared()
    apart = tuple(replace(m, label="not_comparable") if m.name == "comparison" else m for m in told.measurements)
    assert growth_figure(replace(told, measurements=apart)) is None


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ("GROWN", "182 days earlier", "no longer seen", "−182 d<")),
        ("ja", ("増大", "182 日前", "消失", "−182 日<", "体積の推移：増大。")),
    ],
)
def test_a_page_shows_the_comparison(lang: str, words: tuple[str, ...]) -> None:
    told = replace(report(lang), findings=(compared(),), comparisons=(COMPARED,))
    page = case_page(told, {})
    assert all(word in page for word in words)
    assert 'class="curve growth"' in page
    assert not list(faults(json.loads(document_bytes(case_document(told))), schema("case")))


def test_a_mix_up_is_an_alarm_on_the_page() -> None:
    told = replace(COMPARED, status="possible_patient_mix_up", same_patient=0.1, correlation=None, folded=None, lesions=())
    page = case_page(replace(report(), comparisons=(told,)), {})
    assert '<span class="chip alarm">POSSIBLE PATIENT MIX-UP</span>' in page
