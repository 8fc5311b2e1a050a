"""The way back: an encrypted file that maps pseudonyms to originals. Without it no output leads to a patient.

AES-256-GCM over the whole file: a wrong key or a changed byte opens nothing. The vault key is not the project key; it
comes from a file (SHOKEN_VAULT_KEY_FILE) or from SHOKEN_VAULT_KEY (64 hexadecimal digits), never from an argument.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonymizer.errors import VaultError
from anonymizer.key import KEY_BYTES, read_key
from anonymizer.vault.entries import Entry

MAGIC = b"SHOKEN-VAULT-1\n"
KEY_VARIABLE = "SHOKEN_VAULT_KEY"
KEY_FILE_VARIABLE = "SHOKEN_VAULT_KEY_FILE"
_NONCE_BYTES = 12
_UIDS = {"study": 0x0020000D, "series": 0x0020000E, "instance": 0x00080018, "frame_of_reference": 0x00200052}


@dataclass(frozen=True, slots=True)
class Vault:
    """The entries of one vault file, in memory. Immutable: `adding` gives a larger one."""

    entries: frozenset[Entry] = frozenset()

    def adding(self, entries: Iterable[Entry]) -> Vault:
        """A vault that also holds these entries."""
        return Vault(self.entries | frozenset(entries))

    def original(self, kind: str, pseudonym: str) -> str | None:
        """What a pseudonym stands for, or None when the vault does not know it."""
        return next((entry.original for entry in self.entries if (entry.kind, entry.pseudonym) == (kind, pseudonym)), None)


def vault_key() -> bytes:
    """The 32 bytes that open vaults, from the key file or the environment. Raises VaultError when neither is right."""
    named = os.environ.get(KEY_FILE_VARIABLE)
    if named:
        return read_key(Path(named)).secret
    text = os.environ.get(KEY_VARIABLE, "")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        accepted = f"{KEY_FILE_VARIABLE} naming a file of {KEY_BYTES} bytes, or {2 * KEY_BYTES} hexadecimal digits"
        raise VaultError("no usable vault key", subject=KEY_VARIABLE, accepted=accepted)
    return secret


def read_vault(path: Path, secret: bytes) -> Vault:
    """Open a vault file. Raises VaultError for a wrong key, an edited file or another kind of file; nothing opens in part."""
    content = path.read_bytes()
    if not content.startswith(MAGIC):
        raise VaultError("not a vault", subject=path.name, accepted="a file written by this version")
    nonce, sealed = content[len(MAGIC) : len(MAGIC) + _NONCE_BYTES], content[len(MAGIC) + _NONCE_BYTES :]
    cipher, invalid = _cipher(secret)
    try:
        plain = cipher.decrypt(nonce, sealed, MAGIC)
    except (invalid, ValueError):
        raise VaultError(
            "the key does not fit, or the file was changed", subject=path.name, accepted="the key it was written with"
        ) from None
    return Vault(frozenset(Entry(*row) for row in json.loads(plain)))


def write_vault(path: Path, vault: Vault, secret: bytes) -> None:
    """Write a vault whole or not at all, mode 0600, under a fresh nonce."""
    rows = [(entry.kind, entry.pseudonym, entry.original) for entry in sorted(vault.entries)]
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = _cipher(secret)[0].encrypt(nonce, json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass"), MAGIC)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(MAGIC + nonce + sealed)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _cipher(secret: bytes) -> tuple[Any, type[Exception]]:
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise VaultError("the vault needs the package cryptography", accepted="pip install 'shoken[vault]'") from None
    return AESGCM(secret), InvalidTag
