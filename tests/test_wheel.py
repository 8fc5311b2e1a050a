"""The wheel works where the checkout is not: its commands run, and it carries its data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("anonymizer", "cad", "pipelines")
OTHERS = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in OTHERS:
        shutil.copy(ROOT / name, source / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(out), str(source))
    return next(out.glob("shoken-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return target


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, timeout=300, capture_output=True)


def shoken(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    home = {"HOME": str(cwd), "XDG_CONFIG_HOME": str(cwd / "config"), "XDG_STATE_HOME": str(cwd / "state")}
    environment = {**os.environ, **home, "PYTHONPATH": str(installed)}
    command = [sys.executable, str(installed / "bin" / "shoken"), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_every_data_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    files = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    missing = {name for name in files - held if "__pycache__" not in name}
    assert missing == set()


@pytest.mark.parametrize(
    "ending", ["cad/py.typed", "anonymizer/py.typed", "pipelines/py.typed", ".html", ".safetensors", "anonymizer/standard.py"]
)
def test_the_wheel_holds(wheel: Path, ending: str) -> None:
    assert any(name.endswith(ending) for name in zipfile.ZipFile(wheel).namelist())


def test_the_wheel_carries_licence_and_notice(wheel: Path) -> None:
    names = [Path(name).name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" in name]
    assert {"LICENSE", "NOTICE"} <= set(names)


def test_tests_and_tools_stay_out_of_the_wheel(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_installed_code_is_what_runs(installed: Path, tmp_path: Path) -> None:
    code = "import anonymizer, cad, pipelines; print(anonymizer.__file__, cad.__file__, pipelines.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert all(Path(place).is_relative_to(installed) for place in said.stdout.split())


def test_help_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    said = shoken(installed, tmp_path, "--help")
    assert said.returncode == 0, said.stderr
    assert "screen" in said.stdout


def test_doctor_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    said = shoken(installed, tmp_path, "doctor", "--json")
    assert said.returncode in {0, 1}, said.stderr
    assert {row["what"] for row in json.loads(said.stdout)}
