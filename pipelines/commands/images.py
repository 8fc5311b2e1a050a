"""deid, convert: images in, images out, every file accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.screening import SettingsOption
from pipelines.commands.terminal import JsonOption, put_json, say, spinner, table

if TYPE_CHECKING:
    from pipelines.converting import FileRow

InArgument = Annotated[Path, typer.Argument(metavar="IN", help="A folder, file or zip of DICOM files.", show_default=False)]
OutArgument = Annotated[Path, typer.Argument(metavar="OUT", help="A new or empty folder.", show_default=False)]


def deid(
    source: InArgument,
    out: OutArgument,
    profile: Annotated[str | None, typer.Option(metavar="screening|basic", help="Dates shifted per patient, or removed.")] = None,
    settings: SettingsOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, write nothing.")] = False,
    json: JsonOption = False,
) -> int:
    """De-identify every file; what cannot be is refused with a reason."""
    from pipelines.config import load_settings
    from pipelines.converting import deidentify_export

    chosen = load_settings(settings, profile=profile)
    with spinner("de-identifying") as bar:
        rows = deidentify_export(source, None if dry_run else out, chosen, bar["update"])
    return _tell(rows, out, as_json=json)


def convert(source: InArgument, out: OutArgument, settings: SettingsOption = None, json: JsonOption = False) -> int:
    """Write every series as NIfTI, de-identified, and what happened to every file."""
    from pipelines.config import load_settings
    from pipelines.converting import convert_export

    with spinner("converting") as bar:
        rows = convert_export(source, out, load_settings(settings), bar["update"])
    return _tell(rows, out, as_json=json)


def _tell(rows: Sequence[FileRow], out: Path, *, as_json: bool) -> int:
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row.status, row.reason] = counts.get((row.status, row.reason), 0) + 1
    refused = sum(count for (status, _), count in counts.items() if status == "refused")
    if as_json:
        put_json(
            {"out": str(out), "files": len(rows), "refused": {reason: n for (status, reason), n in counts.items() if status == "refused"}}
        )
    else:
        table(f"Files of {out}", ("status", "reason", "files"), [(*key, count) for key, count in sorted(counts.items())])
    if refused:
        say(f"{refused} of {len(rows)} files were refused; each is named in {out / 'manifest.jsonl'}")
    return int(bool(refused))
