"""Seconds and peak memory of `shoken screen`, by stage: `python benchmarks/screen.py [EXPORT] [RUNS]`.

Without EXPORT the real chest CT beside the checkout is screened where it is there, else a simulated export.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from common import ROOT, SHOKEN, Cost, keep, run, spread, table

REAL = ROOT.parent / "shared" / "data" / "LIDC-IDRI-0001_dicom"
Stages = dict[str, tuple[float, float]]


def main(export: Path | None, runs: int) -> None:
    """Each run into a new folder; the tables show the median of the whole and the run nearest to it by stage."""
    with tempfile.TemporaryDirectory() as folder:
        source, label = chosen(export, Path(folder))
        measured = [one(source, Path(folder) / f"out{number}") for number in range(runs)]
    walls = spread([cost.wall_s for cost, _ in measured])
    peak = max(cost.peak_mib for cost, _ in measured)
    _, stages = min(measured, key=lambda pair: abs(pair[0].wall_s - walls["median"]))
    table(f"shoken screen, {label}, {runs} run(s)", ("stage", "seconds", "peak MiB"), _rows(stages, walls["median"], peak))
    keep("screen", {"input": label, "wall_s": walls, "peak_mib": round(peak, 1), "stages": as_json(stages)})


def chosen(export: Path | None, folder: Path) -> tuple[Path, str]:
    """What is screened, and how the table calls it."""
    if export:
        return export, export.name
    if REAL.is_dir():
        return REAL, REAL.name
    run([SHOKEN, "simulate", str(folder / "export"), "--studies", "1", "--seed", "1"])
    return folder / "export", "simulated export (1 study, seed 1)"


def one(export: Path, out: Path) -> tuple[Cost, Stages]:
    """One screening, timed from outside, and what it says of its own stages. Raises SystemExit when it fails."""
    cost = run([SHOKEN, "screen", str(export), str(out)])
    if cost.code not in (0, 1):
        raise SystemExit(f"shoken screen ended with {cost.code}")
    return cost, stages_of(out)


def stages_of(out: Path) -> Stages:
    """Seconds summed and peak MiB by stage over every case of an output folder."""
    stages: Stages = {}
    for costs in json.loads((out / "timings.json").read_text(encoding="utf-8")).values():
        for cost in costs:
            seconds, peak = stages.get(cost["stage"], (0.0, 0.0))
            stages[cost["stage"]] = (seconds + cost["seconds"], max(peak, cost["peak_mib"]))
    return stages


def as_json(stages: Stages) -> list[dict[str, object]]:
    """Stages in the order they ran."""
    return [{"stage": name, "seconds": round(seconds, 3), "peak_mib": round(peak, 1)} for name, (seconds, peak) in stages.items()]


def _rows(stages: Stages, wall_s: float, peak_mib: float) -> list[tuple[object, ...]]:
    inside = sum(seconds for seconds, _ in stages.values())
    rows: list[tuple[object, ...]] = [(name, seconds, peak) for name, (seconds, peak) in stages.items()]
    return [*rows, ("start-up, walk, worklist", wall_s - inside, ""), ("whole command", wall_s, peak_mib)]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
