"""The key file: made once, private, and refused with a clear sentence when it is not right."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from anonymizer.errors import KeyFileError
from anonymizer.key import KEY_BYTES, ProjectKey, key_path, project_key


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SHOKEN_KEY_FILE", raising=False)
    return tmp_path


def test_the_first_use_makes_a_private_key_and_the_next_finds_it(home: Path) -> None:
    first = project_key()
    path = home / "shoken" / "key"
    assert key_path() == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == KEY_BYTES
    assert project_key() == first
    assert [entry.name for entry in path.parent.iterdir()] == ["key"]


def test_a_named_file_is_read_and_never_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = home / "elsewhere"
    monkeypatch.setenv("SHOKEN_KEY_FILE", str(named))
    with pytest.raises(KeyFileError, match="elsewhere"):
        project_key()
    assert not named.exists()
    named.write_bytes(bytes(range(32)))
    named.chmod(0o600)
    assert project_key() == ProjectKey(bytes(range(32)))


@pytest.mark.parametrize(
    ("content", "mode", "problem"), [(b"short", 0o600, "holds 5 bytes"), (bytes(32), 0o644, "other users"), (b"x" * 33, 0o600, "33")]
)
def test_a_wrong_file_is_named_with_what_would_be_accepted(home: Path, content: bytes, mode: int, problem: str) -> None:
    path = home / "shoken" / "key"
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=problem) as caught:
        project_key()
    assert str(path) in str(caught.value)
    assert "0600" in str(caught.value)


def test_a_folder_is_not_a_key(home: Path) -> None:
    (home / "shoken" / "key").mkdir(parents=True)
    with pytest.raises(KeyFileError, match="regular file"):
        project_key()


def test_a_key_of_the_wrong_length_does_not_show_itself() -> None:
    with pytest.raises(KeyFileError) as caught:
        ProjectKey(b"swordfish")
    assert "swordfish" not in str(caught.value)
