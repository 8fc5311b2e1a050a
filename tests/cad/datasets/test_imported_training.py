"""`shoken train --data`: imported chests through the lung task's own training."""

from __future__ import annotations

from dataclasses import replace

import layout_makers as make
import numpy as np
import pytest

from cad.datasets.consensus import Agreement
from cad.datasets.layout import DataSetError
from cad.datasets.phantoms import phantom_of
from cad.datasets.splits import LeakError, split_patients, write_split
from cad.networks import load, sha256_of
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.tasks.aorta_ct import TASK as AORTA
from cad.tasks.imported import imported_recipe, over_imported
from cad.tasks.lung_nodule_ct import TASK
from cad.tasks.lung_recipe import RECIPE
from cad.train.dataset import load_case
from cad.train.recipe import Budget
from cad.volume import Volume

SMALL = replace(
    RECIPE,
    rule=replace(RECIPE.rule, spacing_mm=4.0, patch_voxels=16, patch_spacing_mm=3.0),
    networks={stage: replace(spec, widths=(4, 4, 8, 8)) for stage, spec in RECIPE.networks.items()},
    budget=Budget(0, 0, 0, dict.fromkeys(RECIPE.budget.steps, 2)),
    workers=1,
)
PATIENTS = 9
SHARES = (0.6, 0.2, 0.2)


@pytest.fixture(scope="module")
def chests(tmp_path_factory):
    """Simulated chests given out as LUNA16 would; the last is a box of air that no lung task can look at."""
    folder = tmp_path_factory.mktemp("chests")
    phantoms = {
        f"1.2.{n}": simulate_thorax(n, ThoraxPlan(shape=(60, 80, 96), spacing_mm=(4.8, 3.8, 3.8), nodules=3)) for n in range(PATIENTS - 1)
    }
    volumes = {uid: Volume(np.rint(p.volume.voxels).astype(np.int16), p.volume.grid) for uid, p in phantoms.items()}
    volumes["1.2.99"] = Volume(
        np.full((20, 30, 30), -1000, dtype=np.int16), next(iter(volumes.values())).grid.crop((0, 0, 0), (20, 30, 30))
    )
    nodules = [(uid, lesion.centre_mm, lesion.diameter_mm) for uid, p in phantoms.items() for lesion in p.lesions]
    make.luna16(folder / "in", volumes, nodules)
    data = make.stored("luna16", folder / "in", folder / "out")
    write_split(split_patients(data, 1, SHARES), data)
    return data, phantoms


@pytest.fixture(scope="module")
def trained(chests, tmp_path_factory):
    """The folder, the recipe over the data set, and the model that two steps a stage give."""
    folder = tmp_path_factory.mktemp("trained")
    made = imported_recipe(SMALL, chests[0].root, Agreement(2), folder, lambda _: None)
    trainable, below = over_imported(replace(TASK, recipe=lambda: SMALL), chests[0].root, Agreement(2), folder, lambda _: None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("cad.backends._has_openvino", lambda: False)  # dozens of tiny networks run sooner than they are translated
        return made, trainable.train(below, lambda _: None)


def test_a_case_is_what_the_data_set_says(chests, trained):
    data, phantoms = chests
    made, _ = trained
    assert [refusal.reason for refusal in made.refused.values()] == ["no_lungs_found"]
    counts = made.recipe.budget
    assert (counts.train, counts.calibration, counts.test) == (5, 2, 1)
    assert data.fingerprint[:8] in made.recipe.version
    case = load_case(sorted((made.folder / "data").glob("*.npz"))[0])
    (truth,) = [p for p in phantoms.values() if np.array_equal(np.rint(p.volume.voxels), case.source.voxels)]
    assert len(case.lesions) == len(truth.lesions)
    for lesion in truth.lesions:
        (found,) = [x for x in case.lesions if np.allclose(x.centre_mm, lesion.centre_mm, atol=1e-6)]
        assert found.diameter_mm == pytest.approx(lesion.diameter_mm)
        index = tuple(np.rint(case.source.grid.to_index(lesion.centre_mm)).astype(int))
        assert case.source_labels.voxels[index] == found.label


def test_a_model_comes_out_and_its_card_says_what_of(chests, trained):
    data, _ = chests
    _, made = trained
    model = load(made.file, sha256_of(made.file))
    assert model.version.version.endswith(data.fingerprint[:8])
    card = made.file.with_suffix(".card.md").read_text()
    assert "luna16" in card
    assert data.fingerprint[:12] in card
    assert "simulated" not in card


def test_training_stops_where_data_leak_or_have_no_split(chests, tmp_path):
    data, _ = chests
    make.decathlon(tmp_path / "in", cases=8)
    other = make.stored("decathlon", tmp_path / "in", tmp_path / "out")
    with pytest.raises(DataSetError, match="has no split"):
        imported_recipe(SMALL, other.root, Agreement(), tmp_path, lambda _: None)
    write_split(split_patients(other, 1, (1.0, 0.0, 0.0)), other)
    with pytest.raises(DataSetError, match="has 0 scans to train on"):  # noise has no lungs
        imported_recipe(SMALL, other.root, Agreement(), tmp_path, lambda _: None)
    path = data.root / "split.json"
    kept = path.read_text()
    write_split(split_patients(data, 1, (1.0, 0.0, 0.0)), data)
    with pytest.raises(DataSetError, match="none of them with a lesion"):
        imported_recipe(SMALL, data.root, Agreement(), tmp_path, lambda _: None)
    train = split_patients(data, 1, SHARES).parts["train"][0]
    path.write_text(kept.replace('"test": [', f'"test": [\n"{train}",'))
    with pytest.raises(LeakError):
        imported_recipe(SMALL, data.root, Agreement(), tmp_path, lambda _: None)
    path.write_text(kept)
    with pytest.raises(DataSetError, match="does not learn from imported lesions"):
        over_imported(AORTA, data.root, Agreement(), tmp_path, lambda _: None)


def test_agreement_decides_which_lesions_are_learnt(tmp_path):
    datasets = make.series(tmp_path, 3, "LIDC-IDRI-0003")
    sessions = [make.lidc_reading(str(n), 10, 8, 15, 14, range(4, 8)) for n in range(3)]
    sessions[0].nodules.append((make.TRAITS, [(k, make.ring(30, 20, 34, 24), True) for k in (8, 9)]))
    (tmp_path / "1.xml").write_text(make.lidc_xml(datasets, sessions))
    (scan,), _ = make.read_all("lidc", tmp_path)
    counts = {n: phantom_of(scan, Agreement(n)) for n in (1, 2, 3, 4)}
    assert {n: len(p.lesions) for n, p in counts.items()} == {1: 2, 2: 1, 3: 1, 4: 1}
    phantom = counts[3]
    assert (phantom.lesion_labels.voxels == 1).sum() == 4 * 6 * 7
    assert phantom.lesions[0].volume_mm3 == pytest.approx(4 * 6 * 7 * make.GRID.voxel_mm3)
