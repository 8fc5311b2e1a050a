"""Seconds, processor seconds and peak memory of `shoken screen`, by stage: `python benchmarks/screen.py [EXPORT] [RUNS]`.

Without EXPORT a simulated chest of 300 slices at 1 mm is screened by every task. The sum of the stages from the outline to the written
folder (segment, measure, explain, write) is told apart: what a case costs once it is known where to look.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from common import SHOKEN, Cost, keep, run, spread, table

from cad.simulate.patients import fake_patient
from cad.simulate.scanner import SeriesLook, write_series
from cad.simulate.thorax import ThoraxPlan, simulate_thorax

SEED, SLICES = 7, 300
EVIDENCE = ("segment", "measure", "explain", "write")  # a stage that is called after one of these is part of the sum

HEADER = ("stage", "seconds", "processor seconds", "peak MiB")


@dataclass(frozen=True, slots=True)
class Stage:
    """Wall and processor seconds summed over the cases of a run, and the highest peak in MiB."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0

    def __add__(self, other: Stage) -> Stage:
        return Stage(self.seconds + other.seconds, self.cpu_seconds + other.cpu_seconds, max(self.peak_mib, other.peak_mib))


def main(export: Path | None, runs: int) -> None:
    """Each run into a new folder; the table shows the stages of the run whose processor seconds are the median's nearest."""
    with tempfile.TemporaryDirectory() as folder:
        source, label = (export, export.name) if export else chest(Path(folder) / "export")
        measured = [one(source, Path(folder) / f"out{number}") for number in range(runs)]
    costs = [cost for cost, _ in measured]
    walls, works = spread([cost.wall_s for cost in costs]), spread([cost.cpu_s for cost in costs])
    sums = [sum((stages[name] for name in stages if is_evidence(name)), Stage()) for _, stages in measured]
    cost, stages = min(measured, key=lambda pair: abs(pair[0].cpu_s - works["median"]))
    table(f"shoken screen, {label}, {runs} run(s)", HEADER, rows(cost, stages, "start-up, walk, worklist"))
    keep(
        "screen",
        {
            "input": label,
            "wall_s": walls,
            "cpu_s": works,
            "peak_mib": round(max(cost.peak_mib for cost in costs), 1),
            "stages": as_json(stages),
            "outline_to_written": {
                "wall_s": spread([part.seconds for part in sums]),
                "cpu_s": spread([part.cpu_seconds for part in sums]),
                "peak_mib": round(max(part.peak_mib for part in sums), 1),
            },
        },
    )


def chest(folder: Path) -> tuple[Path, str]:
    """One simulated chest of 300 slices of 512 x 512 at 1 mm with three nodules, as files, and how the table calls it."""
    phantom = simulate_thorax(SEED, ThoraxPlan(shape=(SLICES, 512, 512), spacing_mm=(1.0, 0.7, 0.7), nodules=3))
    write_series(phantom.volume, folder / "DICOM", fake_patient(SEED), SEED, SeriesLook())
    return folder, f"simulated chest (seed {SEED}), {SLICES} slices of 512 x 512 at 1 mm, 3 nodules"


def one(export: Path, out: Path) -> tuple[Cost, dict[str, Stage]]:
    """One screening, timed from outside, and what it says of its own stages. Raises SystemExit when it fails."""
    cost = run([SHOKEN, "screen", str(export), str(out)])
    if cost.code not in (0, 1):
        raise SystemExit(f"shoken screen ended with {cost.code}")
    return cost, stages_of(read_timings(out))


def read_timings(out: Path) -> Mapping[str, Sequence[Mapping[str, float | str]]]:
    """What an output folder says of its cases' stages."""
    timings: Mapping[str, Sequence[Mapping[str, float | str]]] = json.loads((out / "timings.json").read_text(encoding="utf-8"))
    return timings


def stages_of(timings: Mapping[str, Sequence[Mapping[str, float | str]]]) -> dict[str, Stage]:
    """The stages of every case of an output folder, in the order they ran."""
    stages: dict[str, Stage] = {}
    for costs in timings.values():
        for cost in costs:
            lap = Stage(*(float(cost[name]) for name in ("seconds", "cpu_seconds", "peak_mib")))
            stages[str(cost["stage"])] = stages.get(str(cost["stage"]), Stage()) + lap
    return stages


def is_evidence(stage: str) -> bool:
    """Whether a stage ("write", "aorta_ct: measure") lies between the outline and the written folder."""
    return stage.rpartition(": ")[2].startswith(EVIDENCE)


def rows(cost: Cost, stages: Mapping[str, Stage], beside: str) -> list[tuple[object, ...]]:
    """The table's lines under HEADER: each stage, what lies `beside` all of them, the whole, the part's sum."""
    inside = sum(stages.values(), Stage())
    part = sum((stage for name, stage in stages.items() if is_evidence(name)), Stage())
    lines = [(name, stage.seconds, stage.cpu_seconds, stage.peak_mib) for name, stage in stages.items()]
    outside = (beside, cost.wall_s - inside.seconds, cost.cpu_s - inside.cpu_seconds, "")
    summed = ("of these, outline to written folder", part.seconds, part.cpu_seconds, part.peak_mib)
    return [*lines, outside, ("whole command", cost.wall_s, cost.cpu_s, cost.peak_mib), summed]


def as_json(stages: Mapping[str, Stage]) -> list[dict[str, object]]:
    """Stages in the order they ran."""
    return [{"stage": name, **{key: round(value, 3) for key, value in asdict(stage).items()}} for name, stage in stages.items()]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
