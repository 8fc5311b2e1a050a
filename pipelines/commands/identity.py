"""reidentify: the authorised way back. The one command that may show who a patient is, on stdout only."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.terminal import JsonOption, put, put_json, say, spinner

if TYPE_CHECKING:
    from pipelines.exchange.reidentify import Identity, Reidentified
    from pipelines.exchange.subjects import Result

ResultArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RESULT",
        help="An OUT of screen or deid, a folder of DICOM files, one file, or - (pseudonyms on stdin).",
        show_default=False,
    ),
]


def reidentify(
    result: ResultArgument,
    vault: Annotated[Path, typer.Option(metavar="FILE", help="The vault; its key comes from the environment.", show_default=False)],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is logged. Name no patient.", show_default=False)],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a table and restored copies here.")] = None,
    pictures: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the blanked regions, before and after.")] = None,
    json: JsonOption = False,
) -> int:
    """Say whose images a result speaks of. Every use is logged beside the vault before anything is shown."""
    from anonymizer.vault import open_vault, vault_key
    from pipelines.exchange.reidentify import Places
    from pipelines.exchange.reidentify import reidentify as run
    from pipelines.outfolder import full_disk_named
    from pipelines.wiring import UtcClock

    full = full_disk_named(out or pictures or vault.parent)
    with full, open_vault(vault, vault_key()) as opened, spinner("re-identifying") as bar:
        place = None if str(result) == "-" else result
        done = run(place, _read(place), opened, reason, Places(out, pictures), UtcClock(), bar["update"])
    _tell(done, out, pictures, as_json=json)
    return int(bool(done.refusals))


def _read(place: Path | None) -> Result:
    from pipelines.exchange.subjects import read_lines, read_result

    return read_result(place) if place is not None else read_lines(typer.get_text_stream("stdin"))


def _tell(done: Reidentified, out: Path | None, pictures: Path | None, *, as_json: bool) -> None:
    if as_json:
        put_json({**asdict(done), "out": str(out) if out else None})
    else:
        for identity in done.identities:
            _show(identity)
        if out:
            put(f"{done.restored} files restored; the table is {out / 'reidentified.csv'}")
        if pictures:
            put(f"{done.pictures} pictures: {pictures / 'index.html'}")
    for reason, count in sorted(_counts(done).items()):
        say(f"{count} did not lead back: {reason}" + (f"; each is named in {out / 'manifest.jsonl'}" if out else ""))


_SHOWN = {
    "patient_id": "patient ID",
    "patient_name": "name",
    "birth_date": "birth date",
    "sex": "sex",
    "accession_number": "accession number",
    "study_instance_uid": "study UID",
    "shift_days": "dates moved by days",
    "fault": "not led back",
}


def _show(identity: Identity) -> None:
    """One subject as lines: a UID is never cut, a name of any width never shifts a column."""
    put(identity.case + (f" (patient {identity.patient})" if identity.patient not in ("", identity.case) else ""))
    for name, label in _SHOWN.items():
        value = getattr(identity, name)
        if value:
            put(f"  {label:<20} {_printable(value)}")


def _printable(value: str) -> str:
    """A header's text must not steer the terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in value)


def _counts(done: Reidentified) -> dict[str, int]:
    reasons = [refusal.reason for refusal in done.refusals]
    return {reason: reasons.count(reason) for reason in set(reasons)}
