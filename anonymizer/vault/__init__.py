"""The way back: an encrypted file that maps pseudonyms to originals. Without it no output leads to a patient."""

from anonymizer.vault.entries import ENTRY_TAGS, Entry, entries_from, entries_of
from anonymizer.vault.store import MAGIC, Vault, read_vault, vault_key, write_vault

__all__ = ["ENTRY_TAGS", "MAGIC", "Entry", "Vault", "entries_from", "entries_of", "read_vault", "vault_key", "write_vault"]
