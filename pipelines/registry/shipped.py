"""Model versions in a folder: the ones shipped inside the package, or any folder of the same form.

    <task>-<version>.safetensors     weights, specification and thresholds in one file
    <task>-<version>.card.md         what it was trained on, its figures
    <task>-<version>.similar.safetensors   features of known cases (see cad.explain.similar), where they were gathered
    index.json                       which versions a task has, their digests, which one is current

Digests are enforced here and again by `cad.networks.load`: an edited file never becomes a network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad.errors import ModelError
from cad.model import ModelVersion, OperatingPoint
from cad.networks import LoadedModel, load, read_header, sha256_of

if TYPE_CHECKING:
    from cad.explain.similar import SimilarIndex

INDEX = "index.json"
NAME = re.compile(r"[a-z0-9][a-z0-9_.]{0,63}\Z")
SHIPPED = Path(__file__).resolve().parents[2] / "cad" / "tasks" / "weights"


class FolderModels:
    """`pipelines.ports.ModelStore` over a folder with an index. Nothing is read before it is asked for."""

    def __init__(self, folder: Path = SHIPPED, backend: str = "auto") -> None:
        self.folder = folder
        self.backend = backend
        self._loaded: dict[str, LoadedModel] = {}
        self._indexes: dict[str, SimilarIndex | str] = {}

    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that have a version here."""
        return tuple(sorted(read_index(self.folder)))

    def versions(self, task: str) -> Sequence[ModelVersion]:
        """All versions of a task, oldest first; none where the task is not in the index."""
        entry = read_index(self.folder).get(task, {"versions": []})
        return tuple(_version(task, row) for row in entry["versions"])

    def current(self, task: str) -> ModelVersion:
        """The version that screening uses. Raises ModelError when there is none."""
        name = read_index(self.folder).get(task, {}).get("current", "")
        for version in self.versions(task):
            if version.version == name:
                return version
        accepted = f"`shoken train {task}` then `shoken models register FILE`"
        raise ModelError(f"no model for the task in {self.folder.name}/{INDEX}", subject=task, accepted=accepted)

    def path(self, version: ModelVersion) -> Path:
        """Where the weights lie. Raises ModelError for a name that is not one."""
        for part in (version.name, version.version):
            if not NAME.match(part):
                raise ModelError(f"{part!r} is not a name", subject=version.name[:64], accepted="lower-case letters, digits, _ and .")
        return self.folder / f"{version.name}-{version.version}.safetensors"

    def index_path(self, version: ModelVersion) -> Path:
        """Where the index of similar cases of a version lies, if there is one."""
        return self.path(version).with_suffix(".similar.safetensors")

    def similar(self, version: ModelVersion) -> SimilarIndex | str:
        """The index of similar cases of exactly these weights; else why there is none: "no_index", or "index_unusable"."""
        if version.sha256 not in self._indexes:
            self._indexes[version.sha256] = self._index(version)
        return self._indexes[version.sha256]

    def _index(self, version: ModelVersion) -> SimilarIndex | str:
        from cad.explain.similar import load_index

        path = self.index_path(version)
        if not path.is_file():
            return "no_index"
        try:
            return load_index(path, version.name, version.sha256)
        except ModelError:
            return "index_unusable"

    def card(self, version: ModelVersion) -> str:
        """The model card, or ""."""
        path = self.path(version).with_suffix(".card.md")
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def verify(self, version: ModelVersion) -> None:
        """Compare the file with the registered digest, without loading it. Raises ModelError."""
        path = self.path(version)
        if not path.is_file():
            raise ModelError("the registered weights are missing", subject=path.name, accepted="the file exactly as registered")
        digest = sha256_of(path)
        if digest != version.sha256:
            problem = f"sha256 is {digest[:12]}..., registered is {version.sha256[:12]}...: the weights were changed"
            raise ModelError(problem, subject=path.name, accepted="the file exactly as registered")

    def load(self, version: ModelVersion) -> LoadedModel:
        """The networks of a version, digest verified; built once a process. Raises ModelError."""
        if version.sha256 not in self._loaded:
            self._loaded[version.sha256] = load(self.path(version), version.sha256, version.approval, self.backend)
        return self._loaded[version.sha256]


def add_version(folder: Path, weights: Path, approval: str = "", card: str = "") -> ModelVersion:
    """Copy a model file into the folder and make it the task's current version.

    A registered version never changes: the same name with other bytes raises ModelError.
    """
    header = read_header(weights)
    version = ModelVersion(
        header.task, header.version, sha256_of(weights), header.data_fingerprint, header.code_version, header.operating_points, approval
    )
    index = read_index(folder)
    entry = index.setdefault(version.name, {"versions": []})
    known = {row["version"]: row["sha256"] for row in entry["versions"]}
    if known.get(version.version, version.sha256) != version.sha256:
        raise ModelError("is registered with other weights", subject=f"{version.name} {version.version}", accepted="a new version name")
    if version.version not in known:
        entry["versions"].append(_row(version))
    entry["current"] = version.version
    try:
        _store(folder, FolderModels(folder).path(version), weights, card, index)
    except OSError as error:
        raise ModelError(f"cannot be written ({error.strerror})", subject=str(folder), accepted="a folder you can write to") from error
    return version


def _store(folder: Path, target: Path, weights: Path, card: str, index: dict[str, dict[str, Any]]) -> None:
    """Weights first, then the card, the index last: an index never names what is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    if weights.resolve() != target.resolve():
        target.write_bytes(weights.read_bytes())
    if card:
        target.with_suffix(".card.md").write_text(card, encoding="utf-8")
    draft = folder / f".{INDEX}.partial"
    draft.write_text(json.dumps(index, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(folder / INDEX)


def read_index(folder: Path) -> dict[str, dict[str, Any]]:
    """Task name to its `versions` and `current`; empty where there is no index. Raises ModelError for a broken one."""
    path = folder / INDEX
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        valid = all(isinstance(entry["versions"], list) for entry in document.values())
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        valid = False
    if not valid:
        raise ModelError("is not a model index", subject=INDEX, accepted="the file as `shoken models register` writes it")
    return dict(document)


def _row(version: ModelVersion) -> dict[str, Any]:
    row = asdict(version)
    del row["name"]
    return row


def _version(task: str, row: dict[str, Any]) -> ModelVersion:
    points = tuple(OperatingPoint(**{**p, "sensitivity_interval": tuple(p["sensitivity_interval"])}) for p in row["operating_points"])
    return ModelVersion(name=task, **{**row, "operating_points": points})
