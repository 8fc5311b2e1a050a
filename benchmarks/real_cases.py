"""What screening finds on the two real chest CTs beside the checkout, against their independent truth.

`python benchmarks/real_cases.py`: rank and confidence of the true lesion, false positives shown, seconds, peak memory.
n is two scans: this shows whether the path holds on real input, not how good the models are.
"""

from __future__ import annotations

import csv
import json
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from common import ROOT, SHOKEN, keep, run, table

DATA = ROOT.parent / "shared" / "data"
LIDC, DX = DATA / "LIDC-IDRI-0001_dicom", DATA / "Lung_Dx-A0002_B40f"


@dataclass(frozen=True)
class Truth:
    """The true lesion: its centre in LPS mm, and how far from it a mark still hits (its radius)."""

    centre_mm: tuple[float, float, float]
    radius_mm: float


def main() -> None:
    """Screen both, print one row each."""
    if not DATA.is_dir():
        raise SystemExit("the real images (../shared/data) are not on this machine")
    found = [screened(folder, truth) for folder, truth in ((LIDC, lidc_truth()), (DX, dx_truth()))]
    header = ("scan", "true lesion's rank", "confidence", "mm from truth", "false positives shown", "aorta max mm", "seconds", "peak MiB")
    table("real chest CTs", header, [tuple(row.values()) for row in found])
    keep("real_cases", {"scans": found})


def screened(folder: Path, truth: Truth) -> dict[str, object]:
    """One scan through `shoken screen`, its lung findings held against the truth."""
    with tempfile.TemporaryDirectory() as out:
        cost = run([SHOKEN, "screen", str(folder), f"{out}/out"])
        if cost.code not in (0, 1):
            raise SystemExit(f"shoken screen ended with {cost.code}")
        (case,) = Path(out).glob("out/cases/*/case.json")
        document = json.loads(case.read_text(encoding="utf-8"))
    lung = [finding for finding in document["findings"] if finding["task"] == "lung_nodule_ct"]
    away = [float(np.linalg.norm(np.subtract(finding["centre_mm"], truth.centre_mm))) for finding in lung]
    hits = [n for n, distance in enumerate(away) if distance <= truth.radius_mm]
    aorta = next((m["value"] for m in document["measurements"] if m["name"] == "aorta_max"), None)
    return {
        "scan": folder.name,
        "rank": hits[0] + 1 if hits else "missed",
        "confidence": round(lung[hits[0]]["confidence"], 3) if hits else "-",
        "mm_from_truth": round(away[hits[0]], 1) if hits else "-",
        "false_positives": len(lung) - len(hits),
        "aorta_max_mm": round(aorta, 1) if aorta is not None else "-",
        "seconds": round(cost.wall_s, 1),
        "peak_mib": round(cost.peak_mib),
    }


def lidc_truth() -> Truth:
    """The nodule four readers marked, as the LUNA16 list has it (LPS mm)."""
    series = str(pydicom.dcmread(LIDC / "000010.dcm", stop_before_pixels=True).SeriesInstanceUID)
    with (DATA / "lidc_truth" / "annotations" / "annotations.csv").open() as stream:
        (row,) = (row for row in csv.DictReader(stream) if row["seriesuid"] == series)
    return Truth((float(row["coordX"]), float(row["coordY"]), float(row["coordZ"])), float(row["diameter_mm"]) / 2)


def dx_truth() -> Truth:
    """The middle of the tumour's boxes (one XML a slice, named by SOP Instance UID); half the largest box's shorter side."""
    slices = {str(d.SOPInstanceUID): d for d in (pydicom.dcmread(p, stop_before_pixels=True) for p in sorted(DX.iterdir()))}
    corners = []
    for path in (DATA / "Lung_Dx-A0002_annotation").glob("*.xml"):
        header = slices.get(path.stem)
        box = ET.parse(path).find("object/bndbox")  # noqa: S314 - a data set on disk, not input
        if header is None or box is None:
            continue
        x0, y0, x1, y1 = (float(box.findtext(name, "nan")) for name in ("xmin", "ymin", "xmax", "ymax"))
        (row_mm, column_mm), (left, top, z) = map(float, header.PixelSpacing), map(float, header.ImagePositionPatient)
        corners.append(((left + (x0 + x1) / 2 * column_mm, top + (y0 + y1) / 2 * row_mm, z), min(x1 - x0, y1 - y0) * row_mm / 2))
    if not corners:
        raise SystemExit("no annotation belongs to a slice of this series")
    x, y, z = np.mean([centre for centre, _ in corners], axis=0)
    return Truth((float(x), float(y), float(z)), max(radius for _, radius in corners))


if __name__ == "__main__":
    main()
