"""CI fails on a skip that nobody listed, and its script stays what it says it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CI = Path(__file__).resolve().parents[1] / ".ci"


def judged(folder: Path, reason: str, *options: str) -> subprocess.CompletedProcess[str]:
    code = f"import pytest\n\n\ndef test_one():\n    pytest.skip({reason!r})\n\n\ndef test_two():\n    pass\n"
    (folder / "test_example.py").write_text(code, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | {"PYTHONPATH": str(CI)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "expected_skips", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_an_unlisted_skip_fails_the_run_and_is_named(tmp_path: Path, options: tuple[str, ...]) -> None:
    verdict = judged(tmp_path, "somebody's laptop", *options)
    assert verdict.returncode == 1
    assert "somebody's laptop" in verdict.stdout
    assert "1 passed, 1 skipped" in verdict.stdout.splitlines()[-1]


def test_a_listed_skip_passes(tmp_path: Path) -> None:
    assert judged(tmp_path, "no CUDA device on this machine").returncode == 0


def test_missing_real_images_are_no_excuse_in_ci(tmp_path: Path) -> None:
    assert judged(tmp_path, "real test images (../shared/data) are not on this machine").returncode == 1


def test_the_script_can_be_run_and_makes_a_fresh_environment() -> None:
    script = CI / "run"
    text = script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)
    assert "rm -rf .venv" in text
    assert "make lint" in text
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=30)
