"""What a training set covers is counted beside what LIDC-IDRI's readers saw."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cad.datasets.training_coverage import coverage_of, lidc_shares, training_coverage_text, write_training_coverage
from cad.simulate.lidc_table import READINGS, SHAPES


def case(seed, lesions, dz=2.5):
    return {"seed": seed, "spacing_mm": [dz, 0.8, 0.8], "lesions": [{"kind": k, "diameter_mm": d} for k, d in lesions]}


def test_the_table_is_one_of_lesions_of_3_mm_and_more_and_its_shares_are_a_whole():
    assert sum(row[-1] for row in READINGS) > 5000
    assert min(row[0] for row in READINGS) == 3.0
    assert all(len(row[2]) == len(row[3]) == 5 for row in SHAPES)
    assert sum(lidc_shares().values()) == pytest.approx(1)
    assert ("solid", "0-3") not in lidc_shares()


def test_what_life_shows_and_the_set_lacks_is_named_most_frequent_first():
    solid = [case(n, [("solid", 4.0), ("solid", 7.0)]) for n in range(12)]
    report = coverage_of([*solid, case(99, [])])
    assert report["patients"] == 13
    assert report["patients_with_lesions"] == 12
    assert not any(name.startswith(("solid, 3-6", "solid, 6-8")) for name in report["lacking"])
    assert "ground_glass, 3-6 mm" in report["lacking"]
    life = lidc_shares()
    shares = [life[tuple(name.removesuffix(" mm").split(", "))] for name in report["lacking"]]
    assert shares == sorted(shares, reverse=True)
    assert "In life" in training_coverage_text(report)


def test_cached_cases_are_read_by_their_facts_alone(tmp_path):
    facts = {
        "seed": 1,
        "lesions": [{"kind": "solid", "diameter_mm": 9.0}],
        "grids": {"source": {"affine": np.diag([0.7, 0.8, 5.0, 1]).tolist()}},
    }
    np.savez(tmp_path / "a.npz", facts=np.asarray(json.dumps(facts)))
    write_training_coverage([tmp_path / "a.npz"], tmp_path)
    written = json.loads((tmp_path / "coverage.json").read_text())
    assert written["by_kind_and_size"]["solid"]["8-15"] == 1
    assert written["lesions"] == 1
    assert (tmp_path / "coverage.txt").read_text().startswith("1 patients (1 with lesions), 1 scans")
