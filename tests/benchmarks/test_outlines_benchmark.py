"""The benchmark of outlines reads the real truths as they are, and points the networks at the right place."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import outlines

from cad.prepare.inputs import patch_grid
from cad.score.overlap import overlap
from cad.score.structures import AMONG_READERS, by_structure, score_readers
from pipelines.registry.shipped import FolderModels


@pytest.fixture(scope="module")
def lesions(shared_data):
    return {lesion.name.split()[-2]: lesion for lesion in outlines.lesions()}


def test_four_readers_of_one_nodule_agree_as_readers_do(lesions):
    nodule = lesions["LIDC-IDRI-0001"]
    near = outlines.window(nodule.agreed)
    pieces = {name: outlines.cut(mask, near) for name, mask in nodule.readers.items()}
    assert len(pieces) == 4
    assert [int(mask.voxels.sum()) for mask in pieces.values()] == [int(mask.voxels.sum()) for mask in nodule.readers.values()]
    (among,) = by_structure(score_readers("a", "nodule", None, pieces, outlines.cut(nodule.agreed, near)))
    assert (among.comparison, among.pairs) == (AMONG_READERS, 6)
    assert 0.7 < among.dice.mean < 1, "a large solid nodule, but four people"


def test_an_outline_on_a_finer_grid_comes_back_on_the_readers(lesions):
    """Into half millimetres and back: what the two samplings cost is small beside what readers differ by."""
    nodule = lesions["LIDC-IDRI-0001"]
    near = outlines.window(nodule.agreed)
    truth = outlines.cut(nodule.agreed, near)
    middle = near.to_mm(np.argwhere(truth.voxels).mean(axis=0))
    there = outlines.placed(outlines.placed(truth, patch_grid(tuple(middle), 96, 0.5)), near)
    assert overlap(there, truth).dice > 0.95


@pytest.mark.parametrize(("name", "voxels"), [("lung1", 837), ("brain1", 4137)])
def test_the_masks_lie_on_what_they_outline(lesions, name, voxels):
    """A tumour in the lung is denser than the lung around it; the brain tumour's image has the mask's orientation."""
    lesion = lesions[name]
    mask = np.asarray(lesion.agreed.voxels) > 0
    assert mask.sum() == voxels
    assert np.median(np.asarray(lesion.image.voxels)[mask]) > np.median(np.asarray(lesion.image.voxels))


def test_the_network_is_pointed_at_the_middle_of_the_lesion(lesions):
    lesion, models = lesions["brain1"], FolderModels()
    near = outlines.window(lesion.agreed)
    mask, notes = outlines.pointed(lesion, near, models.load(models.current(lesion.task)))
    assert mask.grid == near
    assert notes["share_of_the_lesion_in_the_close_up"] > 0.5
