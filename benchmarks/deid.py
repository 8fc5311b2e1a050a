"""De-identification file to file, beside other tools: `python benchmarks/deid.py [SLICES] [RUNS]`.

500 CT slices of 258 elements each (`deid_series.py` makes them). Every tool is a whole process from its start to its end, all
take turns in every round, and what counts is the ratio within a round. Peers: gdcmanon (Debian: libgdcm-tools), dicom-anonymizer
(PyPI, put into a throwaway environment), and pydicom reading and writing without doing anything. A peer that is not there
is left out and the figures say why.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import PYTHON, ROOT, Cost, keep, run, spread, table

OURS, START = "shoken", "shoken on an empty folder"
WORKER = Path(__file__).with_name("deid_worker.py")
SERIES = Path(__file__).with_name("deid_series.py")
ELEMENTS = 258
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
_COPY = (
    "import sys; from pathlib import Path; import pydicom\n"
    "for path in sorted(Path(sys.argv[1]).iterdir()): pydicom.dcmread(path).save_as(Path(sys.argv[2]) / path.name)"
)
_SCAN = (
    "import sys; from pathlib import Path; from anonymizer.lean import import_pydicom; import_pydicom()\n"
    "from anonymizer.files import scan_identity; from anonymizer.key import ProjectKey\n"
    "key = ProjectKey(bytes(range(32)))\n"
    "sys.exit(any(not isinstance(scan_identity(path, key), tuple) for path in sorted(Path(sys.argv[1]).iterdir())))"
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A command by where it reads and writes."""

    name: str
    command: Callable[[Path, Path], Sequence[str]]


