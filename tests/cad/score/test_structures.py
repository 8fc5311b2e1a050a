"""Overlap held against MONAI's own metrics; structures over cases with misses; several readers."""

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance
from monai.metrics.surface_dice import compute_surface_dice

from cad.datasets.consensus import consensus_of
from cad.errors import GridError, ShokenError
from cad.score.overlap import overlap
from cad.score.structures import (
    AMONG_READERS,
    WITH_CONSENSUS,
    WITH_READER,
    by_structure,
    labels_in,
    score_readers,
    score_truth,
    structure,
)
from cad.space import Grid
from cad.volume import Volume

SHAPE = (24, 40, 40)


def blob(centre, radii, spacing=(2.5, 0.7, 0.7), rough=0.0, seed=0):
    grid = Grid.axial(SHAPE, spacing)
    index = np.moveaxis(np.indices(SHAPE), 0, -1)
    depth = 1 - np.linalg.norm((index - centre) / np.asarray(radii), axis=-1)
    return Volume((depth + rough * np.random.default_rng(seed).normal(size=SHAPE) > 0).astype(np.uint8), grid, "1")


def tensors(*volumes):
    return [torch.from_numpy(np.asarray(v.voxels))[None, None].float() for v in volumes]


PAIRS = [
    (blob((12, 20, 20), (6, 9, 9)), blob((13, 21, 18), (5, 10, 8))),
    (blob((12, 20, 20), (6, 9, 9), rough=0.2), blob((12, 20, 20), (6, 9, 9), rough=0.2, seed=1)),
    (blob((6, 12, 12), (3, 5, 5), (1, 1, 1)), blob((16, 28, 28), (3, 5, 5), (1, 1, 1))),
    (blob((0, 20, 20), (6, 9, 9)), blob((2, 20, 20), (6, 9, 9))),
]


@pytest.mark.parametrize("pair", PAIRS, ids=["shifted", "ragged", "apart", "cut"])
def test_the_scores_are_those_of_another_implementation(pair):
    found, truth = pair
    ours, (a, b) = overlap(found, truth), tensors(found, truth)
    spacing = list(truth.grid.spacing_mm)
    assert ours.dice == pytest.approx(float(compute_dice(a, b)))
    distance = compute_hausdorff_distance(a, b, include_background=True, percentile=95, spacing=spacing)
    assert ours.hd95_mm == pytest.approx(float(distance), abs=1e-4)
    for tolerance, nsd in zip(ours.tolerances_mm, ours.nsd, strict=True):
        voxels = compute_surface_dice(a, b, [tolerance], include_background=True, spacing=spacing)
        assert nsd == pytest.approx(float(voxels), abs=1e-6)


def test_pieces_of_a_mesh_weigh_otherwise_by_a_tenth_at_most():
    """Nikolov's own weights (pieces of a surface mesh, as DeepMind's code has them): near a tolerance of one voxel they differ most."""
    found, truth = blob((12, 20, 20), (6, 9, 9), (1, 1, 1)), blob((13, 21, 19), (6, 9, 9), (1, 1, 1))
    for tolerance, ours in zip((1.0, 2.0), overlap(found, truth).nsd, strict=True):
        mesh = compute_surface_dice(*tensors(found, truth), [tolerance], include_background=True, spacing=[1.0] * 3, use_subvoxels=True)
        assert ours == pytest.approx(float(mesh), abs=0.1)


def test_every_score_falls_with_a_miss():
    truth = blob((12, 20, 20), (6, 9, 9))
    nothing = truth.like(np.zeros(SHAPE, np.uint8))
    good = [score_truth(f"case {n}", "liver", truth, truth) for n in range(3)]
    (whole,), (missed,) = by_structure(good), by_structure([*good, score_truth("case 3", "liver", nothing, truth)])
    assert (whole.dice.mean, whole.hd95_mm.mean, whole.missed) == (1, 0, 0)
    assert missed.dice.mean == pytest.approx(0.75)
    assert missed.hd95_mm.mean == pytest.approx(np.linalg.norm(np.multiply(SHAPE, (2.5, 0.7, 0.7))) / 4)
    assert [value.mean for _, value in missed.nsd] == pytest.approx([0.75, 0.75])
    assert (missed.cases, missed.missed) == (4, 1)
    assert missed.dice.interval[0] < 0.75 < missed.dice.interval[1]


