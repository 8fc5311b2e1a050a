"""The README's commands run as written, in the order written; what is too costly to run here is checked to exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
BEFORE_INSTALLATION = {"git", "cd"}


def commands(text: str) -> list[str]:
    """Lines of the blocks marked `sh`, in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


def run_here() -> list[str]:
    return [line for line in commands(README) if shlex.split(line)[0] not in BEFORE_INSTALLATION | {"make"}]


def test_the_readme_opens_with_three_lines_to_a_finding() -> None:
    first = commands(README)[:3]
    assert [shlex.split(line)[0] for line in first] == ["git", "cd", "make"]


@pytest.mark.parametrize("line", sorted({line for line in commands(README) if line.startswith("make ")}))
def test_make_targets_exist(line: str) -> None:
    subprocess.run([*shlex.split(line), "--dry-run"], cwd=ROOT, check=True, capture_output=True, timeout=60)


def test_make_words_in_the_text_name_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        assert set(re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8"))) <= targets, page.name


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """An empty folder and a home of its own, with the environment's commands first on the path."""
    home = tmp_path_factory.mktemp("home")
    folders = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "XDG_STATE_HOME": str(home / "state")}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SHOKEN_")}
    return tmp_path_factory.mktemp("desk"), {**inherited, **folders, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def test_the_readmes_commands_run_in_order(desk: tuple[Path, dict[str, str]]) -> None:
    folder, environment = desk
    for line in run_here():
        done = subprocess.run(shlex.split(line), cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)
        # 1 means "done, but something was refused": a simulated export holds files that must be.
        accepted = {0, 1} if {"screen", "deid"} & set(shlex.split(line)) else {0}
        assert done.returncode in accepted, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert (folder / "screened" / "worklist.html").is_file()
    assert list((folder / "screened" / "cases").glob("*/report.html"))
    assert list((folder / "clean" / "files").rglob("*.dcm"))


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name} -> {target}"


def test_every_command_named_in_the_pages_exists(desk: tuple[Path, dict[str, str]]) -> None:
    _, environment = desk
    named: set[str] = set()
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        named |= set(
            re.findall(r"shoken ([a-z]+)\b", " ".join(re.findall(r"`[^`\n]+`|^    .*$|^shoken .*$", page.read_text(), re.MULTILINE)))
        )
    said = subprocess.run(["shoken", "--help"], env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    assert {name for name in named if not re.search(rf"\b{name}\b", said)} == set()
