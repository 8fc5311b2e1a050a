"""How long `shoken --help` takes, beside what Python, typer and torch alone take: `python benchmarks/help_time.py [RUNS]`."""

from __future__ import annotations

import sys

from common import PYTHON, SHOKEN, keep, run, spread, table

COMMANDS = {
    "python -c pass": [PYTHON, "-c", "pass"],
    "import typer": [PYTHON, "-c", "import typer"],
    "import typer, rich.console": [PYTHON, "-c", "import typer, rich.console"],
    "shoken --help": [SHOKEN, "--help"],
    "shoken screen --help": [SHOKEN, "screen", "--help"],
    "import torch": [PYTHON, "-c", "import torch"],
}


def main(runs: int) -> None:
    """Each command in turn, round after round, so that a slow minute falls on all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():
        run(command)
    for _ in range(runs):
        for name, command in COMMANDS.items():
            seconds[name].append(run(command).wall_s)
    figures = {name: spread(values) for name, values in seconds.items()}
    table(f"Start-up, wall seconds, {runs} runs after a warm-up", ("command", "min", "median", "max"), _rows(figures))
    keep("help_time", {"runs": runs, "wall_s": figures})


def _rows(figures: dict[str, dict[str, float]]) -> list[tuple[object, ...]]:
    return [(name, cost["min"], cost["median"], cost["max"]) for name, cost in figures.items()]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
