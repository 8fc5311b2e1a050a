"""Reading a series of 300 x 512 x 512 int16 in four syntaxes beside other readers, and scanning 10,000 and 30,000 headers.

    python benchmarks/reading.py [FOLDER] [ROUNDS] [--headers-only]

FOLDER keeps the made series (raw, rle, jpegls, j2k) for another run. Every reader runs in a process of its own. Seconds
are counted from after its imports until it has the volume; processor seconds include its children; memory is the peak of
the process until then. What it read is compared with the truth. The fast readers take turns in every round, the two slow
ones run in the first. dcm2niix has no interface but its command: its start and the NIfTI that it writes are counted,
reading that back is not. `floor` is no reader: it takes the pixel bytes of the raw files, whose place it knows, into one
array, and shows what no reader in Python can go below.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from common import PYTHON, ROOT, keep, spread, table

SYNTAXES = {"raw": "", "rle": "1.2.840.10008.1.2.5", "jpegls": "1.2.840.10008.1.2.4.80", "j2k": "1.2.840.10008.1.2.4.90"}
SHAPE = (300, 512, 512)
COUNTS = (10_000, 30_000)
HEAD = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
folder = sys.argv[1]
files = sorted(Path(folder).glob("*.dcm"))
def peak():  # MiB; ru_maxrss would count what the process that started this one held
    try: return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    except OSError: return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
"""
TAIL = """
children = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu += children.ru_utime + children.ru_stime - cpu0
truth = np.load(Path(folder).parent / "truth.npy", mmap_mode="r")
found = np.asarray(voxels)
right = sorted(found.shape) == sorted(truth.shape) and any(
    np.array_equal(np.transpose(found, axes)[::step][[7, 150, 299]], truth[[7, 150, 299]])
    for axes in ((0, 1, 2), (2, 1, 0)) for step in (1, -1))
sizes = {"mib": mib, "children_mib": children.ru_maxrss / 1024}
print(json.dumps({"seconds": seconds, "cpu": cpu, "right": bool(right), **sizes}))
"""
START = """
u = resource.getrusage(resource.RUSAGE_SELF); cpu0 = u.ru_utime + u.ru_stime
began = time.perf_counter()
"""
STOP = """
seconds, mib, u = time.perf_counter() - began, peak(), resource.getrusage(resource.RUSAGE_SELF)
cpu = u.ru_utime + u.ru_stime
"""
READERS = {
    "shoken": (
        "from cad.read.headers import read_headers\nfrom cad.read.assemble import assemble\nfrom cad.read.workers import WORKERS\n",
        "(study,) = read_headers(files).studies\nvoxels = assemble(study.series[0]).volumes[0].voxels\n",
        "WORKERS.close()\n",
    ),
    "pydicom": (
        "from pydicom import dcmread\n",
        "heads = sorted((dcmread(f, stop_before_pixels=True) for f in files), key=lambda d: float(d.ImagePositionPatient[2]))\n"
        "voxels = np.empty((len(heads), heads[0].Rows, heads[0].Columns), np.int16)\n"
        "for k, h in enumerate(heads):\n"
        "    d = dcmread(h.filename)\n"
        "    np.add(d.pixel_array, np.int32(d.RescaleIntercept), out=voxels[k], casting='unsafe')\n",
        "",
    ),
    "SimpleITK": (
        "import SimpleITK as sitk\n",
        "reader = sitk.ImageSeriesReader()\nreader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))\n"
        "voxels = sitk.GetArrayFromImage(reader.Execute())\n",
        "",
    ),
    "MONAI": (
        "from monai.transforms import LoadImage\n",
        "voxels = LoadImage(reader='PydicomReader', image_only=True)(folder)\n",
        "voxels = voxels.numpy().astype(np.int16)\n",
    ),
    "floor": (
        "",
        "voxels = np.empty((300, 512, 512), np.int16)\n"
        "for k, f in enumerate(files):\n"
        "    with open(f, 'rb', buffering=0) as file:\n"
        "        file.seek(-voxels[k].nbytes, 2)\n"
        "        file.readinto(voxels[k].reshape(-1).view(np.uint8))\n",
        "voxels -= 1024\n",
    ),
    "dcm2niix": (
        "import nibabel, subprocess, tempfile\nout = tempfile.TemporaryDirectory()\n",
        "subprocess.run(['dcm2niix', '-z', 'n', '-b', 'n', '-f', 'v', '-o', out.name, folder], capture_output=True, check=False)\n",
        "made = list(Path(out.name).glob('*.nii'))\n"
        "voxels = np.flip(np.asanyarray(nibabel.load(made[0]).dataobj), 1) if made else np.zeros(0)\n",
    ),
}


