"""Reading a series of 300 x 512 x 512 int16 in four syntaxes beside other readers, and scanning 10,000 and 30,000 headers.

    python benchmarks/reading.py [FOLDER] [RUNS] [--headers-only]

FOLDER keeps the made series (raw, rle, jpegls, j2k) for another run. Every reader runs in a process of its own; seconds
are counted after its imports, processor seconds include its children, and what it read is compared with the truth.
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
def rusage(who): return resource.getrusage(who)
own, children = rusage(resource.RUSAGE_SELF), rusage(resource.RUSAGE_CHILDREN)
cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime - cpu0
truth = np.load(Path(folder).parent / "truth.npy", mmap_mode="r")
found = np.asarray(voxels)
right = sorted(found.shape) == sorted(truth.shape) and any(
    np.array_equal(np.transpose(found, axes)[::step][[7, 150, 299]], truth[[7, 150, 299]])
    for axes in ((0, 1, 2), (2, 1, 0)) for step in (1, -1))
sizes = {"mib": peak(), "children_mib": children.ru_maxrss / 1024}
print(json.dumps({"seconds": seconds, "cpu": cpu, "right": bool(right), **sizes}))
"""
START = """
u = resource.getrusage(resource.RUSAGE_SELF); cpu0 = u.ru_utime + u.ru_stime
began = time.perf_counter()
"""
STOP = "seconds = time.perf_counter() - began\n"
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
    "dcm2niix": (
        "import nibabel, subprocess, tempfile\nout = tempfile.TemporaryDirectory()\n",
        "subprocess.run(['dcm2niix', '-z', 'n', '-b', 'n', '-f', 'v', '-o', out.name, folder], capture_output=True, check=False)\n",
        "made = list(Path(out.name).glob('*.nii'))\n"
        "voxels = np.flip(np.asanyarray(nibabel.load(made[0]).dataobj), 1) if made else np.zeros(0)\n",
    ),
}


def main(folder: Path, runs: int) -> None:
    """Make the series, time every reader on every syntax, scan headers, print and keep the figures."""
    make(folder)
    figures = series(folder, runs)
    shares = scaling(folder)
    keep("reading", {"series": figures, "j2k_seconds_by_workers": shares, "header_scan": headers(folder, runs), "runs": runs})


def series(folder: Path, runs: int) -> dict[str, object]:
    """Every reader on every syntax."""
    figures: dict[str, object] = {}
    rows = []
    for syntax in SYNTAXES:
        for reader in READERS:
            got = [one for one in (read(reader, folder / syntax) for _ in range(runs)) if one]
            if got:
                figures[f"{reader} {syntax}"] = {k: spread([g[k] for g in got]) for k in ("seconds", "cpu", "mib", "children_mib")} | {
                    "right": all(g["right"] for g in got)
                }
                best = min(got, key=lambda g: g["seconds"])
                rows.append((syntax, reader, best["seconds"], best["cpu"], round(best["mib"]), round(best["children_mib"]), best["right"]))
    table("300 x 512 x 512 int16, best of runs", ("syntax", "reader", "s", "cpu s", "MiB", "MiB child", "right"), rows)
    return figures


def headers(folder: Path, runs: int) -> dict[str, dict[str, dict[str, float]]]:
    """Scans of 10,000 and 30,000 files, in turns, and what 100,000 would take if the line through both goes on."""
    got: dict[int, list[dict[str, float]]] = {n: [] for n in COUNTS}
    for _ in range(runs):
        for count in COUNTS:
            got[count].append(scan(folder, count))
    found = {str(n): {key: spread([one[key] for one in got[n]]) for key in ("seconds", "cpu", "mib")} for n in COUNTS}
    few, many = (found[str(n)] for n in COUNTS)
    rise = (100_000 - COUNTS[1]) / (COUNTS[1] - COUNTS[0])
    line = {key: round(many[key]["median"] + rise * (many[key]["median"] - few[key]["median"]), 1) for key in many}
    rows = [(n, one["seconds"]["median"], one["cpu"]["median"], one["mib"]["median"]) for n, one in found.items()]
    rows.append(("100000, drawn on", line["seconds"], line["cpu"], line["mib"]))
    table("headers, median of runs", ("files", "s", "cpu s", "MiB"), rows)
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


def scaling(folder: Path) -> dict[str, dict[str, float] | None]:
    """JPEG 2000 with one worker and with two."""
    by_count = {str(n): read("shoken", folder / "j2k", n) for n in (1, 2)}
    table("JPEG 2000 by workers", ("workers", "s", "cpu s"), [(n, one["seconds"], one["cpu"]) for n, one in by_count.items() if one])
    return by_count


def scan(folder: Path, count: int) -> dict[str, float]:
    """Seconds to sort `count` files into series (links to the raw series)."""
    files = sorted((folder / "raw").glob("*.dcm"))
    with tempfile.TemporaryDirectory(dir=folder) as links:
        for k in range(count):
            os.link(files[k % len(files)], Path(links, f"{k:06d}.dcm"))
        work = "found = read_headers(files)\n"
        program = HEAD + "from cad.read.headers import read_headers\n" + START + work + STOP
        program += "u = resource.getrusage(resource.RUSAGE_SELF)\n"
        program += "print(json.dumps({'seconds': seconds, 'cpu': u.ru_utime + u.ru_stime - cpu0, 'mib': peak()}))\n"
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([PYTHON, "-c", program, links], capture_output=True, text=True, env=env, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path, nargs="?", help="where the made series stay (else: a temporary folder)")
    asked.add_argument("runs", type=int, nargs="?", default=3)
    asked.add_argument("--headers-only", action="store_true", help="only scan headers; nothing is kept, a minute is enough")
    given = asked.parse_args()
    kept = given.folder or Path(tempfile.mkdtemp(prefix="shoken-reading-"))
    if given.headers_only:
        make(kept, packed=False)
        headers(kept, given.runs)
    else:
        main(kept, given.runs)
