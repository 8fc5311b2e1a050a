"""train: a model file and its card from a task's own recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.terminal import JsonOption, put, put_json, spinner


def train(
    task: Annotated[str, typer.Argument(metavar="TASK", help="An installed task.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where model file, card and cached data go.")] = Path("out/training"),
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Train on an imported data set (`shoken data`).")] = None,
    agreement: Annotated[int, typer.Option(metavar="N", help="With --data: lesions that N readers or more agree on.")] = 1,
    outline: Annotated[
        str, typer.Option(metavar="staple|majority|union|intersection", help="With --data: one outline of several.")
    ] = "staple",
    insert: Annotated[
        int, typer.Option(metavar="N", min=0, max=20, help="With --data: up to N simulated nodules into each training chest.")
    ] = 0,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="VERSION", help="Begin from a registered version of the task (or `current`).")
    ] = None,
    freeze: Annotated[float, typer.Option(metavar="SHARE", help="With --from: hold the front share of each network still.")] = 0.0,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Other first weights and batches than the recipe's, on the same data.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Train a task's networks, write weights and card, record the run in the model index where MLflow is installed.

    A training that was stopped goes on where it was: data, finished stages and the last steps lie in --out.
    """
    from pipelines.config import load_settings
    from pipelines.training import Imported, Origin, run_training

    with spinner(f"training {task}") as bar:
        imported = Imported(data, agreement, outline, insert) if data else None
        origin = Origin(begin, freeze) if begin else None
        trained = run_training(task, out, load_settings(), bar["update"], imported, origin, seed)
    if json:
        put_json({"task": task, "file": str(trained.file), "sha256": trained.sha256, "index": trained.index})
    else:
        put(f"{trained.file} sha256 {trained.sha256}\n{trained.index}\nTo use it: shoken models register {trained.file}")
    return 0
