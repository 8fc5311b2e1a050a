"""A case is there whole or not at all, also when the disk is full in the middle."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from case_phantom import exhibits, report

from cad.errors import ShokenError
from cad.write import folder as room
from cad.write.case import write_case
from cad.write.folder import write_file, write_folder, write_manifest, write_worklist
from cad.write.manifest import ManifestRow
from cad.write.worklist import row_of


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def full_disk(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """The disk takes `after` files more, then is full."""
    written = iter(range(100))
    real = room._write_through

    def write(path: Path, data: bytes) -> None:
        if next(written) < after:
            return real(path, data)
        path.write_bytes(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(room, "_write_through", write)


def test_a_case_folder_holds_its_files_and_the_report_names_its_pictures(tmp_path):
    written = write_case(report(), exhibits(), tmp_path / "cases" / "c-1")
    names = set(tree(tmp_path / "cases" / "c-1"))
    assert {"case.json", "report.html", "images/finding-01-key.png", "images/case-aorta_ct.png"} <= names
    assert set(written.findings[0].evidence.images) == {name for name in names if "finding-01" in name}
    document = json.loads((tmp_path / "cases" / "c-1" / "case.json").read_text())
    assert document["findings"][1]["evidence"]["images"] == list(written.findings[1].evidence.images)
    assert [path.name for path in (tmp_path / "cases").iterdir()] == ["c-1"]


def test_the_same_case_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_case(report(findings=1), exhibits()[:1], tmp_path / name)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, after):
    full_disk(monkeypatch, after=after)
    with pytest.raises(ShokenError, match=r"c-1: could not be written \(No space left on device\)"):
        write_folder(tmp_path / "c-1", {"a": b"1234", "images/b": b"1234", "c": b"1234"})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_older_case_as_it_was(tmp_path, monkeypatch):
    write_folder(tmp_path / "c-1", {"a": b"old", "gone": b"old"})
    full_disk(monkeypatch, after=1)
    with pytest.raises(ShokenError):
        write_folder(tmp_path / "c-1", {"a": b"new", "b": b"new"})
    assert tree(tmp_path) == {"c-1/a": b"old", "c-1/gone": b"old"}


def test_a_rename_that_fails_brings_the_older_case_back(tmp_path, monkeypatch):
    write_folder(tmp_path / "c-1", {"a": b"old"})
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError(errno.EIO, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(ShokenError, match="Input/output error"):
        write_folder(tmp_path / "c-1", {"a": b"new"})
    assert tree(tmp_path) == {"c-1/a": b"old"}


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "_write_through", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "c-1", {"a": b"1"})
    assert list(tmp_path.iterdir()) == []


def test_a_new_case_replaces_the_older_one_and_what_a_killed_run_left(tmp_path):
    write_folder(tmp_path / "c-1", {"a": b"old", "gone": b"old"})
    (tmp_path / ".c-1.partial").mkdir()
    (tmp_path / ".c-1.partial" / "half").write_bytes(b"h")
    write_folder(tmp_path / "c-1", {"a": b"new"})
    assert tree(tmp_path) == {"c-1/a": b"new"}


def test_a_case_that_a_kill_left_aside_comes_back_first(tmp_path, monkeypatch):
    write_folder(tmp_path / ".c-1.old", {"a": b"old"})
    full_disk(monkeypatch, after=0)
    with pytest.raises(ShokenError):
        write_folder(tmp_path / "c-1", {"a": b"new"})
    assert tree(tmp_path) == {"c-1/a": b"old"}


def test_a_file_is_replaced_whole_or_kept(tmp_path, monkeypatch):
    write_file(tmp_path / "worklist.json", b"old")
    full_disk(monkeypatch, after=0)
    with pytest.raises(ShokenError, match=r"worklist\.json: could not be written"):
        write_file(tmp_path / "worklist.json", b"new")
    assert tree(tmp_path) == {"worklist.json": b"old"}


def test_worklist_and_manifest_are_written_beside_the_cases(tmp_path):
    write_worklist(tmp_path, [row_of(report())], lang="ja", totals={"files": 3})
    write_manifest(tmp_path, [ManifestRow("f", 0, "screened")])
    assert set(tree(tmp_path)) == {"worklist.json", "worklist.html", "manifest.jsonl"}
    assert 'lang="ja"' in (tmp_path / "worklist.html").read_text()