SLOW = ("SimpleITK", "MONAI")
GOAL_SECONDS, GOAL_MIB, GOAL_SCALING, GOAL_RISE = 0.6, 230.0, 0.9, 3.3
Figures = dict[str, dict[str, Any]]


def main(folder: Path, rounds: int) -> None:
    """Make the series, time every reader on every syntax, scan headers, print and keep the figures and what became of the goals."""
    make(folder)
    figures, shares, scans = series(folder, rounds), scaling(folder, rounds), headers(folder, rounds)
    told = goals(figures, shares, scans)
    keep("reading", {"series": figures, "j2k_by_workers": shares, "header_scan": scans, "goals": told, "rounds": rounds})


def goals(figures: Figures, shares: Figures, scans: Figures) -> dict[str, str]:
    """Each goal with the figure and "met" or "missed"."""
    ours = figures["shoken raw"]
    told = {
        f"raw in at most {GOAL_SECONDS} s": _judged(f"{ours['seconds']['median']:.2f} s", ours["seconds"]["median"] <= GOAL_SECONDS),
        f"raw within {GOAL_MIB:.0f} MiB": _judged(f"{ours['mib']['max']:.0f} MiB", ours["mib"]["max"] <= GOAL_MIB),
    }
    for syntax in SYNTAXES:
        peers = {name.split()[0]: one for name, one in figures.items() if name.endswith(f" {syntax}") and one["right"]}
        mine = peers.pop("shoken", None)
        peers.pop("floor", None)
        fastest = min(peers, key=lambda name: peers[name]["seconds"]["median"], default="")
        if mine is None or not fastest:
            told[f"{syntax} as fast as the fastest correct peer"] = "not measured"
            continue
        ratio = mine["seconds"]["median"] / peers[fastest]["seconds"]["median"]
        told[f"{syntax} as fast as the fastest correct peer"] = _judged(f"{ratio:.2f} times the seconds of {fastest}", ratio <= 1)
    share = shares["share of linear"]["median"]
    told["JPEG 2000 within 10 % of linear scaling"] = _judged(f"{share:.0%} with two workers", share >= GOAL_SCALING)
    rise = scans[str(COUNTS[1])]["cpu"]["median"] / scans[str(COUNTS[0])]["cpu"]["median"]
    told["header scan linear"] = _judged(f"{rise:.2f} times the processor seconds for 3 times the files", rise <= GOAL_RISE)
    print()
    for goal, outcome in told.items():
        print(f"{goal}: {outcome}")
    return told


def _judged(figure: str, met: bool) -> str:
    return f"{'met' if met else 'missed'} ({figure})"


def series(folder: Path, rounds: int) -> Figures:
    """Every reader on every syntax, in turns."""
    got: dict[tuple[str, str], list[dict[str, float]]] = {}
    for turn in range(rounds):
        for syntax in SYNTAXES:
            for reader in READERS:
                if (reader in SLOW and turn) or (reader == "floor" and syntax != "raw"):
                    continue
                if one := read(reader, folder / syntax):
                    got.setdefault((syntax, reader), []).append(one)
    figures: Figures = {}
    rows = []
    for (syntax, reader), runs in sorted(got.items(), key=lambda item: list(SYNTAXES).index(item[0][0])):
        timed: dict[str, Any] = {key: spread([run[key] for run in runs]) for key in ("seconds", "cpu", "mib", "children_mib")}
        figures[f"{reader} {syntax}"] = timed | {"right": all(run["right"] for run in runs)}
        sizes = (round(timed[key]["max"]) for key in ("mib", "children_mib"))
        rows.append(
            (syntax, reader, *_three(timed["seconds"]), timed["cpu"]["median"], *sizes, figures[f"{reader} {syntax}"]["right"], len(runs))
        )
    header = ("syntax", "reader", "s min", "median", "max", "cpu s", "MiB", "MiB child", "right", "n")
    table("300 x 512 x 512 int16", header, rows)
    return figures


def _three(one: dict[str, float]) -> tuple[float, float, float]:
    return one["min"], one["median"], one["max"]


