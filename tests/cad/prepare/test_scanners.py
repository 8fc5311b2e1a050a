"""CT whose numbers or noise are off, brought to what a model learned from; on a chest whose HU are known."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import phantoms
import pytest

from cad.prepare.inputs import InputRule, NetworkInput, near, network_input
from cad.prepare.noise import noise_along_rows
from cad.prepare.scanners import FEWEST_SCANS, Reading, Scanners, reading
from cad.space import Grid
from cad.volume import Volume

GRID = Grid.axial((64, 110, 155), (4, 2.2, 2.2), (-169, -120, -126))
KNOWN = Scanners((-1000.0, -100.0, 50.0), (15.0, 15.0, 15.0), 25.0)
PLAIN = InputRule("lungs", 2.0, 6, -1000, 400, 16, 2.0)
RULE = replace(PLAIN, scanners=KNOWN)
PLACE = (30.0, 0.0, 0.0)  # heart, lung and what lies between


@cache
def still(blood: float) -> np.ndarray:
    """Fat around muscle, two lungs, a heart full of blood, a trachea full of air."""
    things = [
        (phantoms.ellipsoid((0, 0, 0), (320, 220, 600)), -100.0),
        (phantoms.ellipsoid((0, 0, 0), (280, 180, 600)), 50.0),
        *((phantoms.ellipsoid((x, 0, 0), (100, 150, 220)), -850.0) for x in (-72, 72)),
        (phantoms.ellipsoid((15, -20, -30), (80, 80, 100)), blood),
        (phantoms.tube([(0, 20, 30), (0, 20, 130)], 20), -1000.0),
    ]
    return phantoms.paint(GRID, things, -1000.0)


def chest(blood: float = 40, noise: float = 10) -> Volume:
    voxels = still(blood) + np.random.default_rng(3).normal(0, noise, GRID.shape)
    return Volume(np.rint(voxels).clip(-1024, 3071).astype(np.int16), GRID)


def off(volume: Volume, gain: float, offset: float) -> Volume:
    return volume.like((gain * volume.voxels + offset).round().clip(-1024, 3071).astype(np.int16))


def seen(volume: Volume, rule: InputRule = RULE) -> NetworkInput:
    found = network_input(volume, rule)
    assert isinstance(found, NetworkInput)
    return found


def pixels(volume: Volume, rule: InputRule = RULE) -> np.ndarray:
    return seen(volume, rule).closely(volume, PLACE, 32, rule)[1][0]


@pytest.mark.parametrize("blood", [40, 300])
def test_a_scan_like_those_learned_from_is_left_alone_with_contrast_agent_too(blood: float) -> None:
    volume = chest(blood)
    found = seen(volume)
    assert found.correction is None
    np.testing.assert_array_equal(found.stack(), seen(volume, PLAIN).stack())
    read = reading(volume, found.region, near(volume, found.image.grid).voxels)
    np.testing.assert_allclose(read.hu, KNOWN.hu, atol=4)
    assert read.noise_hu == pytest.approx(10, rel=0.2)  # edges count a little too


@pytest.mark.parametrize(("gain", "offset"), [(1, 60), (1, -60), (0.9, 0), (1.05, 40)])
@pytest.mark.parametrize("blood", [40, 300])
def test_numbers_that_are_off_are_taken_back_in_crop_and_close_up(gain: float, offset: float, blood: float) -> None:
    volume = off(chest(blood), gain, offset)
    found, right = seen(volume), pixels(chest(blood), PLAIN)
    assert found.correction is not None
    assert found.correction.rescaled
    assert not found.correction.blur_mm
    assert found.correction.own(0) == pytest.approx(offset, abs=5)
    assert found.correction.own(-850) == pytest.approx(-850 * gain + offset, abs=5)
    aligned, plain = (np.abs(pixels(volume, rule) - right).mean() for rule in (RULE, PLAIN))
    assert aligned < 0.006
    assert plain > 3 * aligned
    cut, _ = found.closely(volume, PLACE, 32, RULE)
    np.testing.assert_array_equal(cut.voxels, seen(volume, PLAIN).closely(volume, PLACE, 32, PLAIN)[0].voxels)


def test_air_that_was_cut_off_tells_nothing_of_the_gain() -> None:
    volume = off(chest(), 1, -60)
    found = seen(volume).correction
    assert found is not None
    assert np.isnan(found.read.hu[0])
    assert found.gain == 1


@pytest.mark.parametrize(
    ("hu", "line"),
    [
        ((-1000, -100, 120), (1, 0)),  # no straight line: one of them is something else
        ((-990, -110, 60), (1, 0)),
        ((np.nan, -160, -10), (1, -60)),
        ((np.nan, -160, 50), (1, 0)),
        ((-900, np.nan, np.nan), (1, 0)),
        ((-1100, np.nan, 45), (1.1, 0)),
    ],
)
def test_only_a_line_that_goes_through_all_of_it_is_believed(hu: tuple[float, ...], line: tuple[float, float]) -> None:
    gain, offset = KNOWN.line(Reading(hu, 5.0))
    assert gain == pytest.approx(line[0], abs=0.011)
    assert offset == pytest.approx(line[1], abs=10 if line[0] != 1 else 1)


def test_noise_beyond_what_was_learned_is_smoothed_to_it_for_the_networks_alone() -> None:
    volume = chest(noise=60)
    found, plain = seen(volume), seen(volume, PLAIN)
    assert found.correction is not None
    assert found.correction.blur_mm > 0
    assert not found.correction.rescaled
    inside = near(found.correction.quietened(volume), found.image.grid).voxels
    left = noise_along_rows(inside[::2, ::4].astype(np.float32))
    assert left == pytest.approx(KNOWN.noise_hu, rel=0.1)
    assert found.stack().shape == plain.stack().shape
    assert found.aligned(RULE) == ()
    (cut, quiet), (raw, loud) = (one.closely(volume, PLACE, 32, RULE) for one in (found, plain))
    np.testing.assert_array_equal(cut.voxels, raw.voxels)
    assert noise_along_rows(quiet[0]) < 0.8 * noise_along_rows(loud[0])


def test_what_is_learned_holds_all_but_one_scan_in_a_hundred() -> None:
    rng = np.random.default_rng(0)
    scans = [Reading(tuple(rng.normal(KNOWN.hu, (8, 5, 6))), noise) for noise in rng.uniform(5, 40, 2000)]
    known = Scanners.learned([*scans, Reading((np.nan, -300.0, 200.0), 5.0)])
    assert known is not None
    apart = np.abs(np.array([scan.hu for scan in scans]) - known.hu) > known.tolerance_hu
    assert 0.005 <= apart.any(axis=1).mean() <= 0.011
    assert known.noise_hu == pytest.approx(39.65, abs=0.3)
    assert Scanners.learned(scans[: FEWEST_SCANS - 1]) is None


def test_a_rule_comes_back_from_a_header_with_its_scanners() -> None:
    assert InputRule.from_dict(json.loads(json.dumps(asdict(RULE)))) == RULE
    assert repr(RULE) == repr(PLAIN)
