"""Every defect class: the true volume to the voxel and affine, or a refusal with its code; never silently wrong."""

from __future__ import annotations

from pathlib import Path

import defects
import factory
import numpy as np
import pytest

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reading.md"


@pytest.mark.parametrize("name", defects.CASES)
def test_a_defect_is_corrected_to_the_truth_or_refused_by_name(name: str, tmp_path: Path) -> None:
    case = defects.CASES[name]
    paths = factory.save(case.make(defects.whole()), tmp_path)
    scan, read = factory.read_back(paths)
    said = {r.reason for r in (*scan.refusals, *read.refusals)} | {w.reason for w in read.warnings} - {"duplicates_dropped"}
    assert said == set(case.code.split())
    assert not factory.unaccounted(paths, scan, read)
    assert len(read.volumes) == (case.volumes if case.corrected else 0)
    volumes = sorted(read.volumes, key=lambda v: float(v.voxels.mean()))
    for volume, part, offset in zip(volumes, case.slices, case.offset_hu, strict=False):
        assert np.abs(volume.voxels - (defects.truth()[part] + offset)).max() <= case.tolerance_hu
        assert np.allclose(volume.grid.affine, defects.GRID.affine, atol=0.05 if name == "positions rounded" else 1e-5)


def test_at_least_forty_classes_and_the_document_says_what_is_done() -> None:
    assert len(defects.CASES) >= 40
    assert defects.table() in DOCUMENT.read_text(encoding="utf-8")
