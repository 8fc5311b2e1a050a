"""Similar cases in a run: beside each finding, said where there is no index, refused where it is another model's."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_task import TASK

from cad.explain.similar import KnownCase, SimilarIndex, save_index
from cad.finding import Exhibit
from cad.model import ModelVersion
from cad.space import Grid
from cad.study import InstanceRef
from cad.tasks.task import TaskResult
from cad.volume import Volume
from pipelines import cli
from pipelines.registry.shipped import SHIPPED, FolderModels
from pipelines.similar import with_similar

TASK_NAME = "brain_lesion_mr"
MODEL = ModelVersion("lung_nodule_ct", "1", "ab" * 32, "", "")


def index(sha256: str) -> SimilarIndex:
    rows = [({"feature_00": float(n)}, "lesion" if n > 3 else "look_alike") for n in range(8)]
    return SimilarIndex.of(
        "lung_nodule_ct", sha256, [KnownCase(features, outcome, "simulated", 9.0, "solid") for features, outcome in rows]
    )


@pytest.fixture
def result() -> TaskResult:
    sources = tuple(InstanceRef(f"2.25.{n}", "1.2.840.10008.5.1.4.1.1.2", Path("none")) for n in range(4))
    volume = Volume(np.zeros((4, 8, 8), np.int16), Grid.axial((4, 8, 8), (2, 1, 1)), "HU", "CT", sources)
    made = TASK.run(volume, _Fake(), lang="en", progress=lambda _stage: None)
    exhibits = (Exhibit("lung_nodule_ct", 1, volume, features={"feature_00": 7.2}),)
    return replace(made, findings=made.findings[:1], exhibits=exhibits)


class _Fake:
    version = MODEL


def test_a_finding_names_its_neighbours(result):
    similar = with_similar(result, index(MODEL.sha256)).findings[0].evidence.similar
    assert [case.outcome for case in similar.cases[:4]] == ["lesion"] * 4
    assert similar.cases[0].distance < similar.cases[1].distance


def test_without_an_index_the_finding_says_so_and_nothing_is_made_up(result):
    similar = with_similar(result, "no_index").findings[0].evidence.similar
    assert (similar.cases, similar.missing) == ((), "no_index")


def test_the_folder_gives_an_index_of_exactly_these_weights(tmp_path):
    store = FolderModels(tmp_path)
    assert store.similar(MODEL) == "no_index"
    save_index(store.index_path(MODEL), index("cd" * 32))
    assert FolderModels(tmp_path).similar(MODEL) == "index_unusable"
    save_index(store.index_path(MODEL), index(MODEL.sha256))
    assert isinstance(FolderModels(tmp_path).similar(MODEL), SimilarIndex)


@pytest.fixture
def models(tmp_path) -> FolderModels:
    """The shipped brain model in a folder of its own."""
    folder = tmp_path / "models"
    folder.mkdir()
    version = FolderModels().current(TASK_NAME)
    for name in ("index.json", FolderModels().path(version).name):
        shutil.copy(SHIPPED / name, folder)
    return FolderModels(folder)


def test_the_command_writes_the_index_that_reports_then_use(tmp_path, monkeypatch, capsys, models):
    version, asked = models.current(TASK_NAME), []
    monkeypatch.setattr("cad.train.dataset.make_cases", lambda recipe, part, folder, say: asked.append((part, folder)) or ())
    monkeypatch.setattr(
        "cad.tasks.indexing.index_cases", lambda task, model, paths, say: replace(index(model.version.sha256), task=task.name)
    )
    assert models.similar(version) == "no_index"
    data = tmp_path / "data"
    assert cli.run(["models", "index", TASK_NAME, "--data", str(data), "--models", str(models.folder), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert asked == [("calibration", data)]
    assert (facts["task"], facts["version"], facts["cases"]) == (TASK_NAME, version.version, 8)
    found = FolderModels(models.folder).similar(version)
    assert isinstance(found, SimilarIndex)
    assert (found.sha256, found.model_sha256) == (facts["sha256"], version.sha256)
    assert found.nearest({"feature_00": 7.2}).index_sha256 == facts["sha256"]


def test_a_task_without_findings_has_no_index(tmp_path, capsys):
    assert cli.run(["models", "index", "aorta_ct", "--data", str(tmp_path)]) == 2
    assert "a task that detects lesions" in capsys.readouterr().err
