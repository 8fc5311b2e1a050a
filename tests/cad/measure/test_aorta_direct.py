"""Diameters read off cross-sections, beside the outline and never averaged with it. A stand-in reads the bright area for the network."""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from cad.measure.aorta import METHOD, METHOD_DIRECT, METHOD_LUMEN, SECOND, Direct, DirectError, OutlineError, measure_aorta
from cad.measure.aorta.direct import MIDDLE_MM, PIXEL_MM, PIXELS, SCALE_MM, cut_sections
from cad.volume import Volume

sys.path.insert(0, str(Path(__file__).parent))
from bodies import box_grid, candy_cane, drawn, tube

COURSE = candy_cane()
OUTER = np.linspace(17, 12, len(COURSE))
ERROR = OutlineError(0.0, 0.0, 5.5, front=(0.0, 3.0), back=(0.0, 3.0), largest=(0.0, 3.0), lumen_half_mm=1.5)
SD_MM = 0.4


def by_area(sections):
    """What is at least half as bright as the brightest and connected to the middle, as the network would say it."""
    out = np.zeros((len(sections), 2), dtype=np.float32)
    for row, section in zip(out, sections, strict=True):
        labels, _ = ndimage.label(section[1] > 0.5 * section[1].max())
        own = labels[PIXELS // 2 - 2 : PIXELS // 2 + 2, PIXELS // 2 - 2 : PIXELS // 2 + 2].max()
        area = (labels == own).sum() * PIXEL_MM**2
        row[:] = (2 * np.sqrt(area / np.pi) - MIDDLE_MM) / SCALE_MM, 2 * np.log(SD_MM / SCALE_MM)
    return out


def reader(halves=2.0, largest=0.0, network=by_area):
    return Direct(network, -200.0, 400.0, DirectError(halves, largest))


@cache
def share(more_mm=0.0):
    return drawn(box_grid(COURSE, 20, (2.0, 1.2, 1.2), np.random.default_rng(4)), tube(COURSE, OUTER + more_mm), 2)


def plain():
    """Blood and wall alike, in fat: nothing is enhanced."""
    return share().like((-190 + 235 * share().voxels).astype(np.float32), unit="HU")


def found(soft, **options):
    return {m.name: m for m in measure_aorta(soft, diaphragm_z_mm=-120.0, error=ERROR, **options).measurements}


def true_at(m):
    return 2 * float(OUTER[np.linalg.norm(COURSE - m.position_mm, axis=1).argmin()])


@pytest.mark.parametrize("name", ["aorta_mid_ascending", "aorta_mid_arch", "aorta_mid_descending"])
def test_on_plain_ct_the_sharper_reading_is_said_beside_the_outline(name):
    m = found(share(1.0), image=plain(), direct=reader())[name]
    assert (m.method, m.label) == (METHOD_DIRECT, "estimates_agree")
    assert m.value == pytest.approx(true_at(m), abs=0.6)
    (_, outline_mm), *_ = m.others
    half = 2.0 * SD_MM
    assert m.interval == pytest.approx((min(m.value - half, outline_mm), max(m.value + half, outline_mm)), rel=0.02)
    ((source, outline),) = m.others
    assert source == "outline"
    assert outline == pytest.approx(true_at(m) + 2, abs=0.4)


def test_a_reading_that_is_less_sure_than_the_outline_is_only_shown():
    m = found(share(1.0), image=plain(), direct=reader(halves=20.0))["aorta_mid_descending"]
    assert m.method == METHOD
    assert dict(m.others)["direct"] == pytest.approx(true_at(m), abs=0.6)


def test_an_outline_that_leaks_is_doubted_not_averaged():
    """The outline is 7 mm too wide, the picture is not: the larger stands, the interval holds both, and the label says so."""
    by_name = found(share(3.5), image=plain(), direct=reader())
    m = by_name["aorta_mid_descending"]
    assert (m.method, m.label) == (METHOD, "estimates_disagree")
    assert m.value == pytest.approx(true_at(m) + 7, abs=0.5)
    assert m.interval[0] <= true_at(m)
    assert dict(m.others)["direct"] == pytest.approx(true_at(m), abs=0.6)
    assert (by_name[SECOND].method, by_name[SECOND].label) == (METHOD_DIRECT, "estimates_disagree")


def test_an_outline_that_misses_a_part_is_doubted_and_the_reading_stands():
    m = found(share(-3.0), image=plain(), direct=reader())["aorta_mid_ascending"]
    assert (m.method, m.label) == (METHOD_DIRECT, "estimates_disagree")
    assert m.value == pytest.approx(true_at(m), abs=0.6)
    assert m.interval[0] <= dict(m.others)["outline"] + 3


def test_enhanced_blood_is_said_and_the_reading_stands_beside_it():
    hu = -90 + 135 * share().voxels + 255 * share(-1.6).voxels
    m = found(share(), image=share().like(hu.astype(np.float32), unit="HU"), direct=reader())["aorta_mid_descending"]
    assert (m.method, m.label) == (METHOD_LUMEN, "estimates_agree")
    assert {source for source, _ in m.others} == {"outline", "direct"}


def test_what_the_largest_of_many_readings_is_too_large_by_is_taken_off():
    plainly = found(share(), image=plain(), direct=reader())["aorta_max"]
    corrected = found(share(), image=plain(), direct=reader(largest=0.7))["aorta_max"]
    assert plainly.value - corrected.value == pytest.approx(0.7)
    assert plainly.interval[0] - corrected.interval[0] == pytest.approx(0.7)


def test_no_scan_no_reading():
    assert SECOND not in found(share(), direct=reader())


def test_sections_are_cut_at_right_angles_with_true_lengths():
    """Across a tube that leans by 40 degrees the section is round; stretched by two, half as large."""
    lean = np.column_stack([np.linspace(-40, 40, 200), np.zeros(200), np.linspace(-48, 48, 200)])
    grid = box_grid(lean, 16, (2.0, 1.0, 1.0), np.random.default_rng(3))
    image = Volume(drawn(grid, tube(lean, np.full(200, 13.0)), 2).voxels * 400, grid)
    along = (lean[-1] - lean[0]) / np.linalg.norm(lean[-1] - lean[0])
    across = np.stack([np.cross(along, [0, 1, 0]), [0.0, 1.0, 0.0]])
    cuts = cut_sections(image, np.zeros((2, 3)), np.stack([across, 2 * across]), (0.0, 400.0))
    assert cuts.shape == (2, 3, PIXELS, PIXELS)
    assert MIDDLE_MM + SCALE_MM * by_area(cuts)[:, 0] == pytest.approx([26.0, 13.0], abs=0.5)
    rows, columns = np.nonzero(cuts[0, 1] > 0.5)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=1)


def test_the_error_survives_the_model_header():
    error = DirectError(2.3, 0.4)
    assert DirectError.from_dict(json.loads(json.dumps(error.to_dict()))) == error
