"""Novelty: strangers are named, levels keep their false alarms on new scans, what is outside the organ does not count."""

import json

import numpy as np
import pytest

from cad.errors import ShokenError
from cad.explain.features import scan_features
from cad.explain.novelty import NoveltyReference
from cad.prepare.inputs import InputRule, NetworkInput, scaled
from cad.space import Grid
from cad.volume import Volume

RULE = InputRule(region="lungs", spacing_mm=2.0, margin_mm=6, low=-1000, high=400, patch_voxels=16, patch_spacing_mm=1.0)


def scan(rng):
    size = rng.normal(0, 1)
    return {
        "intensity": {"organ_p50": -600 + 30 * size + rng.normal(0, 3), "around_p50": 40 + 2 * rng.normal()},
        "anatomy": {"organ_height_mm": 250 + 20 * size + rng.normal(0, 2)},
    }


def scans(n, seed=1):
    rng = np.random.default_rng(seed)
    return [scan(rng) for _ in range(n)]


def test_the_familiar_and_the_strange_by_family():
    reference = NoveltyReference.fit(scans(60), scans(50, seed=2))
    near = reference.judge({"intensity": {"organ_p50": -605, "around_p50": 41}, "anatomy": {"organ_height_mm": 248}}, "t")
    assert (near.level, near.notes, near.task) == ("familiar", (), "t")
    assert near.score < 0.5
    far = reference.judge({"intensity": {"organ_p50": -100, "around_p50": 40}, "anatomy": {"organ_height_mm": 250}}, "t")
    assert far.level == "unlike training data"
    assert far.score > 0.93
    assert "organ_p50 -100" in far.notes[0]
    level = {family.name: family.level for family in far.families}
    assert level == {"anatomy": "familiar", "intensity": "unlike training data"}
    odd = next(family for family in far.families if family.name == "intensity").odd[0]
    assert odd.low < -600 < odd.high < odd.value == -100


def test_levels_keep_their_false_alarms_on_new_scans():
    """Over many references and new scans, no more are called so than is stated."""
    unusual, unlike = [], []
    for seed in range(40):
        reference = NoveltyReference.fit(scans(40, 3 * seed), scans(40, 3 * seed + 1))
        levels = [reference.judge(new, "t").level for new in scans(40, 3 * seed + 2)]
        unusual.append(np.mean([level != "familiar" for level in levels]))
        unlike.append(np.mean([level == "unlike training data" for level in levels]))
    most_unusual, most_unlike = reference.false_alarms()
    assert (most_unusual, most_unlike) == (0.05, pytest.approx(1 / 41))
    assert np.mean(unusual) <= most_unusual + 0.015
    assert np.mean(unlike) <= most_unlike + 0.01


def test_an_odd_combination_of_usual_values_is_strange():
    """Each value within two standard deviations, but the training data never pair them."""
    rng = np.random.default_rng(0)
    size = rng.normal(0, 1, 60)
    training = [{"x": {"a": 30 * s + rng.normal(0, 3), "b": 20 * s + rng.normal(0, 2)}} for s in size]
    reference = NoveltyReference.fit(training)
    paired, crossed = (reference.judge({"x": {"a": 40.0, "b": b}}, "t").families[0].distance for b in (26.0, -26.0))
    assert crossed > 1.5 * paired


def test_a_reference_lives_in_a_header():
    reference = NoveltyReference.fit(scans(30), scans(20, 2))
    assert NoveltyReference.from_dict(json.loads(json.dumps(reference.to_dict()))) == reference
    assert NoveltyReference.fit(scans(30)).false_alarms() == (None, None)
    with pytest.raises(ShokenError, match="five"):
        NoveltyReference.fit(scans(4))
    with pytest.raises(ShokenError, match="organ_height_mm"):
        reference.judge({"anatomy": {}}, "t")
    with pytest.raises(ShokenError, match="unusual_from"):
        NoveltyReference.from_dict({"families": []})


def test_of_a_model_without_families_the_slice_spacing_still_counts():
    old = {"names": ["noise", "slice_spacing_mm"], "mean": [20.0, 2.5], "spread": [5.0, 1.0], "precision": [[1, 0], [0, 1]]}
    reference = NoveltyReference.from_dict({**old, "usual_distance": 1.2, "n": 60})
    assert reference.judge({"protocol": {"slice_spacing_mm": 3.0}, "noise": {"noise": 9.0}}, "t").level == "familiar"
    thick = reference.judge({"protocol": {"slice_spacing_mm": 12.0}}, "t")
    assert (thick.level, thick.held_out, thick.unusual_rate) == ("unlike training data", 0, None)


def chest(spacing=(2.0, 1.0, 1.0), noise=20.0, seed=0, padding=-1000.0):
    """A block of tissue with a cavity, as a scan and as a network sees it."""
    rng = np.random.default_rng(seed)
    voxels = np.full((60, 120, 120), padding)
    voxels[:, 10:110, 10:110] = 40.0 + rng.normal(0, noise, (60, 100, 100))
    inside = (slice(10, 50), slice(35, 85), slice(25, 85 + int(rng.integers(8))))
    voxels[inside] = -850.0 + rng.normal(0, noise, voxels[inside].shape)
    volume = Volume(voxels.astype(np.float32), Grid.axial(voxels.shape, spacing), "HU")
    organ = np.zeros(voxels.shape, np.uint8)
    organ[inside] = 1
    crop = (slice(8, 52), slice(30, 90), slice(20, 100))
    grid = volume.grid.crop([part.start for part in crop], [part.stop - part.start for part in crop])
    image = Volume(np.ascontiguousarray(volume.voxels[crop]), grid, "HU")
    return volume, NetworkInput(scaled(image, -1000, 400), Volume(np.ascontiguousarray(organ[crop]), grid), -1000, 400)


def test_features_say_what_is_there():
    found = scan_features(*chest(noise=25), RULE)
    assert set(found) == {"protocol", "anatomy", "intensity", "noise"}
    assert found["noise"]["noise"] * 1400 == pytest.approx(25, rel=0.1)
    assert found["protocol"] == {"slice_spacing_mm": 2.0, "in_plane_mm": 1.0}
    assert found["anatomy"]["organ_height_mm"] == 80.0
    assert found["intensity"]["organ_p50"] * 1400 - 1000 == pytest.approx(-850, abs=3)


def test_padding_and_field_of_view_do_not_count():
    assert scan_features(*chest(padding=-3024.0), RULE) == scan_features(*chest(padding=-1000.0), RULE)


@pytest.mark.parametrize(("stranger", "family"), [(chest(noise=120), "noise"), (chest((9.0, 1.0, 1.0)), "protocol")])
def test_noise_and_thick_slices_are_noticed_in_their_family(stranger, family):
    def features(volume, seen):
        return scan_features(volume, seen, RULE)

    reference = NoveltyReference.fit([features(*chest(noise=15 + i % 12, seed=i)) for i in range(24)])
    assert reference.judge(features(*chest(noise=19, seed=40)), "t").level == "familiar"
    found = {f.name: f.level for f in reference.judge(features(*stranger), "t").families}
    assert found[family] == "unlike training data"
