"""The funnel with networks whose answer is known: each calls bright things lesions."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch
from scipy.special import logit

from cad.detect.cascade import Fusion, SecondFusion, Sight, Thresholds, run_cascade
from cad.detect.propose import MAX_CANDIDATES, candidates, lesion_map
from cad.detect.second import FLIPS, second_logits, two_scales
from cad.detect.triage import CONTEXT_PLANES, KEEP_AROUND, kept_planes, plane_scores, plane_with_context, source_slices_kept
from cad.model import ModelVersion
from cad.networks import LoadedModel, ModelHeader, NetworkSpec
from cad.prepare.inputs import InputRule, NetworkInput, scaled
from cad.space import Grid
from cad.volume import Volume

RULE = InputRule("lungs", 2.0, 4.0, -1000.0, 400.0, 16, 1.0)


class Brightest(torch.nn.Module):
    """One logit: how far the brightest value of the sample's middle lies above one half."""

    def forward(self, batch):
        return 20 * (batch.flatten(2).amax(2).amax(1, keepdim=True) - 0.5)


class BrightestOfThree(torch.nn.Module):
    """A map of one plane from three: how far the brightest of them lies above one half."""

    def forward(self, batch):
        return 20 * (batch.amax(1, keepdim=True) - 0.5)


class BrightPart(torch.nn.Module):
    """A dense map: how far each voxel lies above one half."""

    def forward(self, batch):
        return 20 * (batch - 0.5)


@pytest.fixture
def model():
    stages = {"triage": NetworkSpec("unet", 2, 3, 1, ()), **dict.fromkeys(("propose", "reduce"), NetworkSpec("unet", 3, 1, 1, ()))}
    stages["second"] = NetworkSpec("unet", 3, 2, 1, ())
    header = ModelHeader("bright", "1", "", "", stages, {})
    networks = {"triage": BrightestOfThree(), "propose": BrightPart(), "reduce": Brightest(), "second": Brightest()}
    return LoadedModel(header, ModelVersion("bright", "1", "0" * 64, "", ""), networks, backend="eager")


@pytest.fixture
def scene():
    """Two balls of 200 and 100 HU in air, seen on the source's own grid; the second lies outside the organ."""
    grid = Grid.axial((40, 50, 60), (2.0, 2.0, 2.0), (-60, -50, -40))
    voxels = np.full(grid.shape, -1000, dtype=np.int16)
    voxels[8:12, 18:22, 28:32] = 200
    voxels[25:28, 5:8, 5:8] = 100
    region = np.zeros(grid.shape, dtype=np.uint8)
    region[:, 12:, 12:] = 1
    volume = Volume(voxels, grid)
    return volume, NetworkInput(scaled(volume, -1000, 400), Volume(region, grid, "1"), -1000, 400)


def test_the_funnel_keeps_the_lesion_and_counts_what_it_discards(scene, model):
    volume, seen = scene
    found = run_cascade(volume, seen, Sight(RULE, Thresholds(0.5, 0.5, 0.0)), model, lambda _: None)
    assert len(found.suspects) == found.candidates == 1
    np.testing.assert_allclose(found.suspects[0].candidate.centre_mm, volume.grid.to_mm((9.5, 19.5, 29.5)), atol=0.01)
    assert found.slices_in == 40
    assert found.slices_kept == 4 + 2 * (CONTEXT_PLANES + KEEP_AROUND)  # the ball outside the organ keeps none
    assert [stage for stage, _ in found.suspects[0].candidate.scores] == ["propose", "reduce", "fused"]


def test_a_normal_volume_is_discarded_whole(scene, model):
    volume, seen = scene
    empty = NetworkInput(seen.image.like(np.zeros_like(seen.image.voxels)), seen.region, seen.low, seen.high)
    found = run_cascade(volume, empty, Sight(RULE, Thresholds(0.5, 0.5, 0.0)), model, lambda _: None)
    assert (found.suspects, found.slices_kept, found.candidates) == ((), 0, 0)


def test_fusion_weighs_both_logits():
    assert Fusion().logit(0.2, 1.5) == 1.5
    assert Fusion(2.0, 0.5).logit(0.5, 4.0) == pytest.approx(2.0)
    assert Fusion(1.0, 0.0).logit(0.0, 0.0) == pytest.approx(Fusion(1.0, 0.0).logit(1e-9, 0.0))


def test_what_the_first_look_leaves_open_is_looked_at_again_and_both_looks_are_kept(scene, model):
    volume, seen = scene
    again = Fusion(again=SecondFusion(looks_from=-1e3, propose=0.0, reduce=0.0, second=1.0, intercept=0.5))
    found = run_cascade(volume, seen, Sight(RULE, Thresholds(0.5, 0.5, -1e3), again), model, lambda _: None)
    (suspect,) = found.suspects
    assert [stage for stage, _ in suspect.candidate.scores] == ["propose", "reduce", "second", "fused"]
    assert suspect.logit == pytest.approx(logit(suspect.candidate.score("second")) + 0.5, abs=0.01)
    ruled_out = Fusion(again=SecondFusion(looks_from=1e3, propose=0.0, reduce=0.0, second=1.0, intercept=0.5))
    found = run_cascade(volume, seen, Sight(RULE, Thresholds(0.5, 0.5, -1e3), ruled_out), model, lambda _: None)
    assert "second" not in dict(found.suspects[0].candidate.scores)
    assert Fusion.from_dict(asdict(again)) == again


