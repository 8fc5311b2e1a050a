"""Where the vault's key comes from: a file (SHOKEN_VAULT_KEY_FILE) or the environment (SHOKEN_VAULT_KEY), never an argument.

It is not the project key: who makes pseudonyms need not be able to undo them.
"""

from __future__ import annotations

import os
from pathlib import Path

from anonymizer.errors import VaultError
from anonymizer.key import KEY_BYTES, create_key, read_key

KEY_VARIABLE = "SHOKEN_VAULT_KEY"
KEY_FILE_VARIABLE = "SHOKEN_VAULT_KEY_FILE"
_FORM = f"{KEY_FILE_VARIABLE} naming a file of {KEY_BYTES} bytes with mode 0600, or {2 * KEY_BYTES} hexadecimal digits in {KEY_VARIABLE}"


def vault_key() -> bytes:
    """The 32 bytes that open vaults; the file wins where both are given.

    Raises VaultError when neither variable is right, KeyFileError for a file that is missing, wrong or readable by others.
    """
    named = os.environ.get(KEY_FILE_VARIABLE)
    if named:
        return read_key(Path(named)).secret
    text = os.environ.get(KEY_VARIABLE, "")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise VaultError("no usable vault key" if text else "no vault key", subject=KEY_VARIABLE, accepted=_FORM)
    return secret


def vault_key_for(vault: Path) -> bytes:
    """The key for writing to a vault; a new vault may get a new key.

    Where neither the vault nor the file that SHOKEN_VAULT_KEY_FILE names is there yet, the key file is made (32 random bytes, mode
    0600) in its folder, which must be there. A key is never made for a vault that is there. Raises as `vault_key`.
    """
    named = os.environ.get(KEY_FILE_VARIABLE)
    if named and not vault.exists() and not Path(named).exists():
        if not Path(named).parent.is_dir():
            raise VaultError("the key's folder is not there", subject=KEY_FILE_VARIABLE, accepted="a file name in an existing folder")
        create_key(Path(named))
    return vault_key()
