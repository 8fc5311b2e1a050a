"""Grey values of other scanners, brought to what a model learned from."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from cad.prepare.inputs import InputRule, NetworkInput, network_input, tissue_of
from cad.prepare.landmarks import LEAST_STEP, Curve, Landmarks, measured
from cad.simulate.head import HeadPlan, simulate_sequences
from cad.volume import Volume

RULE = InputRule("brain", 4.0, 6, None, None, 16, 3.0, sequences=("T1c", "FLAIR"))
PLAN = HeadPlan(shape=(36, 80, 68), spacing_mm=(5, 3, 3), lesions=1)


def head(seed: int, power: float = 1.0) -> Volume:
    """T1c with FLAIR beside it; the T1c through another curve from signal to grey."""
    first, second = (scan.volume for scan in simulate_sequences(seed, PLAN, ("T1c", "FLAIR")).values())
    voxels = 2000 * (np.asarray(first.voxels, dtype=np.float64) / 2000) ** power
    return replace(first, voxels=np.rint(voxels).astype(np.int16), beside=(second,))


def seen(volume: Volume, rule: InputRule = RULE) -> NetworkInput:
    found = network_input(volume, rule)
    assert isinstance(found, NetworkInput)
    return found


@pytest.fixture(scope="module")
def rule() -> InputRule:
    heads = [seen(head(seed)) for seed in range(5)]
    scans = [[measured(tissue_of(p.image, one.region)) for one in heads for p in [one.pictures[n]] if p] for n in range(2)]
    return replace(RULE, landmarks=tuple(Landmarks.learned(name, rows) for name, rows in zip(RULE.sequences, scans, strict=True)))


def test_a_scan_like_those_learned_from_is_left_alone(rule: InputRule) -> None:
    plain, aligned = seen(head(2)), seen(head(2), rule)
    assert aligned.aligned(rule) == ()
    np.testing.assert_array_equal(plain.stack(), aligned.stack())


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_another_scanners_curve_is_taken_back_in_crop_and_close_up(rule: InputRule, power: float) -> None:
    volume = head(7, power)
    plain, aligned = seen(volume), seen(volume, rule)
    marks = rule.landmarks[0]
    assert dict(aligned.aligned(rule))["T1c"] > marks.tolerance
    off = [np.abs(measured(tissue_of(one.stack()[0], one.region)) - marks.values).max() for one in (plain, aligned)]
    assert off[1] < 0.02 < off[0]
    middle = aligned.region.grid.to_mm(np.argwhere(aligned.region.voxels > 0).mean(axis=0))
    cuts = [one.closely(volume, middle, 16, rule)[1][0] for one in (plain, aligned)]
    curve = aligned.curve
    assert curve is not None
    np.testing.assert_allclose(curve(cuts[0]), cuts[1], atol=1e-6)
    assert {name for name, _ in aligned.only(("FLAIR",)).aligned(rule)} <= {"FLAIR"}


def test_a_curve_rises_and_ends_in_the_window() -> None:
    curve = Curve((0.1, 0.3, 0.4), (0.2, 0.3, 0.6))
    values = curve(np.linspace(0, 1, 101, dtype=np.float32))
    assert (np.diff(values) >= 0).all()
    np.testing.assert_allclose(curve(np.array([0.1, 0.3, 0.35, 0.4, 0.5, 0.9], np.float32)), [0.2, 0.3, 0.45, 0.6, 0.9, 1.0], atol=1e-6)
    assert curve.moved == pytest.approx(0.2)


def test_flat_tissue_has_rising_landmarks_and_little_of_it_is_not_moved() -> None:
    flat = measured(np.full(5000, 0.4, np.float32))
    assert (np.diff(flat) >= LEAST_STEP - 1e-12).all()
    marks = Landmarks.learned("T1c", [np.linspace(0.1, 0.7, 7), np.linspace(0.1, 0.72, 7)])
    assert marks.curve(np.full(999, 0.9, np.float32)) is None
    assert marks.curve(np.full(1000, 0.9, np.float32)) is not None


def test_a_rule_comes_back_from_a_header_with_its_landmarks(rule: InputRule) -> None:
    assert InputRule.from_dict(json.loads(json.dumps(asdict(rule)))) == rule
    assert repr(rule) == repr(RULE)
