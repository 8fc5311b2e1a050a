"""measure aorta: diameters from an outline that is already there, without any model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.terminal import JsonOption, put, put_json, table

app = typer.Typer(no_args_is_help=True, help="Measurements from outlines that another tool or a person made.")


@app.callback()
def measure() -> None:
    """Measurements from outlines that another tool or a person made."""


@app.command()
def aorta(
    masks: Annotated[list[Path], typer.Argument(metavar="MASK...", help="NIfTI or DICOM SEG; several are taken together.")],
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="The scan as NIfTI: second estimate, metal, diaphragm.")] = None,
    label: Annotated[str, typer.Option(metavar="LABEL", help="A value of a label image, or a segment's label.")] = "",
    diaphragm_z_mm: Annotated[
        float | None, typer.Option(metavar="MM", help="Height of the diaphragm (LPS z), else from the lungs.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the widest place; needs --image.")] = None,
    json: JsonOption = False,
) -> int:
    """Diameters of the aorta at its landmarks; exit 1 where none could be measured."""
    from pipelines.measuring import GivenAorta, measure_given_aorta

    measured = measure_given_aorta(GivenAorta(tuple(masks), label, image, diaphragm_z_mm))
    if picture is not None:
        measured.picture().save(picture, format="PNG")
    document = measured.document
    if json:
        put_json(document)
    else:
        rows = [_row(m) for m in document["measurements"]]
        table("Aorta", ("landmark", "mm", "95 % interval", "note"), rows)
        put(f"Outline: given mask, sha256 {' + '.join(document['outline']['sha256'])}; {document['note']}.")
        put(f"Second estimate: {document['second_estimate']}.")
        for hint in document["hints"]:
            put(hint)
    return 0 if any(m["value"] is not None for m in document["measurements"]) else 1


def _row(m: dict[str, object]) -> tuple[str, str, str, str]:
    name, value, interval = str(m["name"]).removeprefix("aorta_").replace("_", " "), m["value"], m["interval"]
    if not isinstance(value, float):
        return name, "not measurable", "", str(m["outcome"]).replace("_", " ")
    low, high = interval if isinstance(interval, tuple) else (value, value)
    return name, f"{value:.1f}", f"{low:.1f} to {high:.1f}" if interval else "", str(m["label"]).replace("_", " ")
