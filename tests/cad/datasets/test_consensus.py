"""One truth out of several readers, tested against simulated readers whose errors are known."""

from __future__ import annotations

import layout_makers as make
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad.datasets.consensus import Agreement, agreed, outline, staple
from cad.datasets.dawid_skene import dawid_skene
from cad.datasets.gathering import gather
from cad.datasets.readers import gold_pass_rate, read_gold, reader_table, trait_consensus
from cad.datasets.scan import OUTLINED, Mark, Patch, patch_of
from cad.errors import ShokenError

CONFUSION = np.array(
    [
        [[0.95, 0.03, 0.02], [0.02, 0.96, 0.02], [0.03, 0.02, 0.95]],
        [[0.70, 0.20, 0.10], [0.10, 0.80, 0.10], [0.05, 0.25, 0.70]],
        [[0.60, 0.10, 0.30], [0.25, 0.65, 0.10], [0.10, 0.10, 0.80]],
        [[0.34, 0.33, 0.33], [0.33, 0.34, 0.33], [0.33, 0.33, 0.34]],
        [[0.10, 0.80, 0.10], [0.10, 0.80, 0.10], [0.10, 0.80, 0.10]],
    ]
)


def simulated(items, seed, seen=1.0):
    """Truth and the answers of readers with these confusion matrices, each of whom sees a share of the items."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, size=items, p=[0.5, 0.3, 0.2])
    answers = np.array([[rng.choice(3, p=CONFUSION[r, t]) for r in range(len(CONFUSION))] for t in truth])
    answers[rng.random(answers.shape) > seen] = -1
    return truth, answers


@pytest.mark.parametrize("seen", [1.0, 0.7])
def test_dawid_skene_finds_known_confusion_and_beats_the_vote(seen):
    truth, answers = simulated(3000, 1, seen)
    found = dawid_skene(answers, 3)
    np.testing.assert_allclose(found.confusion, CONFUSION, atol=0.08)
    np.testing.assert_allclose(found.prior, [0.5, 0.3, 0.2], atol=0.04)
    votes = np.stack([(answers == c).sum(axis=1) for c in range(3)], axis=1).argmax(axis=1)
    assert (found.answers == truth).mean() > (votes == truth).mean() + 0.03


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.floats(0.3, 1.0))
def test_the_objective_never_falls_and_posteriors_are_probabilities(seed, items, seen):
    _, answers = simulated(items, seed, seen)
    found = dawid_skene(answers, 3)
    assert (np.diff(found.objective) > -1e-6).all()
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    np.testing.assert_allclose(found.confusion.sum(axis=2), 1)


def test_answers_beyond_the_classes_are_named():
    with pytest.raises(ShokenError, match="-1 to 2"):
        dawid_skene(np.array([[0, 3]]), 3)


def test_staple_finds_who_errs():
    rng = np.random.default_rng(4)
    z, y, x = np.indices((16, 24, 24))
    truth = (z - 8) ** 2 + (y - 12) ** 2 + (x - 12) ** 2 <= 36
    rates = [(0.95, 0.99), (0.9, 0.98), (0.6, 0.97), (0.9, 0.9)]
    masks = np.stack([np.where(truth, rng.random(truth.shape) < p, rng.random(truth.shape) > q) for p, q in rates]).astype(np.uint8)
    found = staple(masks)
    np.testing.assert_allclose(found.sensitivity, [p for p, _ in rates], atol=0.04)
    np.testing.assert_allclose(found.specificity, [q for _, q in rates], atol=0.02)
    wrong = ((found.probability >= 0.5) != truth).sum()
    assert wrong < ((masks.sum(axis=0) * 2 > 4) != truth).sum()


def cube(reader, start, edge, answer=OUTLINED):
    patch = Patch(start, np.ones((edge,) * 3, dtype=np.uint8))
    return Mark(reader, answer, patch.centre_mm(make.GRID), patch.diameter_mm(make.GRID), (("malignancy", edge),), patch)


def unknown(_):
    return "unknown"


def test_outlines_of_four_readers():
    (lesion,) = gather([cube("a", (2, 8, 8), 6), cube("b", (2, 8, 8), 6), cube("c", (2, 8, 8), 5), cube("d", (2, 8, 9), 5)], unknown)
    sizes = {method: int(outline(lesion, Agreement(1, method)).voxels.sum()) for method in ("union", "majority", "staple", "intersection")}
    assert sizes["union"] == 216
    assert sizes["intersection"] == 100
    assert sizes["intersection"] < sizes["majority"] <= sizes["union"]
    assert sizes["intersection"] <= sizes["staple"] <= sizes["union"]


def test_two_readers_who_share_nothing_still_give_a_mask():
    lesion = gather([cube("a", (2, 8, 8), 3)], unknown)[0]
    apart = type(lesion)(1, (cube("a", (2, 8, 8), 2), cube("b", (5, 8, 8), 2)))
    assert outline(lesion, Agreement()).voxels.sum() == 27
    assert outline(apart, Agreement(1, "majority")).voxels.sum() == 16


def test_no_reader_twice_in_a_lesion_and_the_closest_pair_first():
    near, nearer, other = cube("a", (2, 8, 8), 4), cube("a", (2, 9, 8), 4), cube("b", (2, 9, 8), 4)
    lesions = gather([near, nearer, other], unknown)
    assert [sorted(mark.reader for mark in lesion.marks) for lesion in lesions] in ([["a", "b"], ["a"]], [["a"], ["a", "b"]])
    (pair,) = [lesion for lesion in lesions if len(lesion.marks) == 2]
    assert nearer in pair.marks


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 6), st.integers(0, 30), st.integers(2, 5)), max_size=8), st.randoms())
def test_gathering_keeps_every_mark_once_whatever_the_order(drawn, random):
    marks = [cube(reader, (k, j, 4), edge) for reader, k, j, edge in dict.fromkeys(drawn)]
    lesions = gather(marks, unknown)
    assert sorted(id(m) for lesion in lesions for m in lesion.marks) == sorted(map(id, marks))
    assert all(len({m.reader for m in lesion.marks}) == len(lesion.marks) for lesion in lesions)


def test_agreement_of_one_to_four(tmp_path):
    make.lidc(tmp_path)
    (scan,), _ = make.read_all("lidc", tmp_path)
    assert [len(agreed(scan, Agreement(n))) for n in (1, 2, 3, 4)] == [1, 1, 1, 0]
    with pytest.raises(ShokenError, match="1 to 4 readers"):
        Agreement(5)


def case(number, answers, gold_like=3):
    """A manifest's row with one lesion and these answers by reader."""
    marks = [{"reader": reader, "answer": answer, "traits": {"malignancy": gold_like}} for reader, answer in answers.items() if answer]
    return {"case": f"{number:04d}", "readers": sorted(answers), "lesions": [{"number": 1, "marks": marks}]}