def headers(folder: Path, rounds: int) -> Figures:
    """Scans of 10,000 and 30,000 files, in turns, and what 100,000 would take if the line through both goes on."""
    got: dict[int, list[dict[str, float]]] = {n: [] for n in COUNTS}
    for _ in range(rounds):
        for count in COUNTS:
            got[count].append(scan(folder, count))
    found = {str(n): {key: spread([one[key] for one in got[n]]) for key in ("seconds", "cpu", "mib")} for n in COUNTS}
    few, many = (found[str(n)] for n in COUNTS)
    rise = (100_000 - COUNTS[1]) / (COUNTS[1] - COUNTS[0])
    line = {key: round(many[key]["median"] + rise * (many[key]["median"] - few[key]["median"]), 1) for key in many}
    rows: list[tuple[object, ...]] = [(n, *_three(one["seconds"]), *_three(one["cpu"]), one["mib"]["max"]) for n, one in found.items()]
    rows.append(("100000, drawn on", "", line["seconds"], "", "", line["cpu"], "", line["mib"]))
    table(f"headers, {rounds} rounds", ("files", "s min", "median", "max", "cpu s min", "median", "max", "MiB"), rows)
    return found | {"100000 estimated": {"line": line}}


def make(folder: Path, *, packed: bool = True) -> None:
    """The series once in each syntax, with the truth beside them; only the raw one where not `packed`."""
    if (folder / "truth.npy").exists() or (not packed and (folder / "raw").exists()):
        return
    sys.path[:0] = [str(ROOT / "tests" / "cad"), str(ROOT)]
    import factory
    from scipy import ndimage

    rng = np.random.default_rng(0)
    base = ndimage.gaussian_filter(rng.normal(0, 1, SHAPE[1:]), 6) * 3000
    truth = np.empty(SHAPE, np.int16)

    def scene(where: object) -> np.ndarray:
        k = round(where.origin_mm[2] + 149.5)  # type: ignore[attr-defined]
        truth[k] = np.rint(np.clip(np.roll(base, 2 * k, 0) - 200, -1000, 1500) + rng.normal(0, 12, SHAPE[1:]))
        plane: np.ndarray = truth[k][None]
        return plane

    datasets = factory.build(scene, factory.Layout(factory.small_grid(SHAPE, (1.0, 0.7, 0.7))))
    factory.save(datasets, folder / "raw")
    for name, syntax in SYNTAXES.items():
        if syntax and packed:
            (folder / name).mkdir(exist_ok=True)
            for k, dataset in enumerate(datasets):
                coded = deepcopy(dataset)
                coded.compress(syntax, generate_instance_uid=False)
                coded.save_as(folder / name / f"{k:03d}.dcm", enforce_file_format=True)
    if packed:
        np.save(folder / "truth.npy", truth)


def read(reader: str, folder: Path, threads: int | None = None) -> dict[str, float] | None:
    """One reader on one series in a fresh process; None when it fails."""
    imports, work, after = READERS[reader]
    program = HEAD + imports + START + work + STOP + after + TAIL
    env = {**os.environ, "PYTHONPATH": str(ROOT)} | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    done = subprocess.run([PYTHON, "-c", program, str(folder)], capture_output=True, text=True, env=env, check=False)
    found: dict[str, float] | None = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
    return found


def scaling(folder: Path, rounds: int) -> Figures:
    """JPEG 2000 with one worker and with two, in turns: seconds, and the share of the doubling that is reached."""
    pairs = [[read("shoken", folder / "j2k", n) for n in (1, 2)] for _ in range(rounds)]
    whole = [(one["seconds"], two["seconds"]) for one, two in pairs if one and two]
    found: Figures = {str(n): {"seconds": spread([pair[n - 1] for pair in whole])} for n in (1, 2)}
    found["share of linear"] = spread([one / (2 * two) for one, two in whole])
    table("JPEG 2000 by workers", ("workers", "s min", "median", "max"), [(n, *_three(found[n]["seconds"])) for n in ("1", "2")])
    return found


def scan(folder: Path, count: int) -> dict[str, float]:
    """Seconds to sort `count` files into series (links to the raw series)."""
    files = sorted((folder / "raw").glob("*.dcm"))
    with tempfile.TemporaryDirectory(dir=folder) as links:
        for k in range(count):
            os.link(files[k % len(files)], Path(links, f"{k:06d}.dcm"))
        work = "found = read_headers(files)\n"
        program = HEAD + "from cad.read.headers import read_headers\n" + START + work + STOP
        program += "print(json.dumps({'seconds': seconds, 'cpu': cpu - cpu0, 'mib': mib}))\n"
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([PYTHON, "-c", program, links], capture_output=True, text=True, env=env, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path, nargs="?", help="where the made series stay (else: a temporary folder)")
    asked.add_argument("rounds", type=int, nargs="?", default=3)
    asked.add_argument("--headers-only", action="store_true", help="only scan headers; nothing is kept, a minute is enough")
    given = asked.parse_args()
    kept = given.folder or Path(tempfile.mkdtemp(prefix="shoken-reading-"))
    if given.headers_only:
        make(kept, packed=False)
        headers(kept, given.rounds)
    else:
        main(kept, given.rounds)
