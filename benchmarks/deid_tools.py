"""The tools that `deid.py` times: ours, its peers, and the floor, which is the same files copied and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import PYTHON, ROOT, SHOKEN, run

OURS, START, COMMAND, FLOOR = "shoken", "shoken on an empty folder", "the command shoken deid", "copying alone"
PYDICOM, GDCMANON, DICOM_ANONYMIZER = "pydicom read+write", "gdcmanon", "dicom-anonymizer"
WORKER = Path(__file__).with_name("deid_worker.py")
_COPY = (
    "import sys; from pathlib import Path; import pydicom\n"
    "for path in sorted(Path(sys.argv[1]).iterdir()): pydicom.dcmread(path).save_as(Path(sys.argv[2]) / path.name)"
)
# Into one buffer and out of it, under a draft's name first: nothing that copies a file through a program asks less of the system.
_FLOOR = (
    "import os, sys; source, out, part, parts, times = *sys.argv[1:3], *map(int, sys.argv[3:6])\n"
    "buffer = bytearray(1 << 24); view = memoryview(buffer)\n"
    "for turn in range(times):\n"
    "    folder = f'{out}/{turn}'; os.makedirs(folder, exist_ok=True)\n"
    "    for name in sorted(os.listdir(source))[part::parts]:\n"
    "        there = os.open(f'{source}/{name}', os.O_RDONLY); size = os.readv(there, [buffer]); os.close(there)\n"
    "        here = os.open(f'{folder}/.{name}', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)\n"
    "        os.write(here, view[:size]); os.close(here); os.replace(f'{folder}/.{name}', f'{folder}/{name}')\n"
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A command by where it reads and writes."""

    name: str
    command: Callable[[Path, Path], Sequence[str]]


def ours(source: Path, out: Path, part: int = 0, parts: int = 1, times: int = 1) -> Sequence[str]:
    """One worker of ours on every n-th file, so many times over."""
    return [PYTHON, str(WORKER), str(source), str(out), str(part), str(parts), str(times)]


def floor(source: Path, out: Path, part: int = 0, parts: int = 1, times: int = 1) -> Sequence[str]:
    """The same files copied."""
    return [PYTHON, "-S", "-c", _FLOOR, str(source), str(out), str(part), str(parts), str(times)]


def environment(folder: Path) -> dict[str, str]:
    """One thread, and Python as it is when a program is installed: compiled once (in the first round), not at every start."""
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {
        **threads,
        "XDG_CONFIG_HOME": str(folder / "settings"),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
    }


def tools_in(folder: Path) -> tuple[list[Tool], dict[str, str]]:
    """Ours, the floor and every peer that is there; why the others are not. `folder` takes what they need."""
    (folder / "none").mkdir(exist_ok=True)
    tools = [
        Tool(OURS, ours),
        Tool(PYDICOM, lambda source, out: [PYTHON, "-c", _COPY, str(source), str(out)]),
        Tool(START, lambda _, out: ours(folder / "none", out)),
        Tool(COMMAND, lambda source, out: [SHOKEN, "deid", str(source), str(out), "--workers", "1"]),
        Tool(FLOOR, floor),
    ]
    absent = {}
    for name, find in ((GDCMANON, gdcmanon), (DICOM_ANONYMIZER, dicom_anonymizer)):
        found = find(folder)
        if isinstance(found, Tool):
            tools.append(found)
        else:
            absent[name] = found
    return tools, absent


def gdcmanon(folder: Path) -> Tool | str:
    """gdcmanon in its PS3.15 mode, which needs a certificate; made here and thrown away."""
    program, openssl = shutil.which("gdcmanon"), shutil.which("openssl")
    if program is None or openssl is None:
        return "not installed (Debian: libgdcm-tools, openssl)"
    certificate = folder / "certificate.pem"
    nobody = ["-nodes", "-keyout", "/dev/null", "-out", str(certificate), "-subj", "/CN=bench"]
    if run([openssl, "req", "-x509", "-newkey", "rsa:2048", *nobody]).code:
        return "openssl made no certificate"
    fixed = [program, "-e", "-c", str(certificate), "--continue", "-r"]
    return Tool(GDCMANON, lambda source, out: [*fixed, "-i", str(source), "-o", str(out)])


def dicom_anonymizer(folder: Path) -> Tool | str:
    """dicom-anonymizer, from the PATH or from an environment of its own that is thrown away."""
    program = shutil.which("dicom-anonymizer")
    if program is None:
        place = folder / "environment"
        if run([PYTHON, "-m", "venv", str(place)]).code or run([str(place / "bin/pip"), "install", "-q", "dicom-anonymizer"]).code:
            return "not on the PATH, and pip could not install it"
        program = str(place / "bin" / "dicom-anonymizer")
    return Tool(DICOM_ANONYMIZER, lambda source, out: [program, str(source), str(out)])
