"""The log beside a vault (FILE.log): who led what back, when and why. Written before anything is revealed, or nothing is.

It is a hash chain of JSON lines without any identified value. The vault itself remembers, sealed, how far its log had come,
so that a log that was removed, cut or replaced is noticed; and the log remembers how much the vault held, so that an
older copy of the vault is noticed too.
"""

from __future__ import annotations

import getpass
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from anonymizer.vault import Vault
from cad.errors import ShokenError
from pipelines.ports import Clock
from pipelines.registry.ledger import HashChain, digest_of


class UseLogError(ShokenError):
    """A log that is damaged, not the vault's, or cannot be written: nothing is revealed."""


class UseChain(HashChain):
    """The hash chain of uses of one vault."""

    events = ("reidentify",)
    error = UseLogError
    sound = "the whole log that belongs to this vault"


@dataclass(frozen=True, slots=True)
class Use:
    """One use: the reason given, what was asked for, how many pseudonyms, and one digest over them."""

    reason: str
    asked: str
    pseudonyms: int
    digest: str


def record_use(vault: Vault, use: Use, clock: Clock) -> str:
    """Append a use to the vault's log and give the entry's digest. Raises UseLogError when that cannot be done safely."""
    chain = UseChain(log_path(vault.path), clock)
    try:
        _check(chain, vault)
        _make_private(chain.path)
        digest = chain.append("reidentify", **_facts(vault, use))
        place = [digest_of(entry) for entry in chain.entries()].index(digest)  # another use may have followed already
        vault.anchor_log(place + 1, digest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"cannot be read or written ({type(error).__name__}): nothing is revealed without it"
        raise UseLogError(problem, subject=chain.path.name, accepted="a log beside the vault that you can write to") from None
    return digest


def log_path(vault: Path) -> Path:
    """Where a vault's log lies."""
    return vault.with_name(f"{vault.name}.log")


def _check(chain: UseChain, vault: Vault) -> None:
    """The log must be sound, hold what the vault remembers of it, and must not have seen a fuller vault."""
    state, entries = vault.state(), chain.entries()
    faults = chain.audit().faults
    if faults:
        raise UseLogError(faults[0], subject=chain.path.name, accepted=chain.sound)
    if state.log_entries and (len(entries) < state.log_entries or digest_of(entries[state.log_entries - 1]) != state.log_head):
        raise UseLogError("uses that the vault remembers are missing", subject=chain.path.name, accepted=chain.sound)
    mine = [entry["facts"] for entry in entries if entry["facts"]["vault"] == vault.name]
    if len(mine) < len(entries):
        raise UseLogError("belongs to another vault", subject=chain.path.name, accepted=chain.sound)
    if any(int(facts["vault_rows"]) > state.rows for facts in mine):
        raise UseLogError("an older copy of the vault than its log has seen", subject=vault.path.name, accepted="the latest copy of it")


def _facts(vault: Vault, use: Use) -> dict[str, str]:
    return {
        "asked": use.asked,
        "digest": use.digest,
        "host": platform.node(),
        "pseudonyms": str(use.pseudonyms),
        "reason": use.reason,
        "user": _user(),
        "vault": vault.name,
        "vault_key": vault.key_fingerprint,
        "vault_rows": str(vault.count()),
    }


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name  # not the environment, which anyone can set
    except (ImportError, KeyError):
        return f"{getpass.getuser() if not hasattr(os, 'getuid') else os.getuid()}"


def _make_private(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
