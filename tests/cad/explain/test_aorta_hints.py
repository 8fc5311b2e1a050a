"""Hints of two guidelines by part of the aorta, at and below each threshold."""

import pytest

from cad.explain.aorta_hints import STEPS, hint_clauses
from cad.explain.facts import facts_of
from cad.explain.statement import aorta_statement
from cad.finding import Measurement


def mm(**values):
    return [Measurement(f"aorta_{name}", value, "mm", "m") for name, value in values.items()]


@pytest.mark.parametrize(("part", "limit", "words"), [(part, limit, words) for part, steps in STEPS.items() for limit, words, _ in steps])
def test_a_hint_begins_at_its_threshold(part, limit, words):
    at, below = ({name.removeprefix("aorta_"): value for name in part} for value in (limit, limit - 0.1))
    (clause,) = hint_clauses(facts_of(mm(**at), "en"))
    assert words in clause.text
    assert "2022 ACC/AHA" in clause.text
    assert "2024 ESC" in clause.text
    assert not any(words in clause.text for clause in hint_clauses(facts_of(mm(**below), "en")))


def test_every_part_is_judged_by_its_own_thresholds():
    """45 mm ascending, 40 mm descending, 31 mm abdominal: no hint for arch and descending part, one each for the others."""
    values = mm(ascending_max=45.0, mid_arch=44.0, mid_descending=40.0, abdominal=31.0)
    (clause,) = hint_clauses(facts_of(values, "en"))
    assert clause.sources == ("aorta_ascending_max", "aorta_abdominal")
    assert "root and ascending: from 45 mm" in clause.text
    assert "descending:" not in clause.text
    assert hint_clauses(facts_of(mm(ascending_max=39.9, mid_descending=54.9, abdominal=29.9), "en")) == ()
    missing = [Measurement("aorta_ascending_max", None, "mm", "m", outcome="metal_at_wall")]
    assert hint_clauses(facts_of(missing, "en")) == ()


def test_the_statement_holds_it_in_both_languages():
    for lang, word in (("en", "Hints by size alone"), ("ja", "径のみによる参考")):
        assert word in aorta_statement(mm(ascending_max=56.0, max=56.0), 0.9, lang).text
        assert word not in aorta_statement(mm(ascending_max=36.0, max=36.0), 0.9, lang).text
