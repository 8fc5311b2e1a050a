"""Training: a task's own, recorded where there is an index."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field, replace

import pytest
from fake_task import BrightTask

from cad.errors import ShokenError
from cad.networks import ModelHeader, save, sha256_of
from cad.tasks.aorta_ct import AortaTask
from cad.tasks.cascade_task import CascadeTask
from cad.tasks.lung_recipe import RECIPE
from pipelines import training
from pipelines.config import Settings


@dataclass
class Made:
    file: object
    params: dict = field(default_factory=lambda: {"steps": "3"})
    metrics: dict = field(default_factory=lambda: {"auc": 0.5})


class TrainableTask(BrightTask):
    def train(self, folder, progress):
        progress("step 1 of 1")
        save(folder / "bright_ct-9.safetensors", ModelHeader("bright_ct", "9", "data", "code", {}, {}), {})
        return Made(folder / "bright_ct-9.safetensors")


@pytest.fixture
def _trainable(monkeypatch):
    monkeypatch.setattr(training, "task_named", lambda _: TrainableTask())


@pytest.mark.usefixtures("_trainable")
def test_a_run_leaves_a_file_and_says_where_it_is_recorded(tmp_path, monkeypatch, home):
    said = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    made = training.run_training("bright_ct", tmp_path / "out", Settings(), said.append)
    assert made.sha256 == sha256_of(made.file)
    assert "mlops" in made.index
    assert said == ["step 1 of 1"]
    assert not home.exists()


@pytest.mark.usefixtures("_trainable")
def test_the_run_is_recorded_in_the_users_state_folder(tmp_path, home):
    pytest.importorskip("mlflow", reason="the extra `mlops` is not installed")
    made = training.run_training("bright_ct", tmp_path / "out", Settings(), lambda _: None)
    assert "bright_ct 9" in made.index
    assert (home / "state" / "shoken" / "mlflow.db").is_file()


def test_a_task_that_cannot_be_trained_says_which_can(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "task_named", lambda _: BrightTask())
    monkeypatch.setattr(training, "installed_tasks", lambda: {"a": BrightTask(), "b": TrainableTask()})
    with pytest.raises(ShokenError, match=r"has no training of its own \(accepted: b\)"):
        training.run_training("a", tmp_path, Settings(), lambda _: None)


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (training.Origin("7"), "has no version '7'"),
        (training.Origin("current", 1.0), r"is 1 \(accepted: a share of at least 0 and below 1\)"),
    ],
)
def test_what_a_training_may_begin_from_is_said(tmp_path, origin, said):
    with pytest.raises(ShokenError, match=said):
        training.run_training("lung_nodule_ct", tmp_path, Settings(), lambda _: None, origin=origin)


@pytest.mark.parametrize(
    ("kind", "name", "stages"),
    [(CascadeTask, "lung_nodule_ct", {"triage", "propose", "reduce", "segment"}), (AortaTask, "aorta_ct", {"segment"})],
)
def test_a_training_begins_from_the_weights_of_a_registered_version(tmp_path, monkeypatch, kind, name, stages):
    seen = []
    monkeypatch.setattr(kind, "train_from", lambda self, start, folder, progress: seen.append(start) or Made(tmp_path / "x"))
    (tmp_path / "x").write_bytes(b"")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    training.run_training(name, tmp_path, Settings(), lambda _: None, origin=training.Origin("current", 0.5))
    assert seen[0].frozen == 0.5
    assert stages <= set(seen[0].networks)
    assert seen[0].source.startswith(f"{name} ")


@pytest.mark.parametrize(("kind", "name"), [(CascadeTask, "lung_nodule_ct"), (AortaTask, "aorta_ct")])
def test_a_training_may_take_another_seed(tmp_path, monkeypatch, kind, name):
    seen = []
    monkeypatch.setattr(kind, "train_from", lambda self, start, folder, progress: seen.append(start) or Made(tmp_path / "x"))
    (tmp_path / "x").write_bytes(b"")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    training.run_training(name, tmp_path, Settings(), lambda _: None, seed=8)
    assert seen[0].seeded(RECIPE) == replace(RECIPE, seed=8)
    assert not seen[0].networks


def test_a_task_that_cannot_begin_from_other_weights_says_which_can(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "task_named", lambda _: TrainableTask())
    with pytest.raises(ShokenError, match=r"bright_ct does not begin from other weights or another seed \(accepted: .*lung_nodule_ct"):
        training.run_training("bright_ct", tmp_path, Settings(), lambda _: None, origin=training.Origin("current"))
