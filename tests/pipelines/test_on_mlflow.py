"""MLflow records and registers; the digest decides what loads."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace

import pytest

from cad.errors import ModelError
from cad.networks import ModelHeader, save
from pipelines.registry.on_mlflow import MlflowModels, TrainingRun

pytest.importorskip("mlflow", reason="the extra `mlops` is not installed")
RUN = TrainingRun(
    "bright_ct", {"steps": "10"}, {"auc": 0.75, "error (bias), %": 0.1}, 1.5, {"seed": "7"}, {"loss.triage": ((25, 0.5), (50, 0.25))}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def index(folder):
    return MlflowModels(f"sqlite:///{folder / 'state' / 'mlflow.db'}", folder / "artifacts")


@pytest.fixture(scope="module")
def registered(index, folder):
    weights = folder / "bright_ct-1.safetensors"
    save(weights, ModelHeader("bright_ct", "1", "data", "code", {}, {"spacing": 1.0}), {})
    card = folder / "bright_ct-1.card.md"
    card.write_text("# bright_ct 1")
    return index.register(weights, replace(RUN, documents=(card,)))


def test_a_run_is_recorded_and_its_version_loads(index, registered):
    assert index.current("bright_ct").sha256 == registered.sha256
    assert index.load(registered).settings == {"spacing": 1.0}
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_the_database_holds_params_metrics_and_fingerprints(index, registered, folder):
    with sqlite3.connect(folder / "state" / "mlflow.db") as db:
        assert ("steps", "10") in db.execute("SELECT key, value FROM params").fetchall()
        assert ("auc", 0.75) in db.execute("SELECT key, value FROM metrics").fetchall()
        curve = db.execute("SELECT step, value FROM metrics WHERE key = 'loss.triage' ORDER BY step").fetchall()
        assert curve == [(25, 0.5), (50, 0.25)]
        assert len(list(folder.glob("artifacts/**/bright_ct-1.card.md"))) == 1
        tags = dict(db.execute("SELECT key, value FROM tags").fetchall())
    assert tags["data_fingerprint"] == "data"
    assert tags["sha256"] == registered.sha256


def test_a_taken_version_name_is_refused(index, registered, folder):
    other = folder / "other.safetensors"
    save(other, ModelHeader("bright_ct", "1", "other data", "code", {}, {}), {})
    with pytest.raises(ModelError, match="registered with other weights"):
        index.register(other, RUN)


def test_only_safetensors_are_stored(registered, folder):
    assert {path.suffix for path in (folder / "artifacts").rglob("*") if path.is_file()} == {".safetensors", ".md"}


def test_an_edited_artifact_is_refused(index, registered, folder):
    (stored,) = (folder / "artifacts").rglob("*.safetensors")
    whole = stored.read_bytes()
    stored.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(ModelError, match="the weights were changed"):
            index.verify(registered)
        with pytest.raises(ModelError):
            index.load(registered)
    finally:
        stored.write_bytes(whole)


def test_an_unknown_task_says_how_to_get_one(index):
    with pytest.raises(ModelError, match="shoken train lung"):
        index.current("lung")
