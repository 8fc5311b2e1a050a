"""score froc|overlap: statistics from plain files, as JSON, without any model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.terminal import put_json

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
    found: Annotated[Path, typer.Argument(metavar="FOUND", help="A mask as NIfTI.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="A mask as NIfTI on the same grid.")],
    tolerance_mm: Annotated[float, typer.Option("--tolerance-mm", metavar="MM", min=0, help="For the surface Dice.")] = 1.0,
) -> int:
    """Dice, 95 % Hausdorff distance and normalised surface Dice of two masks."""
    from cad.read.nifti import read_nifti
    from cad.score.overlap import overlap as compared

    put_json(asdict(compared(read_nifti(found, "1", "SEG"), read_nifti(truth, "1", "SEG"), tolerance_mm)))
    return 0