def test_what_is_in_neither_mask_earns_nothing():
    nothing = blob((12, 20, 20), (6, 9, 9)).like(np.zeros(SHAPE, np.uint8))
    ball = blob((12, 20, 20), (6, 9, 9))
    (score,) = by_structure([score_truth("a", "spleen", nothing, nothing), score_truth("b", "spleen", ball, nothing)])
    assert (score.absent, score.invented, score.cases, score.dice.mean, score.dice.interval) == (1, 1, 1, 0, None)
    (none,) = by_structure([score_truth("a", "spleen", nothing, nothing)])
    assert (none.cases, none.dice, none.nsd) == (0, None, ())


def test_a_structure_that_hides_in_one_case_is_not_outvoted_by_others():
    """Structures are kept apart: a large liver that fits does not make up for a small gland that is missed."""
    truth = blob((12, 20, 20), (6, 9, 9))
    voxels = np.asarray(truth.voxels).copy()
    voxels[2, 2:4, 2:4] = 2
    labelled = truth.like(voxels)
    assert labels_in(labelled) == (1, 2)
    rows = [score_truth("a", str(n), structure(truth, n), structure(labelled, n)) for n in labels_in(labelled)]
    assert [score.dice.mean for score in by_structure(rows)] == [1.0, 0.0]


def test_readers_are_compared_with_us_and_with_each_other():
    readers = {f"reader {n}": blob((12, 20, 20), (6, 9 + n, 9), rough=0.1, seed=n) for n in range(3)}
    agreed = readers["reader 0"].like(consensus_of([np.asarray(m.voxels) for m in readers.values()]))
    rows = score_readers("a", "nodule", readers["reader 0"], readers, agreed)
    assert sorted(row.between for row in rows if row.comparison == AMONG_READERS) == [
        ("reader 0", "reader 1"),
        ("reader 0", "reader 2"),
        ("reader 1", "reader 2"),
    ]
    by_kind = {score.comparison: score for score in by_structure(rows)}
    assert [by_kind[kind].pairs for kind in (WITH_READER, WITH_CONSENSUS, AMONG_READERS)] == [3, 1, 3]
    assert all(score.cases == 1 and score.dice.interval is None for score in by_kind.values())
    with_others = [row.overlap.dice for row in rows if row.between in {("found", "reader 1"), ("found", "reader 2")}]
    pairs = [row.overlap.dice for row in rows if row.comparison == AMONG_READERS][:2]
    assert with_others == pairs, "we are reader 0 here"
    assert {row.comparison for row in score_readers("a", "nodule", None, readers, agreed)} == {AMONG_READERS}


def test_a_consensus_over_whole_masks_is_that_of_most():
    masks = [np.asarray(blob((12, 20, 20), (6, 9, 9)).voxels)] * 2 + [np.asarray(blob((12, 20, 20), (3, 4, 4)).voxels)]
    assert np.array_equal(consensus_of(masks, "majority"), masks[0])
    assert np.array_equal(consensus_of(masks), masks[0])
    assert not consensus_of([np.zeros(SHAPE, np.uint8)] * 3).any()


def test_what_is_no_mask_is_refused():
    good = blob((12, 20, 20), (6, 9, 9))
    with pytest.raises(ShokenError, match="broken numbers"):
        labels_in(good.like(np.where(np.asarray(good.voxels) > 0, 2.5, 0).astype(np.float32)))
    with pytest.raises(ShokenError, match="no labels"):
        labels_in(good.like(np.asarray(good.voxels).astype(np.int16) - 5))
    assert labels_in(good.like(np.asarray(good.voxels) * np.float32(0.7))) == (1,)
    rounded = Volume(good.voxels, Grid.axial(SHAPE, (2.5, 0.7, 0.7), (1e-4, 0, 0)), "1")
    assert overlap(rounded, good).dice == 1
    with pytest.raises(GridError):
        overlap(Volume(good.voxels, good.grid.crop((1, 0, 0), SHAPE)), good)
