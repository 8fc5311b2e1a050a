"""reidentify: the authorised way back. The one command that may show who a patient is, on stdout only."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.terminal import JsonOption, put, put_json, say, spinner, table

if TYPE_CHECKING:
    from pipelines.exchange.reidentify import Reidentified
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
        columns = ("case", "patient ID", "name", "birth date", "sex", "accession", "study UID", "dates moved by", "fault")
        rows = [
            (i.case, i.patient_id, i.patient_name, i.birth_date, i.sex, i.accession_number, i.study_instance_uid, i.shift_days, i.fault)
            for i in done.identities
        ]
        table("Re-identified", columns, rows)
        if out:
            put(f"{done.restored} files restored; the table is {out / 'reidentified.csv'}")
        if pictures:
            put(f"{done.pictures} pictures: {pictures / 'index.html'}")
    for reason, count in sorted(_counts(done).items()):
        say(f"{count} did not lead back: {reason}" + (f"; each is named in {out / 'manifest.jsonl'}" if out else ""))


def _counts(done: Reidentified) -> dict[str, int]:
    reasons = [refusal.reason for refusal in done.refusals]
    return {reason: reasons.count(reason) for reason in set(reasons)}
