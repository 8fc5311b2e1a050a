"""Seconds and sizes of a case's DICOM objects, over the 133 slices of LIDC-IDRI-0001: binary against label map.

The outlines are not a network's: the 23 mm nodule that four readers outlined, at its place and as a ball, and a tube of 28 mm through
every slice in the place of the aorta; what is timed is the encoding, not the finding. `python benchmarks/dicom_output.py`
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "cad" / "write"), str(ROOT / "tests" / "cad")]
IMAGES = ROOT.parent / "shared" / "data" / "LIDC-IDRI-0001_dicom"
NODULE_MM, NODULE_RADIUS_MM, TUBE_RADIUS_MM = (62.0, 66.0, -119.0), 11.5, 14.0


def main() -> None:
    """One line a form; CPU seconds, the second of two runs, so that loading libraries is not counted."""
    from dataclasses import replace

    from case_phantom import finding, report

    from cad.finding import Exhibit
    from cad.read.assemble import assemble
    from cad.read.headers import read_headers
    from cad.space import Box
    from cad.volume import Volume
    from cad.write.dicom import dicom_files
    from cad.write.dicom_receiver import Receiver

    if not IMAGES.is_dir():
        raise SystemExit("not measured: the images of LIDC-IDRI-0001 are not on this machine")
    scan = read_headers(sorted(IMAGES.glob("*.dcm")))
    volume = assemble(max((s for study in scan.studies for s in study.series), key=lambda s: len(s.instances))).volumes[0]
    grid = volume.grid.around(NODULE_MM, (40, 40, 40), 1.0)
    away = np.linalg.norm(grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1)) - NODULE_MM, axis=-1)
    mask, heat = Volume((away < NODULE_RADIUS_MM).astype(np.uint8), grid, "1"), np.exp(-((away / NODULE_RADIUS_MM) ** 2))
    x, y, _ = np.moveaxis(volume.grid.to_mm(np.moveaxis(np.indices(volume.grid.shape), 0, -1)), -1, 0)
    tube = Volume((np.hypot(x, y - 30) < TUBE_RADIUS_MM).astype(np.uint8), volume.grid, "1")
    exhibits = (
        Exhibit("lung_nodule_ct", 1, volume, mask, Volume(heat.astype(np.float32), grid, "1")),
        Exhibit("aorta_ct", 0, volume, tube),
    )
    slices = (volume.sources[int(np.rint(volume.grid.to_index(NODULE_MM)[0]))].sop_instance_uid,)
    one = finding(1, 0.9)
    shown = replace(
        one,
        candidate=replace(one.candidate, centre_mm=NODULE_MM, box_mm=Box.cube(NODULE_MM, 23.0)),
        evidence=replace(one.evidence, key_slices=slices),
    )
    case = replace(report(findings=1), findings=(shown,))
    for form in ("binary", "labelmap"):
        for _ in range(2):
            began = time.process_time()
            made = dicom_files(case, exhibits, {}, Receiver(segmentation=form))
            seconds = time.process_time() - began
        sizes = ", ".join(f"{name} {len(data) / 1e6:.3f} MB" for name, data in sorted(made.files.items()))
        print(f"{form}: {volume.grid.shape[0]} slices, {seconds:.2f} s CPU; {sizes}")


if __name__ == "__main__":
    main()
