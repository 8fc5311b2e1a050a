"""Sealing bytes: AES-256-GCM under a random 96-bit nonce, with what they belong to as associated data."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field
from typing import Any

from anonymizer.errors import VaultError
from anonymizer.key import KEY_BYTES

NONCE_BYTES, TAG_BYTES = 12, 16
BLOCK = 64


class UnsealError(Exception):
    """A body that was not sealed under this key for this place, or was changed since."""


@dataclass(frozen=True, slots=True)
class Seal:
    """One key at work. Raises VaultError when it is not 32 bytes, or the package cryptography is missing."""

    _cipher: Any = field(repr=False)
    _invalid: type[Exception] = field(repr=False)

    @classmethod
    def under(cls, secret: bytes) -> Seal:
        """A seal of 32 secret bytes."""
        if len(secret) != KEY_BYTES:
            raise VaultError("the vault key has the wrong length", subject="vault key", accepted=f"{KEY_BYTES} bytes")
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise VaultError("the vault needs the package cryptography", accepted="pip install 'shoken[vault]'") from None
        return cls(AESGCM(secret), InvalidTag)

    def closed(self, plain: bytes, place: bytes) -> bytes:
        """Nonce, ciphertext and tag: 28 bytes more than the plain bytes. It opens at this place only."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + bytes(self._cipher.encrypt(nonce, plain, place))

    def opened(self, body: object, place: bytes) -> bytes:
        """The plain bytes. Raises UnsealError for a wrong key, another place or a changed body."""
        if not isinstance(body, bytes) or len(body) < NONCE_BYTES + TAG_BYTES:
            raise UnsealError
        try:
            return bytes(self._cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], place))
        except self._invalid:
            raise UnsealError from None


def padded(plain: bytes) -> bytes:
    """Filled up to whole blocks of 64 bytes, so that the length of a name or UID does not show."""
    return plain + b"\x80" + bytes(-(len(plain) + 1) % BLOCK)


def unpadded(plain: bytes) -> bytes:
    """What `padded` was given."""
    return plain[: plain.rindex(b"\x80")]


def digest(secret: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA256 of parts that cannot run into each other: 32 bytes."""
    return hmac.digest(secret, b"".join(len(part).to_bytes(8) + part for part in parts), "sha256")
