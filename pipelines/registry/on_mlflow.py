"""The index people browse: MLflow on SQLite, one run a training, one registered version a model file.

MLflow loads whatever lies in its artifact folder; here the sha256 recorded as a tag at registration is
compared first, so an edited artifact is refused. Only safetensors are stored: no pickle is written or read.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cad.errors import ModelError
from cad.model import ModelVersion
from cad.networks import LoadedModel, ModelHeader, load, read_header, sha256_of

EXPERIMENT = "shoken"
ARTIFACT_FOLDER = "model"
CURRENT = "current"
UNACCEPTED = re.compile(r"[^\w./ -]", re.ASCII)  # MLflow raises for any other letter in a metric's name


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What one training was: its numbers in, its figures out and by step, what it was made from, and the environment (tags)."""

    task: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    seconds: float
    tags: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    documents: tuple[Path, ...] = ()


class MlflowModels:
    """`pipelines.ports.ModelStore` over an MLflow tracking address; `artifacts` is where new files go."""

    def __init__(self, uri: str, artifacts: Path) -> None:
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"  # its default is true
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        if uri.startswith("sqlite:///"):
            Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        artifacts.mkdir(parents=True, exist_ok=True)
        self.uri = uri
        self._client: Any = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        found = self._client.get_experiment_by_name(EXPERIMENT)
        self._experiment = found.experiment_id if found else self._client.create_experiment(EXPERIMENT, artifacts.resolve().as_uri())

    def register(self, weights: Path, run: TrainingRun) -> ModelVersion:
        """Record a training run with its model file, and register that file as the task's current version.

        Raises ModelError for a file that is not ours, or a version name that is taken by other weights.
        """
        header, digest = read_header(weights), sha256_of(weights)
        for known in self.versions(header.task):
            if known.version == header.version:
                return _same(known, digest)
        run_id = self._record(weights, header, digest, run)
        if not self._client.search_registered_models(f"name = '{header.task}'"):
            self._client.create_registered_model(header.task)
        source = f"{self._client.get_run(run_id).info.artifact_uri}/{ARTIFACT_FOLDER}"
        tags = {"sha256": digest, "version": header.version, "file": weights.name, "data_fingerprint": header.data_fingerprint}
        made = self._client.create_model_version(header.task, source, run_id, tags=tags | {"code_version": header.code_version})
        self._client.set_registered_model_alias(header.task, CURRENT, made.version)
        return _version(header, digest)

    def versions(self, task: str) -> Sequence[ModelVersion]:
        """All versions of a task, oldest first, as their tags say."""
        found = self._client.search_model_versions(f"name = '{task}'")
        return tuple(_tagged(task, entry.tags) for entry in sorted(found, key=lambda entry: int(entry.version)))

    def current(self, task: str) -> ModelVersion:
        """The version under the alias `current`. Raises ModelError when there is none."""
        from mlflow.exceptions import MlflowException

        try:
            return _tagged(task, self._client.get_model_version_by_alias(task, CURRENT).tags)
        except MlflowException:
            raise ModelError("no version is registered in MLflow", subject=task, accepted=f"`shoken train {task}`") from None

    def verify(self, version: ModelVersion) -> None:
        """Fetch the file and compare its digest. Raises ModelError."""
        with tempfile.TemporaryDirectory() as folder:
            digest = sha256_of(self._fetched(version, Path(folder)))
        if digest != version.sha256:
            problem = f"sha256 is {digest[:12]}..., registered is {version.sha256[:12]}...: the weights were changed"
            raise ModelError(problem, subject=f"{version.name} {version.version}", accepted="the file exactly as registered")

    def load(self, version: ModelVersion) -> LoadedModel:
        """The networks of a version, digest verified before any tensor is used. Raises ModelError."""
        with tempfile.TemporaryDirectory() as folder:
            return load(self._fetched(version, Path(folder)), version.sha256, version.approval)

    def _record(self, weights: Path, header: ModelHeader, digest: str, run: TrainingRun) -> str:
        tags = {"task": header.task, "sha256": digest, "data_fingerprint": header.data_fingerprint, "code_version": header.code_version}
        run_id = str(
            self._client.create_run(self._experiment, tags={**run.tags, **tags}, run_name=f"{header.task}-{header.version}").info.run_id
        )
        for name, value in run.params.items():
            self._client.log_param(run_id, name, value[:500])
        for name, figure in {**run.metrics, "seconds": run.seconds}.items():
            self._client.log_metric(run_id, UNACCEPTED.sub("_", name), figure)
        for name, curve in run.curves.items():
            for step, figure in curve:
                self._client.log_metric(run_id, UNACCEPTED.sub("_", name), figure, step=step)
        for document in run.documents:
            self._client.log_artifact(run_id, str(document))
        self._client.log_artifact(run_id, str(weights), ARTIFACT_FOLDER)
        self._client.set_terminated(run_id)
        return run_id

    def _fetched(self, version: ModelVersion, folder: Path) -> Path:
        found = self._client.search_model_versions(f"name = '{version.name}'")
        entry = next((entry for entry in found if entry.tags.get("version") == version.version), None)
        if entry is None:
            raise ModelError("is not registered in MLflow", subject=f"{version.name} {version.version}", accepted="a registered version")
        name = Path(entry.tags["file"]).name
        local = Path(self._client.download_artifacts(entry.run_id, ARTIFACT_FOLDER, str(folder)), name)
        if not local.is_file():
            raise ModelError("the registered weights are missing", subject=name, accepted="the file exactly as registered")
        return local


def _same(known: ModelVersion, digest: str) -> ModelVersion:
    if known.sha256 != digest:
        raise ModelError("is registered with other weights", subject=f"{known.name} {known.version}", accepted="a new version name")
    return known


def _version(header: ModelHeader, digest: str) -> ModelVersion:
    return ModelVersion(header.task, header.version, digest, header.data_fingerprint, header.code_version, header.operating_points)


def _tagged(task: str, tags: Mapping[str, str]) -> ModelVersion:
    return ModelVersion(task, tags["version"], tags["sha256"], tags["data_fingerprint"], tags["code_version"])
