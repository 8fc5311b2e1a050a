"""export: results to where radiologists look. Pseudonymous, unless a vault and its key lead them back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.terminal import JsonOption, put, put_json, say, spinner

if TYPE_CHECKING:
    from pipelines.exchange.targets import Target
    from pipelines.exporting import Delivery, Exported


def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="What `shoken screen` wrote.", show_default=False)],
    to: Annotated[str, typer.Option("--to", metavar="DIR|dicomweb:URL|dimse:HOST:PORT:AET", help="The receiver.", show_default=False)],
    reidentify: Annotated[bool, typer.Option("--reidentify", help="Under the original patient and study; needs a vault.")] = False,
    vault: Annotated[Path | None, typer.Option(metavar="FILE", help="The vault; its key comes from the environment.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, with --reidentify; it is logged. Name no patient.")] = "",
    calling: Annotated[str, typer.Option(metavar="AET", help="Our own AE title, for dimse.")] = "SHOKEN",
    again: Annotated[bool, typer.Option("--again", help="Send also what was sent before.")] = False,
    json: JsonOption = False,
) -> int:
    """Send the DICOM objects of every case to a folder, a DICOMweb server or a DICOM node, each one once."""
    from pipelines.exchange.targets import target_of
    from pipelines.exporting import export as run
    from pipelines.outfolder import full_disk_named

    target = target_of(to)
    _check(out, target, vault, reidentify=reidentify)
    if reidentify and target.in_the_clear:
        say("Names and numbers of patients go over the network unencrypted (accepted: https, or a tunnel).")
    with full_disk_named(out), spinner("sending") as bar, _delivery(out, target, calling, vault, reason, again=again) as delivery:
        done = run(out, delivery, bar["update"])
    _tell(done, to, as_json=json)
    return done.exit_code


def _check(out: Path, target: Target, vault: Path | None, *, reidentify: bool) -> None:
    from pipelines.exchange.parcels import ExportError
    from pipelines.outfolder import check_apart

    if reidentify != (vault is not None):
        problem = "needs --vault FILE" if reidentify else "leads back only with --reidentify"
        raise ExportError(problem, subject="--reidentify" if reidentify else "--vault", accepted="both or neither")
    if target.kind == "folder":
        check_apart(out, Path(target.address))


@contextlib.contextmanager
def _delivery(out: Path, target: Target, calling: str, vault: Path | None, reason: str, *, again: bool) -> Iterator[Delivery]:
    from pipelines.exchange.targets import sink_of
    from pipelines.exporting import Delivery

    sink = sink_of(target, calling)
    if vault is None:
        yield Delivery(target, sink, again=again)
        return
    from anonymizer.vault import open_vault, vault_key
    from pipelines.exchange.reidentify import way_back
    from pipelines.wiring import UtcClock

    with open_vault(vault, vault_key()) as opened:
        yield Delivery(target, sink, way_back(out, opened, reason, f"export {target.kind}", UtcClock()), f"vault {opened.name}", again)


def _tell(done: Exported, to: str, *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        put_json({"to": to, "objects": [asdict(row) for row in done.rows], "counts": done.counts})
    else:
        put(", ".join(f"{count} {status.replace('_', ' ')}" for status, count in done.counts.items()) or "no DICOM objects in OUT")
    for row in done.rows:
        if row.status == "failed":
            say(f"{row.case}/{row.object}: {row.reason}: {row.detail}")
