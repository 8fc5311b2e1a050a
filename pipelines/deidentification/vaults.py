"""The vault of a run: where it may lie, and opening it with the key that the environment names."""

from __future__ import annotations

from pathlib import Path

from anonymizer.vault import Vault, open_vault, vault_key_for
from pipelines.exchange.folders import root_of
from pipelines.outfolder import OutError


def check_vault(vault: Path, source: Path, out: Path | None) -> None:
    """Refuse a vault among the files that are given away, or among those that come in. Raises OutError."""
    place = vault.resolve()
    for name, folder in (("OUT", out), ("IN", root_of(source))):
        if folder is not None and (folder.resolve() in place.parents or folder.resolve() == place):
            accepted = "a file in another folder: whoever gets the images must not get the way back"
            raise OutError(f"lies inside {name}", subject=f"--vault {vault}", accepted=accepted)
    if not vault.parent.is_dir():
        raise OutError("its folder is not there", subject=f"--vault {vault}", accepted="a file in a folder that exists")


def opened(vault: Path) -> Vault:
    """The vault, made where there is none. Raises VaultError, KeyFileError."""
    return open_vault(vault, vault_key_for(vault), create=True)
