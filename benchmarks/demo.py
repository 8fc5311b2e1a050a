"""Seconds, processor seconds and peak memory of `shoken demo`, by stage: `python benchmarks/demo.py`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from common import SHOKEN, keep, run, table
from screen import HEADER, as_json, read_timings, rows, stages_of


def main() -> None:
    """One run into a new folder: the demo is the same every time."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        cost = run([SHOKEN, "demo", str(out)])
        if cost.code not in (0, 1):
            raise SystemExit(f"shoken demo ended with {cost.code}")
        found = next(out.rglob("timings.json"), None)
        stages = stages_of(read_timings(found.parent)) if found else {}
    table("shoken demo", HEADER, rows(cost, stages, "simulation, start-up, worklist"))
    keep("demo", {"wall_s": round(cost.wall_s, 1), "peak_mib": round(cost.peak_mib, 1), "stages": as_json(stages)})


if __name__ == "__main__":
    main()
