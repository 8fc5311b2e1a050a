"""De-identification file to file, beside other tools: `python benchmarks/deid.py [SLICES] [ROUNDS]`.

500 CT slices of 258 elements each (`deid_series.py` makes them), read from the disk's cache. Every tool is a whole process
from its start to its end; all take turns in every round; what counts is processor time, ours and the system's for us, and the
ratio within a round. Everything is done twice: with the output on the disk, and with it in memory (a tmpfs), where no disk
and no writing back disturbs. `copying alone` is the floor: the same bytes read and written, and nothing else done.

What one tool leaves must not be paid for by the next. So what is still to be written is written before a tool begins; outputs
are emptied and not deleted until the end, and the first tool waits a minute, since some file systems (ext4 without a journal)
step over every inode that was deleted in the last minute whenever they make a file; and memory for the output is touched first
and given back, since the first to touch what a virtual machine's host has taken away waits for the host.

No tool waits for the disk (none calls fsync for its files). Ours and `copying alone` write under a draft's name and rename, so
that a file is there whole or not at all; the others write in place. Ours makes an account of every attribute; `the command`
is `shoken deid` itself, one worker, that also keeps the account on the disk (with fsync), and writes manifest and report.

Peers: gdcmanon (Debian: libgdcm-tools), dicom-anonymizer (PyPI, put into a throwaway environment), and pydicom reading and
writing without doing anything. A peer that is not there is left out and the figures say why. It ends with every goal and
whether it was met.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import PYTHON, Cost, keep, run, spread, table
from deid_tools import DICOM_ANONYMIZER, FLOOR, GDCMANON, OURS, START, Tool, environment, floor, ours, tools_in

SERIES = Path(__file__).with_name("deid_series.py")
MEMORY = Path("/dev/shm")  # noqa: S108 - where a tmpfs is, when there is one
ELEMENTS, SCALED_TIMES = 258, 7  # so often that the start, which no second process halves, bounds the speed-up at 1.85 and not at 1.8
REST_S = 65.0
_SCAN = (
    "import sys; from pathlib import Path; from anonymizer.lean import start; start()\n"
    "from anonymizer.files import scan_identity; from anonymizer.key import ProjectKey\n"
    "key = ProjectKey(bytes(range(32)))\n"
    "sys.exit(any(not isinstance(scan_identity(path, key), tuple) for path in sorted(Path(sys.argv[1]).iterdir())))"
)
_TOUCH = "import mmap, sys; size = int(sys.argv[1]); room = mmap.mmap(-1, size)\nfor at in range(0, size, 4096): room[at] = 1"
Rounds = Sequence[Mapping[str, Cost]]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured with the output in one place: every round, and how much faster two processes were than one."""

    place: str
    rounds: Rounds
    ours_twice: Sequence[float]
    floor_twice: Sequence[float]


def main(slices: int, rounds: int) -> None:
    """Make the series, let the tools take turns in both places, print and keep the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, env = folder / "in", environment(folder)
        run([PYTHON, str(SERIES), str(source), str(slices)])  # elsewhere: a child's peak memory begins with its parent's
        tools, absent = tools_in(folder)
        os.sync()
        time.sleep(REST_S)
        measured = [measure("disk", folder, tools, source, rounds, env)]
        if has_room(slices):
            with tempfile.TemporaryDirectory(dir=MEMORY) as memory:
                measured.append(measure("memory", Path(memory), tools, source, rounds, env))
        scans = [seconds_a_scan(source, env) - seconds_a_scan(folder / "none", env) for _ in range(rounds)]
    report(slices, measured, scans, absent)


def has_room(slices: int) -> bool:
    """Whether there is a tmpfs that takes the output of the scaling runs, and as much again."""
    return MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2 * SCALED_TIMES * slices * 530_000


def measure(place: str, folder: Path, tools: Sequence[Tool], source: Path, rounds: int, env: Mapping[str, str]) -> Measured:
    """Every tool in every round, nobody always first, and one process beside two. The first round fills the caches."""
    turns = [[*tools[turn % len(tools) :], *tools[: turn % len(tools)]] for turn in range(rounds + 1)]
    costs = [one_round(turn, source, folder / f"round-{number}", env) for number, turn in enumerate(turns)][1:]
    twice = [[two_processes(command, source, folder, env) for command in (ours, floor)] for _ in range(rounds)]
    return Measured(place, costs, [pair[0] for pair in twice], [pair[1] for pair in twice])


def one_round(tools: Sequence[Tool], source: Path, folder: Path, env: Mapping[str, str]) -> dict[str, Cost]:
    """Every tool once, into a new folder. Raises SystemExit when one fails or leaves files out."""
    costs = {}
    for number, tool in enumerate(tools):
        out = folder / str(number)
        out.mkdir(parents=True)
        make_ready(source, 1)
        costs[tool.name] = run(tool.command(source, out), env=env)
        written = sum(1 for _ in out.rglob("*.dcm"))
        if costs[tool.name].code or written not in (0, len(list(source.iterdir()))):
            raise SystemExit(f"{tool.name} ended with {costs[tool.name].code} and {written} files")
        empty(out)
    return costs


def make_ready(source: Path, times: int) -> None:
    """Nothing waits to be written, and there is memory at hand for so many times the input."""
    os.sync()
    size = sum(path.stat().st_size for path in source.iterdir()) * times * 9 // 8
    if size < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"):
        run([PYTHON, "-S", "-c", _TOUCH, str(size)])


def empty(folder: Path) -> None:
    """Every file cut to nothing; the files themselves stay until the end."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)


