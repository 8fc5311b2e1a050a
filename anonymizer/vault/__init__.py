"""The way back: an encrypted file that maps pseudonyms to originals. Without it no output leads to a patient."""

from anonymizer.vault.entries import ENTRY_TAGS, Entry, entries_from, entries_of
from anonymizer.vault.restore import Unmapped, UnmappedError, restored
from anonymizer.vault.secret import KEY_FILE_VARIABLE, KEY_VARIABLE, vault_key, vault_key_for
from anonymizer.vault.store import Vault, open_vault

__all__ = [
    "ENTRY_TAGS",
    "KEY_FILE_VARIABLE",
    "KEY_VARIABLE",
    "Entry",
    "Unmapped",
    "UnmappedError",
    "Vault",
    "entries_from",
    "entries_of",
    "open_vault",
    "restored",
    "vault_key",
    "vault_key_for",
]
