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
Point = tuple[float, float, float]
LIDC, DX = DATA / "LIDC-IDRI-0001_dicom", DATA / "Lung_Dx-A0002_B40f"


@dataclass(frozen=True)
class Truth:
    """Where the true lesion lies: balls (centre, radius) or boxes (low, high corner) in LPS mm; a mark in any of them hits."""

    balls: tuple[tuple[Point, float], ...] = ()
    boxes: tuple[tuple[Point, Point], ...] = ()

    def hit(self, point: Point) -> bool:
        """Whether a mark lies on the lesion."""
        in_ball = any(np.linalg.norm(np.subtract(point, centre)) <= radius for centre, radius in self.balls)
        return in_ball or any(all(lo <= p <= hi for lo, p, hi in zip(low, point, high, strict=True)) for low, high in self.boxes)


def main() -> None:
    """Screen both, print one row each."""
    if not DATA.is_dir():
        raise SystemExit("the real images (../shared/data) are not on this machine")
    found = [screened(folder, truth) for folder, truth in ((LIDC, lidc_truth()), (DX, dx_truth()))]
    header = ("scan", "true lesion's rank", "confidence", "highest false", "false positives shown", "aorta max mm", "seconds", "peak MiB")
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
    hits = [n for n, finding in enumerate(lung) if truth.hit(tuple(finding["centre_mm"]))]
    aorta = next((m["value"] for m in document["measurements"] if m["name"] == "aorta_max"), None)
    return {
        "scan": folder.name,
        "rank": hits[0] + 1 if hits else "missed",
        "confidence": round(lung[hits[0]]["confidence"], 3) if hits else "-",
        "highest_false_confidence": max((round(f["confidence"], 3) for n, f in enumerate(lung) if n not in hits), default="-"),
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
    return Truth(balls=(((float(row["coordX"]), float(row["coordY"]), float(row["coordZ"])), float(row["diameter_mm"]) / 2),))


def dx_truth() -> Truth:
    """The tumour's box on every annotated slice (one XML a slice, named by SOP Instance UID), as thick as the slice."""
    slices = {str(d.SOPInstanceUID): d for d in (pydicom.dcmread(p, stop_before_pixels=True) for p in sorted(DX.iterdir()))}
    boxes = []
    for path in (DATA / "Lung_Dx-A0002_annotation").glob("*.xml"):
        header = slices.get(path.stem)
        box = ET.parse(path).find("object/bndbox")  # noqa: S314 - a data set on disk, not input
        if header is None or box is None:
            continue
        x0, y0, x1, y1 = (float(box.findtext(name, "nan")) for name in ("xmin", "ymin", "xmax", "ymax"))
        (row_mm, column_mm), (left, top, z) = map(float, header.PixelSpacing), map(float, header.ImagePositionPatient)
        half = float(header.SliceThickness) / 2
        boxes.append(((left + x0 * column_mm, top + y0 * row_mm, z - half), (left + x1 * column_mm, top + y1 * row_mm, z + half)))
    if not boxes:
        raise SystemExit("no annotation belongs to a slice of this series")
    return Truth(boxes=tuple(boxes))


if __name__ == "__main__":
    main()
