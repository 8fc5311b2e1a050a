"""score froc|overlap: statistics from plain files, without any model."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Statistics from plain CSV and NIfTI files.")
