"""Seconds, processor seconds and peak memory by stage. What is measured stands beside a report, never inside it."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.ports import StageListener

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class StageCost:
    """What one stage took: wall seconds, seconds of processor (a busy machine or a slow disk shows by the difference), and the peak
    resident memory of the process in MiB while it ran."""

    stage: str
    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(slots=True)
class Meter:
    """Sequential stages: beginning one ends the one before. Stages that repeat are summed by `costs`."""

    listener: StageListener
    _laps: list[StageCost] = field(default_factory=list)
    _open: tuple[str, float, float] | None = None

    def begin(self, stage: str) -> None:
        """End the running stage, if any, and begin this one."""
        self.end()
        _forget_peak()
        self._open = (stage, time.perf_counter(), time.process_time())
        self.listener(stage)

    def end(self) -> None:
        """End the running stage."""
        if self._open:
            stage, since, worked = self._open
            self._laps.append(StageCost(stage, time.perf_counter() - since, time.process_time() - worked, peak_mib()))
            self._open = None

    def costs(self) -> tuple[StageCost, ...]:
        """One entry a stage name, in order of first appearance: seconds summed, peak the highest."""
        self.end()
        summed: dict[str, StageCost] = {}
        for lap in self._laps:
            old = summed.get(lap.stage, StageCost(lap.stage, 0.0, 0.0, 0.0))
            peak = max(old.peak_mib, lap.peak_mib)
            summed[lap.stage] = StageCost(lap.stage, old.seconds + lap.seconds, old.cpu_seconds + lap.cpu_seconds, peak)
        return tuple(StageCost(c.stage, round(c.seconds, 3), round(c.cpu_seconds, 3), round(c.peak_mib, 1)) for c in summed.values())


def peak_mib() -> float:
    """Peak resident memory of this process in MiB, since the last stage began where the system can say so."""
    try:
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return usage / (2**20 if sys.platform == "darwin" else 2**10)


def _forget_peak() -> None:
    try:
        _CLEAR.write_text("5")  # Linux: the high-water mark starts again; elsewhere it spans the process
    except OSError:
        return
