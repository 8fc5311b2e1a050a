"""The import contracts hold, and each would notice the import it forbids."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("anonymizer", "cad", "pipelines")
LINT = Path(sys.executable).with_name("lint-imports")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the three packages with the project's contracts, to break things in."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=lambda folder, names: [n for n in names if _is_data(Path(folder) / n)])
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def _is_data(path: Path) -> bool:
    return path.name == "__pycache__" or (path.is_file() and path.suffix != ".py")


def judged(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_the_tree_keeps_its_contracts() -> None:
    verdict = judged(ROOT)
    assert verdict.returncode == 0, verdict.stdout[-3000:]


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("cad/space.py", "import cad.finding", "verbs lean on nouns"),
        ("cad/measure/meddling.py", "import cad.detect", "verbs lean on nouns"),
        ("cad/read/meddling.py", "import anonymizer", "never import each other"),
        ("anonymizer/meddling.py", "import cad.errors", "never import each other"),
        ("cad/write/meddling.py", "def later():\n    import mlflow", "no engine, index, web, database or command line"),
        ("anonymizer/meddling.py", "import pipelines.ports", "never import pipelines"),
        ("pipelines/review/meddling.py", "import cad.train", "no network and no detector"),
    ],
)
def test_a_forbidden_import_is_noticed(house: Path, module: str, line: str, contract: str) -> None:
    with (house / module).open("a", encoding="utf-8") as stream:
        stream.write(f"\n{line}\n")
    verdict = judged(house)
    broken = [text for text in verdict.stdout.splitlines() if text.endswith("BROKEN")]
    assert verdict.returncode != 0
    assert any(contract in text for text in broken), verdict.stdout[-3000:]


def test_the_command_line_starts_without_heavy_libraries() -> None:
    heavy = ("torch", "monai", "SimpleITK", "scipy", "skimage", "sklearn", "pydicom", "mlflow", "numpy")
    code = f"import sys, pipelines.cli; print(*[name for name in {heavy!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert loaded.stdout.split() == []