def test_gold_questions_and_the_reader_who_marks_everything(tmp_path):
    rng = np.random.default_rng(2)
    truth = rng.random(400) < 0.5
    cases, rows = [], ["case,lesion,answer"]
    for n, sick in enumerate(truth):
        good = {f"good{r}": OUTLINED if (rng.random() < 0.9) == sick else "" for r in range(3)}
        cases.append(case(n, {**good, "eager": OUTLINED}))
        if n < 50:
            rows.append(f"{n:04d},1,{'lesion' if sick else 'not_marked'}")
    (tmp_path / "gold.csv").write_text("\n".join(rows))
    table = {row.reader: row for row in reader_table(cases, read_gold(tmp_path / "gold.csv"))}
    assert table["good0"].finds == pytest.approx(0.9, abs=0.06)
    assert table["good0"].false_alarms == pytest.approx(0.1, abs=0.06)
    assert table["eager"].finds > 0.98
    assert table["eager"].false_alarms > 0.95
    assert table["eager"].gold.asked == 50
    assert table["eager"].gold.rate == pytest.approx(truth[:50].mean())
    assert table["good0"].gold.rate > 0.75
    low, high = table["good0"].gold.interval
    assert low < table["good0"].gold.rate < high
    assert gold_pass_rate(["a", "", "b"], ["a", "a", "a"]).rate == 0.5
    assert gold_pass_rate([], []).rate is None


def test_a_rating_by_consensus():
    cases = [case(n, {"a": OUTLINED, "b": OUTLINED, "c": OUTLINED}, gold_like=1 + n % 5) for n in range(10)]
    cases[3]["lesions"][0]["marks"][0]["traits"]["malignancy"] = 1
    found = trait_consensus(cases, "malignancy")
    assert [found[f"{n:04d}", 1] for n in range(10)] == [1 + n % 5 for n in range(10)]
    assert trait_consensus(cases, "subtlety") == {}


def test_a_patch_is_what_the_mask_was():
    mask = np.zeros((5, 6, 7), dtype=bool)
    mask[1:3, 2:5, 4] = True
    patch = patch_of(mask)
    assert (patch.start, patch.voxels.shape) == ((1, 2, 4), (2, 3, 1))
    assert patch_of(np.zeros((2, 2, 2))) is None
    assert patch.shared(Patch((2, 4, 4), np.ones((1, 1, 1), np.uint8))) == 1
    assert patch.shared(Patch((4, 4, 4), np.ones((1, 1, 1), np.uint8))) == 0
