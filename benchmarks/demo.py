"""Seconds and peak memory of `shoken demo`, by stage: `python benchmarks/demo.py`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from common import SHOKEN, keep, run, table
from screen import as_json, stages_of


def main() -> None:
    """One run into a new folder: the demo is the same every time."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        cost = run([SHOKEN, "demo", str(out)])
        if cost.code not in (0, 1):
            raise SystemExit(f"shoken demo ended with {cost.code}")
        found = next(out.rglob("timings.json"), None)
        stages = stages_of(found.parent) if found else {}
    inside = sum(seconds for seconds, _ in stages.values())
    rows: list[tuple[object, ...]] = [(name, seconds, peak) for name, (seconds, peak) in stages.items()]
    rows += [("simulation, start-up, worklist", cost.wall_s - inside, ""), ("whole command", cost.wall_s, cost.peak_mib)]
    table("shoken demo", ("stage", "seconds", "peak MiB"), rows)
    keep("demo", {"wall_s": round(cost.wall_s, 1), "peak_mib": round(cost.peak_mib, 1), "stages": as_json(stages)})


if __name__ == "__main__":
    main()
