"""What the pipeline's tests share: a key of their own, a tiny export, a fake task with a real model file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from fake_task import ENTRY_POINT
from small_export import make_export
from worker_tools import SECRET, open_fake_bench, open_fake_desk

from cad.networks import ModelHeader, save
from pipelines.config import Settings
from pipelines.registry.shipped import add_version
from pipelines.wiring import Tools

HERE = Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test touches the user's key, settings or model index."""
    for name in [name for name in os.environ if name.startswith("SHOKEN_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.delenv("FAKE_TASK", raising=False)
    return folder


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model versions with one for the fake task."""
    folder = tmp_path_factory.mktemp("models")
    save(folder / "draft.safetensors", ModelHeader("bright_ct", "1", "data", "code", {}, {}), {})
    add_version(folder, folder / "draft.safetensors", card="# bright_ct 1\n")
    (folder / "draft.safetensors").unlink()
    return folder


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return make_export(tmp_path / "export")


@pytest.fixture
def tools() -> Tools:
    """Desk and bench as worker processes can open them."""
    return Tools(open_fake_desk, open_fake_bench)


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def installed(tmp_path: Path, models_folder: Path, home: Path) -> dict[str, str]:
    """An environment in which `shoken` finds the fake task by its entry point, and only its model."""
    site = tmp_path / "site"
    (site / "fake_task-0.dist-info").mkdir(parents=True)
    (site / "fake_task-0.dist-info" / "entry_points.txt").write_text(ENTRY_POINT, encoding="utf-8")
    (site / "fake_task-0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-task\nVersion: 0\n", encoding="utf-8")
    key = home / "key"
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_bytes(SECRET)
    key.chmod(0o600)
    root = HERE.parents[1]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root), str(site), str(HERE)]),
        "SHOKEN_KEY_FILE": str(key),
        "SHOKEN_MODELS": str(models_folder),
        "SHOKEN_TASKS": "bright_ct",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def shoken() -> list[str]:
    return [sys.executable, "-c", "from pipelines.cli import main; main()"]