def two_processes(command: Callable[..., Sequence[str]], source: Path, folder: Path, env: Mapping[str, str]) -> float:
    """How many times faster two workers are than one on six times the series, on the wall clock, their starts counted."""
    walls = []
    for parts in (1, 2):
        out = Path(tempfile.mkdtemp(dir=folder))
        make_ready(source, SCALED_TIMES)
        began = time.perf_counter()
        started = [command(source, out, part, parts, SCALED_TIMES) for part in range(parts)]
        workers = [subprocess.Popen(one, env={**os.environ, **env}) for one in started]
        if sum(worker.wait() for worker in workers):  # all are waited for
            raise SystemExit("a worker failed")
        walls.append(time.perf_counter() - began)
        empty(out)
    return walls[0] / walls[1]


def seconds_a_scan(source: Path, env: Mapping[str, str]) -> float:
    """Processor seconds of a whole process that reads every header of the series for its place."""
    cost = run([PYTHON, "-c", _SCAN, str(source)], env=env)
    if cost.code:
        raise SystemExit("the scan failed")
    return cost.cpu_s


def report(slices: int, measured: Sequence[Measured], scans: Sequence[float], absent: Mapping[str, str]) -> None:
    """Print the tables and the goals, and keep the figures."""
    places = {one.place: figures_of(one, slices) for one in measured}
    for one in measured:
        print_table(one, slices, places[one.place])
    headers = [slices / scan for scan in scans if scan > 0]  # on a noisy machine a start may cost more than start and scan
    load = [round(value, 2) for value in os.getloadavg()]
    told = f"{statistics.median(headers):.0f}" if headers else "not measured"
    print(f"\nheaders/s a core: {told}; left out: {absent or 'none'}; load {load[1]} in the last five minutes")
    judged = [row for place, figures in places.items() for row in goals(place, figures)]
    table("goals", ("goal", "measured", "lowest to highest", ""), judged)
    more = {"headers_per_cpu_second": spread(headers) if headers else None, "left_out": dict(absent), "load_average_at_the_end": load}
    keep("deid", {"input": f"{slices} simulated CT slices of {ELEMENTS} elements, 512 x 512, 16 bit", "output_on": places, **more})


def figures_of(one: Measured, slices: int) -> dict[str, Any]:
    """Everything that is kept of one place."""
    rounds = one.rounds
    return {
        "tools": {name: of_tool(name, rounds) for name in sorted(rounds[0], key=lambda name: (name != OURS, name))},
        "files_per_cpu_second": spread([slices / (costs[OURS].cpu_s - costs[START].cpu_s) for costs in rounds]),
        "files_per_cpu_second_with_start": spread([slices / costs[OURS].cpu_s for costs in rounds]),
        "files_per_cpu_second_of_copying_alone": spread([slices / costs[FLOOR].cpu_s for costs in rounds]),
        "two_processes_speed_up": spread(one.ours_twice),
        "two_processes_speed_up_of_copying_alone": spread(one.floor_twice),
    }


def of_tool(name: str, rounds: Rounds) -> dict[str, Any]:
    """One tool's figures: seconds, peak memory, and its cost as a multiple of ours in the same round."""
    return {
        "cpu_s": spread([costs[name].cpu_s for costs in rounds]),
        "wall_s": spread([costs[name].wall_s for costs in rounds]),
        "peak_mib": round(max(costs[name].peak_mib for costs in rounds), 1),
        "cpu_ratio_to_ours": spread([costs[name].cpu_s / costs[OURS].cpu_s for costs in rounds]),
        "wall_ratio_to_ours": spread([costs[name].wall_s / costs[OURS].wall_s for costs in rounds]),
    }


def print_table(one: Measured, slices: int, figures: Mapping[str, Any]) -> None:
    """One row a tool."""
    medians = ("cpu_s", "wall_s", "cpu_ratio_to_ours", "wall_ratio_to_ours")
    rows = [(name, *(tool[figure]["median"] for figure in medians), tool["peak_mib"]) for name, tool in figures["tools"].items()]
    header = ("tool", "CPU s", "wall s", "CPU, ours = 1", "wall, ours = 1", "peak MiB")
    table(f"{slices} CT slices of {ELEMENTS} elements, output on {one.place}, {len(one.rounds)} rounds", header, rows)
    files = [figures[f"files_per_cpu_second{what}"]["median"] for what in ("", "_with_start", "_of_copying_alone")]
    print("files/s a core: {:.0f} without the start, {:.0f} with it; copying alone {:.0f}".format(*files))


def goals(place: str, figures: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """Each goal with its median, its range and the verdict. Where copying alone is short of a goal, nothing that copies meets it."""
    tools = figures["tools"]
    rows: list[tuple[object, ...]] = []
    wanted = [
        ("1,000 files/s a core, without the start", 1000.0, figures["files_per_cpu_second"]),
        ("two processes 1.8 times one", 1.8, figures["two_processes_speed_up"]),
        *(
            (f"CPU of {name}, ours = 1: {at_least:g}", at_least, tools[name]["cpu_ratio_to_ours"])
            for name, at_least in PEERS
            if name in tools
        ),
    ]
    for name, at_least, found in wanted:
        rows.append(
            (f"{place}: {name}", found["median"], f"{found['min']:.2f} to {found['max']:.2f}", verdict(found["median"] >= at_least))
        )
    twice = figures["two_processes_speed_up_of_copying_alone"]
    rows.append((f"{place}: (two processes copying alone)", twice["median"], f"{twice['min']:.2f} to {twice['max']:.2f}", "floor"))
    peak = tools[OURS]["peak_mib"]
    return [*rows, (f"{place}: a worker within 64 MiB", peak, "", verdict(peak <= 64))]


PEERS = ((GDCMANON, 1.0), (DICOM_ANONYMIZER, 10.0))


def verdict(met: bool) -> str:
    """In a word."""
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500, int(sys.argv[2]) if len(sys.argv) > 2 else 5)
