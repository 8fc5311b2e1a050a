"""The vault maps back for who holds its key, and for nobody else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from deid_factory import KEY, ct

from anonymizer.deidentify import deidentify
from anonymizer.errors import VaultError
from anonymizer.vault import MAGIC, Vault, entries_of, read_vault, vault_key, write_vault

pytest.importorskip("cryptography", reason="the vault's package is not installed")
SECRET = bytes(range(100, 132))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "vault"
    write_vault(path, Vault().adding(entries_of(ct(), KEY)), SECRET)
    return path


def test_every_pseudonym_leads_back(written: Path) -> None:
    clean, _ = deidentify(ct(), KEY)
    vault = read_vault(written, SECRET)
    assert vault.original("patient", clean.PatientID) == "MRN00412345"
    assert vault.original("patient_name", clean.PatientID) == "Winterbourne^Ariadne"
    assert vault.original("accession", clean.AccessionNumber) == "ACC778899"
    assert vault.original("study", clean.StudyInstanceUID) == ct().StudyInstanceUID
    assert vault.original("instance", clean.SOPInstanceUID) == ct().SOPInstanceUID
    assert vault.original("study", "2.25.1") is None


def test_nothing_shows_without_the_key(written: Path) -> None:
    assert b"interbourne" not in written.read_bytes()
    assert "interbourne" not in repr(read_vault(written, SECRET))
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_a_wrong_key_or_a_changed_byte_opens_nothing(written: Path) -> None:
    with pytest.raises(VaultError, match="key does not fit"):
        read_vault(written, bytes(32))
    content = bytearray(written.read_bytes())
    for place in (len(MAGIC), len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        written.write_bytes(changed)
        with pytest.raises(VaultError, match="changed"):
            read_vault(written, SECRET)
    written.write_bytes(content[: len(MAGIC) + 5])
    with pytest.raises(VaultError):
        read_vault(written, SECRET)
    written.write_bytes(b"something else")
    with pytest.raises(VaultError, match="not a vault"):
        read_vault(written, SECRET)


def test_the_key_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOKEN_VAULT_KEY_FILE", raising=False)
    monkeypatch.setenv("SHOKEN_VAULT_KEY", SECRET.hex())
    assert vault_key() == SECRET
    monkeypatch.setenv("SHOKEN_VAULT_KEY", "not hexadecimal")
    with pytest.raises(VaultError) as caught:
        vault_key()
    assert "not hexadecimal" not in str(caught.value)
    path = tmp_path / "key"
    path.write_bytes(SECRET[::-1])
    path.chmod(0o600)
    monkeypatch.setenv("SHOKEN_VAULT_KEY_FILE", str(path))
    assert vault_key() == SECRET[::-1]


def test_growing_a_vault_keeps_what_was_there(written: Path) -> None:
    larger = read_vault(written, SECRET).adding(entries_of(ct(PatientID="other", StudyInstanceUID="1.2.3"), KEY))
    write_vault(written, larger, SECRET)
    assert read_vault(written, SECRET) == larger
    assert read_vault(written, SECRET).entries > Vault().adding(entries_of(ct(), KEY)).entries
