"""Similar cases: the nearest known ones, of the right model only, and nothing in the index that leads back to anybody."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from cad.errors import ModelError
from cad.explain.similar import FORMAT, SHOWN, KnownCase, SimilarIndex, finding_features, load_index, save_index
from cad.finding import Measurement
from cad.networks import NetworkSpec, build

TASK, MODEL = "lung_nodule_ct", "ab" * 32


def known(n: int = 40, *, seed: int = 5) -> list[KnownCase]:
    """Lesions around (3, 1), look-alikes around (0, -1) in two network features; sizes grow with the number."""
    draw = np.random.default_rng(seed)
    cases = []
    for number in range(n):
        lesion = number % 2 == 0
        a, b = draw.normal((3.0, 1.0) if lesion else (0.0, -1.0), 0.4)
        features = {"feature_00": float(a), "feature_01": float(b), "long_axis": float(np.log(5 + number))}
        cases.append(KnownCase(features, "lesion" if lesion else "look_alike", "simulated", 5.0 + number, "solid"))
    return cases


@pytest.fixture
def index() -> SimilarIndex:
    return SimilarIndex.of(TASK, MODEL, known())


@pytest.mark.parametrize(("at", "outcome"), [((3.0, 1.0), "lesion"), ((0.0, -1.0), "look_alike")])
def test_a_finding_is_shown_what_its_neighbours_were(index, at, outcome):
    found = index.nearest({"feature_00": at[0], "feature_01": at[1], "long_axis": float(np.log(20))})
    assert [case.outcome for case in found.cases] == [outcome] * SHOWN
    distances = [case.distance for case in found.cases]
    assert distances == sorted(distances)
    assert (found.size, found.missing) == (40, "")


def test_what_readers_here_answered_is_not_hidden_by_many_shipped_cases():
    crowd = [KnownCase({"feature_00": place}, "lesion", "simulated") for place in (*np.arange(10) / 1000, *np.arange(10, 100, 10))]
    index, at = SimilarIndex.of(TASK, MODEL, crowd), {"feature_00": 0.0}

    def shown(place):
        joined = index.joined([KnownCase({"feature_00": place}, "confirmed", "reader", 21.0, "solid")], "here")
        return [case.outcome for case in joined.nearest(at).cases]

    assert shown(2.0) == ["lesion"] * SHOWN + ["confirmed"]
    assert shown(45.0) == ["lesion"] * SHOWN  # like none of them, beyond reach
    assert shown(0.0) == ["lesion", "confirmed", "lesion", "lesion", "lesion"]  # among them anyway: nothing is added


def test_a_case_of_the_index_is_its_own_nearest_neighbour(index):
    for number in (0, 7, 39):
        found = index.nearest(known()[number].features)
        assert found.cases[0].diameter_mm == 5.0 + number
        assert found.cases[0].distance == pytest.approx(0.0, abs=1e-5)


def test_what_is_like_nothing_known_is_out_of_reach(index):
    near, far = index.nearest(known()[3].features), index.nearest({"feature_00": 60.0, "feature_01": 60.0, "long_axis": 3.0})
    assert near.cases[1].distance < 3 * near.reach
    assert far.cases[0].distance > 5 * far.reach


def test_size_and_texture_weigh_as_much_as_all_the_network_sees():
    draw = np.random.default_rng(1)
    cases = [
        KnownCase({f"feature_{k:02d}": float(draw.normal()) for k in range(64)} | {"sphericity": float(draw.normal())}, "lesion", "s")
        for _ in range(400)
    ]
    points = SimilarIndex.of(TASK, MODEL, cases)._points
    assert (points[:, :64] ** 2).sum(axis=1).mean() == pytest.approx((points[:, 64] ** 2).mean(), rel=0.01)


def test_what_was_not_measured_counts_as_usual(index):
    without = index.nearest({"feature_00": 3.0, "feature_01": 1.0})
    mean = float(np.mean([case.features["long_axis"] for case in known()]))
    usual = index.nearest({"feature_00": 3.0, "feature_01": 1.0, "long_axis": mean})
    assert [case.distance for case in without.cases] == pytest.approx([case.distance for case in usual.cases], abs=1e-5)


def test_an_index_comes_back_as_it_was_written_and_the_same_each_time(index, tmp_path):
    digest = save_index(tmp_path / "a", index)
    assert save_index(tmp_path / "b", SimilarIndex.of(TASK, MODEL, known())) == digest
    back = load_index(tmp_path / "a", TASK, MODEL)
    assert (back.cases, back.names, back.sha256) == (index.cases, index.names, digest)
    asked = known()[4].features
    assert back.nearest(asked).cases == index.nearest(asked).cases
    assert back.nearest(asked).index_sha256 == digest


def test_another_models_index_is_refused(index, tmp_path):
    save_index(tmp_path / "i", index)
    for task, model in ((TASK, "cd" * 32), ("brain_lesion_mr", MODEL)):
        with pytest.raises(ModelError, match="was made by another model"):
            load_index(tmp_path / "i", task, model)


def test_a_changed_index_is_refused(index, tmp_path):
    save_index(tmp_path / "i", index)
    data = (tmp_path / "i").read_bytes()
    (tmp_path / "outcome").write_bytes(data.replace(b"look_alike", b"lesion    ", 1))
    (tmp_path / "feature").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    for name in ("outcome", "feature"):
        with pytest.raises(ModelError, match="it was changed"):
            load_index(tmp_path / name, TASK, MODEL)
    (tmp_path / "other").write_bytes(b"not an index")
    with pytest.raises(ModelError, match="not readable as an index"):
        load_index(tmp_path / "other", TASK, MODEL)


def test_an_index_holds_features_outcome_size_texture_and_source_only(index, tmp_path):
    save_index(tmp_path / "i", index)
    with safe_open(tmp_path / "i", framework="np") as stream:
        header = json.loads(stream.metadata()[FORMAT])
        assert list(stream.keys()) == ["features"]
    assert set(header) == {"task", "model_sha256", "names", "cases", "digest"}
    assert {name for case in header["cases"] for name in case} == {"outcome", "source", "diameter_mm", "texture"}


def test_too_few_cases_and_unknown_outcomes_are_refused():
    with pytest.raises(ModelError, match="two or more"):
        SimilarIndex.of(TASK, MODEL, known()[:1])
    with pytest.raises(ModelError, match="lesion or look_alike"):
        SimilarIndex.of(TASK, MODEL, [*known(), KnownCase({}, "perhaps", "simulated")])


def test_a_findings_features_are_the_classifiers_and_the_measured_ones():
    torch.manual_seed(0)
    reducer = build(NetworkSpec("resnet", 3, 1, 1, (4, 4, 8, 8))).eval()
    patch = np.random.default_rng(0).random((16, 16, 16), dtype=np.float32)
    measured = (
        Measurement("long_axis", 10.0, "mm", "m"),
        Measurement("sphericity", 0.9, "1", "m"),
        Measurement("spiculation_index", None, "1", "m", outcome="too_small"),
        Measurement("location", None, "", "m", label="left_upper_zone"),
    )
    features = finding_features(patch, reducer, measured)
    assert sum(name.startswith("feature_") for name in features) == 8
    assert features["long_axis"] == pytest.approx(np.log(10))
    assert features["sphericity"] == 0.9
    assert set(features) - {n for n in features if n.startswith("feature_")} == {"long_axis", "sphericity"}
