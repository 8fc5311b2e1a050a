"""The project key: 32 secret bytes from which every pseudonym is made.

It lives in the user's configuration folder, or where SHOKEN_KEY_FILE points, and nowhere else: `ProjectKey` hides its
bytes from repr, str and tracebacks. Who holds the key can link pseudonyms to known originals; who does not, cannot.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from anonymizer.errors import KeyFileError

KEY_BYTES = 32
KEY_FILE_VARIABLE = "SHOKEN_KEY_FILE"
_FORM = f"a file of exactly {KEY_BYTES} random bytes, owned by you, mode 0600"


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """32 secret bytes. Picklable for worker processes on the same machine; never shown.

    Raises KeyFileError when the length differs.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.secret, bytes) or len(self.secret) != KEY_BYTES:
            raise KeyFileError("the project key has the wrong length", subject="project key", accepted=f"{KEY_BYTES} bytes")

    def digest(self, purpose: str, value: str) -> bytes:
        """HMAC-SHA256 of a value for one purpose: 32 bytes. Different purposes cannot be linked to each other."""
        return hmac.digest(self.secret, purpose.encode() + b"\x00" + value.encode("utf-8", "surrogatepass"), "sha256")

    def fingerprint(self) -> str:
        """Eight hexadecimal digits that tell two keys apart and give neither away."""
        return self.digest("fingerprint", "").hex()[:8]


def key_path() -> Path:
    """Where the project key is kept: SHOKEN_KEY_FILE, else the configuration folder."""
    named = os.environ.get(KEY_FILE_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "shoken" / "key"


def project_key() -> ProjectKey:
    """The user's key, created (mode 0600) at first use.

    A file that SHOKEN_KEY_FILE names is never created: a mistyped path would silently change every pseudonym.
    Raises KeyFileError naming the file and the accepted form.
    """
    path = key_path()
    if not path.exists() and not os.environ.get(KEY_FILE_VARIABLE):
        create_key(path)
    return read_key(path)


def read_key(path: Path) -> ProjectKey:
    """The key in a file. Raises KeyFileError for a missing file, wrong length, or one that others can read."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise KeyFileError("not a regular file", subject=str(path), accepted=_FORM)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileError("the key can be read by other users", subject=str(path), accepted=_FORM)
        secret = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"the key cannot be read: {error.strerror}", subject=str(path), accepted=_FORM) from None
    if len(secret) != KEY_BYTES:
        raise KeyFileError(f"the key file holds {len(secret)} bytes", subject=str(path), accepted=_FORM)
    return ProjectKey(secret)


def create_key(path: Path) -> None:
    """Write a fresh key whole or not at all; two first uses at once end with one key, and an existing key stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