def test_the_second_look_sees_two_scales_and_every_reflection(scene):
    volume, seen = scene
    look = two_scales(volume, seen, (0.0, -11.0, -20.5), RULE)
    assert look.shape == (2, 10, 10, 10)
    assert (look[0] > 0.5).mean() > 5 * (look[1] > 0.5).mean()  # nearer, so larger
    drawn = []

    def network(batch):
        drawn.extend(batch)
        return batch[:, :1, 0, 0, 0]

    lopsided = np.zeros((2, 4, 4, 4), dtype=np.float32)
    lopsided[:, 0, 0, 0] = 8.0
    assert second_logits([lopsided], network).tolist() == [1.0]
    assert len(drawn) == len(FLIPS) == 8


def test_a_coarse_map_lies_on_a_coarse_grid(scene):
    _, seen = scene
    network = torch.nn.Sequential(torch.nn.AvgPool3d(2), BrightPart())
    heat = lesion_map(seen, np.ones(40, dtype=bool), network)
    assert heat.grid.shape == (20, 25, 30)
    np.testing.assert_allclose(heat.grid.spacing_mm, (4, 4, 4))
    found = candidates(heat, 0.5)
    np.testing.assert_allclose(found[0].centre_mm, seen.image.grid.to_mm((9.5, 19.5, 29.5)), atol=0.01)


def test_reduce_discards_what_it_scores_too_low(scene, model):
    volume, seen = scene
    assert run_cascade(volume, seen, Sight(RULE, Thresholds(0.5, 0.5, 1e3)), model, lambda _: None).suspects == ()


def test_nothing_is_proposed_on_discarded_planes(scene, model):
    _, seen = scene
    kept = np.zeros(40, dtype=bool)
    kept[20:] = True
    heat = lesion_map(seen, kept, model.stage("propose"))
    assert heat.voxels[:20].max() == 0
    assert heat.grid == seen.image.grid


def test_candidates_come_best_first_and_no_more_than_asked():
    rng = np.random.default_rng(5)
    heat = np.zeros((60, 60, 60), dtype=np.float32)
    heat[::8, ::8, ::8] = rng.uniform(0.2, 1, heat[::8, ::8, ::8].shape)
    found = candidates(Volume(heat, Grid.axial(heat.shape, (1, 1, 1)), "1"), 0.1)
    scores = [candidate.score("propose") for candidate in found]
    assert len(found) == MAX_CANDIDATES
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(heat.max())


def test_a_nodule_touching_a_vessel_keeps_its_own_place():
    heat = np.zeros((30, 40, 60), dtype=np.float32)
    heat[13:18, 18:23, 8:13] = 0.9
    heat[15, 20, 13:60] = 0.2
    first = candidates(Volume(heat, Grid.axial(heat.shape, (1, 1, 1)), "1"), 0.1)[0]
    np.testing.assert_allclose(first.centre_mm, (10, 20, 15), atol=0.1)
    np.testing.assert_allclose(first.box_mm.size_mm, (5, 5, 5))


def test_planes_at_the_ends_repeat_and_neighbours_are_kept():
    image = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), dtype=np.float32)
    assert plane_with_context(image, 0)[:, 0, 0].tolist() == [0, 0, 2]
    assert plane_with_context(image, 4)[:, 0, 0].tolist() == [2, 4, 4]
    assert plane_with_context(image, 2, 5)[:, 0, 0].tolist() == [0, 0, 2, 4, 4]
    assert kept_planes(np.array([0, 0, 0, 0, 0, 0.9, 0, 0, 0, 0], dtype=np.float32), 0.5).sum() == 1 + 2 * KEEP_AROUND


def test_every_plane_gets_a_score(model):
    image = Volume(np.zeros((5, 8, 9), dtype=np.float32), Grid.axial((5, 8, 9), (2, 2, 2)), "1")
    seen = NetworkInput(image, image.like(np.ones((5, 8, 9), dtype=np.uint8)), -1000, 400)
    np.testing.assert_allclose(plane_scores(seen, model.stage("triage")), np.full(5, 1 / (1 + np.exp(10))), rtol=1e-4)


def test_thick_source_slices_are_kept_once(scene):
    _, seen = scene
    thick = Volume(np.zeros((10, 25, 30), dtype=np.int16), seen.image.grid.with_spacing((8.0, 4.0, 4.0)))
    kept = np.zeros(40, dtype=bool)
    kept[8:12] = True
    assert source_slices_kept(thick, seen, kept) == 1
    assert source_slices_kept(thick, seen, np.zeros(40, dtype=bool)) == 0
    assert source_slices_kept(thick, seen, np.ones(40, dtype=bool)) == 10


@pytest.mark.parametrize("second", [None, -1.5])
def test_the_first_look_moves_the_fused_logit_by_what_it_counts_beside_the_second(second):
    fusion = Fusion(0.5, 2.0, -1.0, SecondFusion(looks_from=-9.0, propose=0.3, reduce=1.2, second=2.4, intercept=-0.7))
    moved = fusion.logit(0.8, 1.5, second) - fusion.logit(0.8, 0.5, second)
    assert fusion.slope(twice=second is not None) == pytest.approx(moved)