def main(slices: int, runs: int) -> None:
    """Make the series, let the tools take turns, print and keep the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "in"
        run([PYTHON, str(SERIES), str(source), str(slices)])  # elsewhere: a child's peak memory begins with its parent's
        tools, absent = peers(folder)
        turns = [tools[turn % len(tools) :] + tools[: turn % len(tools)] for turn in range(runs + 1)]  # nobody is always first
        rounds = [one_round(turn, source, folder) for turn in turns][1:]  # the first fills the caches
        scaling = [two_processes(source, folder) for _ in range(runs)]
        scans = [seconds_a_scan(source) - seconds_a_scan(empty(folder)) for _ in range(runs)]
    report(slices, rounds, scaling, scans, absent)


def peers(folder: Path) -> tuple[list[Tool], dict[str, str]]:
    """Ours and every peer that is there; why the others are not."""
    tools = [
        Tool(OURS, lambda source, out: [PYTHON, str(WORKER), str(source), str(out), "0", "1"]),
        Tool("pydicom read+write", lambda source, out: [PYTHON, "-c", _COPY, str(source), str(out)]),
        Tool(START, lambda _, out: [PYTHON, str(WORKER), str(empty(folder)), str(out), "0", "1"]),
    ]
    absent = {}
    for name, find in (("gdcmanon", gdcmanon), ("dicom-anonymizer", dicom_anonymizer)):
        found = find(folder)
        if isinstance(found, Tool):
            tools.append(found)
        else:
            absent[name] = found
    return tools, absent


def empty(folder: Path) -> Path:
    """A folder without files."""
    (folder / "none").mkdir(exist_ok=True)
    return folder / "none"


def gdcmanon(folder: Path) -> Tool | str:
    """gdcmanon in its PS3.15 mode, which needs a certificate; made here and thrown away."""
    program, openssl = shutil.which("gdcmanon"), shutil.which("openssl")
    if program is None or openssl is None:
        return "not installed (Debian: libgdcm-tools, openssl)"
    certificate = folder / "certificate.pem"
    made = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "/dev/null",
        "-out",
        str(certificate),
        "-subj",
        "/CN=bench",
    ]
    if run(made).code:
        return "openssl made no certificate"
    fixed = [program, "-e", "-c", str(certificate), "--continue", "-r"]
    return Tool("gdcmanon", lambda source, out: [*fixed, "-i", str(source), "-o", str(out)])


def dicom_anonymizer(folder: Path) -> Tool | str:
    """dicom-anonymizer, from the PATH or from an environment of its own that is thrown away."""
    program = shutil.which("dicom-anonymizer")
    if program is None:
        place = folder / "environment"
        if run([PYTHON, "-m", "venv", str(place)]).code or run([str(place / "bin/pip"), "install", "-q", "dicom-anonymizer"]).code:
            return "not on the PATH, and pip could not install it"
        program = str(place / "bin" / "dicom-anonymizer")
    return Tool("dicom-anonymizer", lambda source, out: [program, str(source), str(out)])


def one_round(tools: Sequence[Tool], source: Path, folder: Path) -> dict[str, Cost]:
    """Every tool once, into a new folder. Raises SystemExit when one fails or leaves files out."""
    costs = {}
    for tool in tools:
        out = folder / "out"
        out.mkdir()
        costs[tool.name] = run(tool.command(source, out), env=ONE_THREAD)
        written = sum(1 for path in out.rglob("*") if path.is_file())
        if costs[tool.name].code or written not in (0, len(list(source.iterdir()))):
            raise SystemExit(f"{tool.name} ended with {costs[tool.name].code} and {written} files")
        shutil.rmtree(out)
    return costs


def two_processes(source: Path, folder: Path) -> float:
    """How many times faster two workers are than one on four times the series, on the wall clock."""
    walls = []
    for parts in (1, 2):
        out = folder / f"scaled{parts}"
        began = time.perf_counter()
        command = [PYTHON, str(WORKER), str(source), str(out)]
        workers = [subprocess.Popen([*command, str(part), str(parts), "4"], env={**os.environ, **ONE_THREAD}) for part in range(parts)]
        if sum(worker.wait() for worker in workers):
            raise SystemExit("a worker failed")
        walls.append(time.perf_counter() - began)
        shutil.rmtree(out)
    return walls[0] / walls[1]


def seconds_a_scan(source: Path) -> float:
    """Processor seconds of a whole process that reads every header of the series for its place."""
    cost = run([PYTHON, "-c", _SCAN, str(source)], env=ONE_THREAD)
    if cost.code:
        raise SystemExit("the scan failed")
    return cost.cpu_s


def report(
    slices: int, rounds: Sequence[dict[str, Cost]], scaling: Sequence[float], scans: Sequence[float], absent: dict[str, str]
) -> None:
    """Print the table and keep the figures."""
    names = sorted(rounds[0], key=lambda name: (name != OURS, name))
    figures = {name: of_tool(name, rounds) for name in names}
    medians = ("cpu_s", "wall_s", "cpu_ratio_to_ours", "wall_ratio_to_ours")
    rows = [(name, *(one[figure]["median"] for figure in medians), one["peak_mib"]) for name, one in figures.items()]
    header = ("tool", "CPU s", "wall s", "CPU, ours = 1", "wall, ours = 1", "peak MiB")
    table(f"{slices} CT slices of {ELEMENTS} elements, {len(rounds)} rounds", header, rows)
    rates = [slices / (one[OURS].cpu_s - one[START].cpu_s) for one in rounds]
    whole = [slices / one[OURS].cpu_s for one in rounds]
    headers = [slices / scan for scan in scans if scan > 0]  # on a noisy machine a start may cost more than start and scan
    print(f"files/s a core: {statistics.median(rates):.0f}, with the start {statistics.median(whole):.0f}")
    print(f"headers/s a core: {statistics.median(headers):.0f}")
    print(f"two processes: {statistics.median(scaling):.2f} times one; left out: {absent or 'none'}")
    more: dict[str, Any] = {
        "files_per_cpu_second": spread(rates),
        "files_per_cpu_second_with_start": spread(whole),
        "headers_per_cpu_second": spread(headers),
        "two_processes_speed_up": spread(scaling),
        "left_out": absent,
        "load_average_at_the_end": [round(value, 2) for value in os.getloadavg()],
    }
    keep("deid", {"input": f"{slices} simulated CT slices of {ELEMENTS} elements, 512 x 512, 16 bit", "tools": figures, **more})


def of_tool(name: str, rounds: Sequence[dict[str, Cost]]) -> dict[str, Any]:
    """One tool's figures: seconds, peak memory, and its cost as a multiple of ours in the same round."""
    return {
        "cpu_s": spread([one[name].cpu_s for one in rounds]),
        "wall_s": spread([one[name].wall_s for one in rounds]),
        "peak_mib": round(max(one[name].peak_mib for one in rounds), 1),
        "cpu_ratio_to_ours": spread([one[name].cpu_s / one[OURS].cpu_s for one in rounds]),
        "wall_ratio_to_ours": spread([one[name].wall_s / one[OURS].wall_s for one in rounds]),
    }


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500, int(sys.argv[2]) if len(sys.argv) > 2 else 5)
