"""score froc|overlap: statistics from plain files, as JSON, without any model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.terminal import put_json, say

app = typer.Typer(no_args_is_help=True, help="Statistics from plain CSV and NIfTI files, as JSON.")


@app.command()
def froc(
    marks: Annotated[Path, typer.Argument(metavar="MARKS", help="CSV: seriesuid, coordX, coordY, coordZ, probability.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="CSV: seriesuid, coordX, coordY, coordZ, diameter_mm.")],
    ignore: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV of findings that count neither way.")] = None,
    scans: Annotated[Path | None, typer.Option(metavar="FILE", help="One series UID a line (default: those that occur).")] = None,
    resamples: Annotated[int, typer.Option(metavar="N", min=0, max=100_000, help="Bootstrap samples for the interval of the CPM.")] = 1000,
    seed: Annotated[int, typer.Option(metavar="S")] = 0,
) -> int:
    """Sensitivity against false positives per scan, and their mean (CPM), as LUNA16 counts them."""
    from cad.score.froc import froc_from_csv

    result = froc_from_csv(marks, truth, ignore, scans, resamples=resamples, seed=seed)
    document = asdict(result)
    del document["curve"]
    document["operating"] = [{"fp_per_scan": fp, "sensitivity": sensitivity} for fp, sensitivity in result.operating]
    put_json(document)
    return 0


@app.command()
def overlap(
    found: Annotated[Path, typer.Argument(metavar="FOUND", help="A mask as NIfTI, or a folder of them.")],
    truth: Annotated[list[Path], typer.Argument(metavar="TRUTH...", help="The same of the truth; several are several readers.")],
    tolerance_mm: Annotated[list[float] | None, typer.Option(metavar="MM", help="For the surface Dice; again for more (1 and 2).")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="N=NAME", help="What a label stands for: it is then looked for in all cases.")
    ] = None,
    resamples: Annotated[int, typer.Option(metavar="N", min=0, max=100_000, help="Bootstrap samples, by case.")] = 1000,
    seed: Annotated[int, typer.Option(metavar="S")] = 0,
) -> int:
    """Dice, 95 % Hausdorff distance and normalised surface Dice of masks, structure by structure; misses count."""
    from cad.score.overlap import TOLERANCES_MM
    from pipelines.overlaps import Overlaps, overlap_scores

    names = dict(_named(text) for text in label or ())
    tolerances = tuple(tolerance_mm or TOLERANCES_MM)
    document = overlap_scores(Overlaps(found, tuple(truth), tolerances, names, resamples, seed))
    put_json(document)
    if document["without_truth"]:
        say(f"{len(document['without_truth'])} masks have no truth and were not scored")
    return 1 if document["without_truth"] else 0


def _named(text: str) -> tuple[int, str]:
    number, _, name = text.partition("=")
    if not number.isdecimal() or int(number) < 1 or not name:
        raise typer.BadParameter(f"{text!r} names no label (accepted: --label 1=liver)")
    return int(number), name
