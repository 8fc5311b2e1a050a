"""Matching and FROC: by hand, by law, and against LUNA16's own script."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad.errors import ShokenError
from cad.score.froc import OPERATING_FP, froc, froc_from_csv
from cad.score.match import Mark, Truth, match_mask, match_one_to_one, match_scan
from cad.space import Grid
from cad.volume import Volume

LESIONS = [Truth("a", (0, 0, 0), 10.0), Truth("a", (50, 0, 0), 6.0)]


def test_hits_doubles_ignored_and_false():
    marks = [
        Mark("a", (1, 0, 0), 0.4),
        Mark("a", (0, 2, 0), 0.9),
        Mark("a", (5, 0, 0), 0.8),
        Mark("a", (80, 0, 0), 0.7),
        Mark("a", (0, 90, 0), 0.6),
    ]
    found = match_scan("a", marks, LESIONS, [Truth("a", (80, 0, 3), -1.0)])
    assert found.lesions == (0.9, None)
    assert sorted(found.false_marks) == [0.6, 0.8]
    assert (found.doubles, found.ignored) == (1, 1)


def test_one_to_one_spends_a_mark_once():
    near = [Truth("a", (0, 0, 0), 10.0), Truth("a", (4, 0, 0), 10.0)]
    mark = [Mark("a", (1, 0, 0), 0.9)]
    assert match_scan("a", mark, near).lesions == (0.9, 0.9)
    assert match_one_to_one("a", mark, near).lesions == (0.9, None)
    assert match_one_to_one("a", [*mark, Mark("a", (2, 0, 0), 0.5), Mark("a", (2, 1, 0), 0.1)], near).doubles == 1


def test_a_mask_is_hit_inside_only():
    grid = Grid.axial((10, 10, 10), (2, 1, 1), (5, 6, 7))
    voxels = np.zeros(grid.shape, np.uint8)
    voxels[3, 4, 5] = 1
    inside = tuple(grid.to_mm((3, 4, 5)))
    marks = [Mark("a", inside, 0.5), Mark("a", tuple(grid.to_mm((4, 4, 5))), 0.9), Mark("a", (999.0, 0, 0), 0.1)]
    found = match_mask("a", marks, [Volume(voxels, grid)])
    assert found.lesions == (0.5,)
    assert sorted(found.false_marks) == [0.1, 0.9]


def test_a_curve_by_hand():
    """Two scans, two lesions; scores 0.9 hit, 0.8 false, 0.7 hit."""
    marks = [Mark("a", (0, 0, 0), 0.9), Mark("b", (9, 9, 9), 0.8), Mark("a", (50, 0, 0), 0.7)]
    result = froc(marks, LESIONS, [], ["a", "b"])
    assert result.curve.fp_per_scan == (0, 0, 0.5, 0.5)
    assert result.curve.sensitivity == (0, 0.5, 0.5, 1.0)
    assert result.curve.thresholds == (float("inf"), 0.9, 0.8, 0.7)
    assert dict(result.operating)[0.125] == 0.5
    assert dict(result.operating)[8] == 1.0
    assert result.cpm == pytest.approx(np.mean([s for _, s in result.operating]))
    assert len(OPERATING_FP) == 7


def test_a_scan_of_many_marks_keeps_its_hundred_best():
    marks = [Mark("a", (900.0 + i, 0, 0), i / 1000) for i in range(150)]
    result = froc(marks, LESIONS, [], ["a"])
    assert (result.marks, result.false_positives) == (100, 100)
    assert min(t for t in result.curve.thresholds) == 0.05


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-10, 60), st.floats(0, 1)), max_size=30))
def test_every_mark_is_counted_once_and_the_curve_only_rises(places):
    marks = [Mark("a", (x, 0.0, 0.0), score) for x, score in places]
    r = froc(marks, LESIONS, [Truth("a", (20, 0, 0), 8.0)], ["a"])
    assert r.true_positives + r.doubles + r.ignored + r.false_positives == len(marks)
    assert r.true_positives + r.false_negatives == 2
    assert all(np.diff(r.curve.sensitivity) >= 0)
    assert all(np.diff(r.curve.fp_per_scan) >= 0)


def test_the_interval_is_repeatable_and_holds_the_value():
    rng = np.random.default_rng(0)
    scans = [str(i) for i in range(30)]
    truths = [Truth(s, (0, 0, 0), 10.0) for s in scans]
    marks = [Mark(s, (0, 0, 0) if rng.random() < 0.6 else (90, 0, 0), float(rng.random())) for s in scans]
    first, second = (froc(marks, truths, [], scans, resamples=100, seed=3) for _ in range(2))
    assert first == second
    low, high = first.cpm_interval
    assert low < first.cpm < high


@pytest.fixture(scope="module")
def luna16(shared_data, tmp_path_factory):
    """The synthetic submission as the challenge's script saw it: the first 9,982 marks (the file holds 36 more)."""
    folder = shared_data / "lidc_truth"
    with (folder / "synthetic_submission.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))[: 9982 + 1]
    seen = tmp_path_factory.mktemp("luna16") / "marks.csv"
    with seen.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    truth = folder / "annotations"
    return froc_from_csv(seen, truth / "annotations.csv", truth / "annotations_excluded.csv", truth / "seriesuids.csv"), folder


def test_the_counts_of_luna16(luna16):
    r, _ = luna16
    assert (r.scans, r.marks, r.lesions) == (888, 9982, 1186)
    assert (r.true_positives, r.false_positives, r.false_negatives) == (874, 6124, 312)
    assert (r.ignored, r.doubles) == (2761, 223)
    assert r.sensitivity == pytest.approx(0.736930860, abs=5e-10)


def test_the_curve_of_luna16(luna16):
    r, folder = luna16
    expected = np.loadtxt(folder / "synthetic_expected" / "froc_synthetic_submission.txt", delimiter=",")
    ours = dict(zip(r.curve.thresholds, zip(r.curve.fp_per_scan, r.curve.sensitivity, strict=True), strict=True))
    for fp, sensitivity, threshold in expected[np.isin(expected[:, 2], list(ours))]:
        assert ours[threshold] == pytest.approx((fp, sensitivity), abs=1e-8)
    assert np.isin(expected[:, 2], list(ours)).all()


def test_a_file_without_the_column_is_named(tmp_path):
    marks = tmp_path / "marks.csv"
    marks.write_text("seriesuid,coordX,coordY,coordZ,score\n")
    with pytest.raises(ShokenError, match=r"marks\.csv.*probability"):
        froc_from_csv(marks, marks)
    truth = tmp_path / "truth.csv"
    truth.write_text("seriesuid,coordX,coordY,coordZ,diameter_mm\na,1,2,x,3\n")
    marks.write_text("seriesuid,coordX,coordY,coordZ,probability\na,1,2,3,.5\n")
    with pytest.raises(ShokenError, match="line 2"):
        froc_from_csv(marks, truth)


def test_without_lesions_there_is_no_froc():
    with pytest.raises(ShokenError, match="0 lesions"):
        froc([], [], [], ["a"])
