"""What every benchmark shares: run a command and account for it, print a table, keep the figures as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results")
PYTHON = sys.executable
SHOKEN = str(Path(PYTHON).with_name("shoken"))


@dataclass(frozen=True, slots=True)
class Cost:
    """One finished command: exit code, wall and processor seconds, peak resident MiB of its largest process."""

    code: int
    wall_s: float
    cpu_s: float
    peak_mib: float


def run(command: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end, its output dropped, and take the operating system's account of it."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Cost(process.returncode, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Minimum, median and maximum: shared machines are noisy, so no single reading is quoted."""
    return {"min": round(min(values), 3), "median": round(statistics.median(values), 3), "max": round(max(values), 3), "n": len(values)}


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns of equal width, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[k]) for line in [list(header), *cells]) for k in range(len(header))]
    print(f"\n{title}")
    for line in [list(header), *cells]:
        first, *rest = line
        print("  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]))


def keep(name: str, figures: Mapping[str, Any]) -> None:
    """Write `results/<name>.json` with the kind of machine the figures come from (no host name)."""
    RESULTS.mkdir(exist_ok=True)
    document = {"machine": machine(), "measured_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **figures}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"kept in {path.relative_to(ROOT)}")


def machine() -> dict[str, Any]:
    """Cores, memory, architecture and Python: what a figure depends on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(memory),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
