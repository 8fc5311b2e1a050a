"""Two estimates of one diameter: where they agree, where they do not, and where the network saw no border."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from cad.measure.aorta import METHOD, METHOD_LUMEN, SECOND, OutlineError, measure_aorta
from cad.measure.aorta.lumen import WALL_MM
from cad.space import Grid
from cad.volume import Volume

sys.path.insert(0, str(Path(__file__).parent))
from bodies import box_grid, candy_cane, drawn, tube

ERROR = OutlineError(2.0, 0.0, 5.5, front=(0.5, 3.0), back=(0.0, 2.0), largest=(1.0, 4.0), lumen_half_mm=1.5)
COURSE = candy_cane()
OUTER = np.linspace(17, 12, len(COURSE))


@cache
def grid() -> Grid:
    return box_grid(COURSE, 20, (2.0, 1.2, 1.2), np.random.default_rng(4))


@cache
def share(more_mm: float) -> Volume:
    """Each voxel's share of the aorta, its radius larger by `more_mm`."""
    return drawn(grid(), tube(COURSE, OUTER + more_mm), 2)


def scan(blood_hu: float = 300.0, lumen: Volume | None = None, metal_hu: float | None = None) -> Volume:
    """Fat, the wall (45 HU), blood within it; a stent's metal in the wall where asked for."""
    inner = share(-WALL_MM) if lumen is None else lumen
    hu = -90 + 135 * share(0.0).voxels + (blood_hu - 45) * inner.voxels
    if metal_hu is not None:
        struts = (share(0.0).voxels > 0.5) & (inner.voxels < 0.5)
        hu = np.where(struts, metal_hu, hu)
    return Volume(hu.astype(np.float32), grid())


def found(soft: Volume, **options):
    return {m.name: m for m in measure_aorta(soft, diaphragm_z_mm=-120.0, **options).measurements}


def true_at(measurement) -> float:
    return 2 * float(OUTER[np.linalg.norm(COURSE - measurement.position_mm, axis=1).argmin()])


def test_an_outline_is_corrected_by_what_it_is_known_to_be_off_by_in_each_part():
    plain, corrected = found(share(1.0)), found(share(1.0), error=ERROR)
    assert plain["aorta_mid_ascending"].value - corrected["aorta_mid_ascending"].value == pytest.approx(2.5, abs=0.1)
    assert plain["aorta_mid_descending"].value - corrected["aorta_mid_descending"].value == pytest.approx(2.0, abs=0.1)
    low, high = corrected["aorta_mid_descending"].interval
    assert high - low == pytest.approx(4.0)
    assert corrected["aorta_mid_descending"].value == pytest.approx(true_at(corrected["aorta_mid_descending"]), abs=0.3)


def test_enhanced_blood_decides_where_both_agree():
    by_name = found(share(1.0), error=ERROR, image=scan())
    for name in ("aorta_mid_ascending", "aorta_mid_arch", "aorta_mid_descending"):
        m = by_name[name]
        assert (m.method, m.label) == (METHOD_LUMEN, "estimates_agree")
        assert m.value == pytest.approx(true_at(m), abs=0.5)
        assert m.interval[1] - m.interval[0] == pytest.approx(2 * ERROR.lumen_half_mm)
    assert by_name[SECOND].method == METHOD


def test_the_interval_reaches_to_what_the_other_estimate_says():
    m = found(share(1.0), error=replace(ERROR, offset_mm=0.0, front=(0.0, 3.0), back=(0.0, 2.0)), image=scan())["aorta_mid_descending"]
    (_, outline_mm), *_ = m.others
    assert (m.method, m.label) == (METHOD_LUMEN, "estimates_agree")
    assert outline_mm > m.value + ERROR.lumen_half_mm
    assert m.interval == pytest.approx((m.value - ERROR.lumen_half_mm, outline_mm))


def test_plain_blood_gives_no_second_estimate():
    by_name = found(share(1.0), error=ERROR, image=scan(blood_hu=40))
    assert SECOND not in by_name
    assert by_name["aorta_mid_descending"].method == METHOD


def test_thrombus_makes_the_estimates_disagree_and_neither_is_averaged():
    """Blood fills half the radius only: the outline's outer diameter stands, the interval holds both, the label says so."""
    thick = drawn(grid(), tube(COURSE, OUTER - 4.0), 2)
    by_name = found(share(0.0), image=scan(lumen=thick))
    m = by_name["aorta_mid_descending"]
    assert m.label == "estimates_disagree"
    assert m.method == METHOD
    assert m.value == pytest.approx(true_at(m), abs=0.3)
    assert m.interval[0] < true_at(m) - 4
    assert by_name[SECOND].value < by_name["aorta_max"].value - 4
    assert by_name[SECOND].label == "estimates_disagree"


def flap(course_side_mm: float) -> np.ndarray:
    """Where a flap 3 mm thick runs along the whole vessel, `course_side_mm` from its middle (towards the left)."""
    points = grid().to_mm(np.moveaxis(np.indices(grid().shape), 0, -1).reshape(-1, 3))
    nearest = COURSE[cKDTree(COURSE).query(points)[1]]
    aside = (points - nearest)[:, 0] - course_side_mm
    return (np.abs(aside) < 1.5).reshape(grid().shape)


@pytest.mark.parametrize("side_mm", [0.0, 6.0])
def test_of_a_dissected_aorta_both_lumens_count(side_mm):
    """Both lumens enhanced, a flap between them, the outline around both: the outer diameter, not the true lumen's."""
    image = scan()
    split = Volume(np.where(flap(side_mm) & (share(0.0).voxels > 0.5), 45.0, image.voxels).astype(np.float32), grid())
    by_name = found(share(0.0), image=split)
    for name in ("aorta_mid_ascending", "aorta_mid_descending"):
        m = by_name[name]
        assert m.value == pytest.approx(true_at(m), abs=1.0)
        assert m.interval[0] <= true_at(m) <= m.interval[1]


def test_blood_outside_the_outline_proves_it_too_narrow():
    by_name = found(share(-3.5), error=ERROR, image=scan())
    m = by_name["aorta_mid_descending"]
    assert (m.label, m.method) == ("estimates_disagree", METHOD_LUMEN)
    assert m.value == pytest.approx(true_at(m), abs=0.6)
    assert m.interval[0] < m.value - 4


def test_an_outline_narrower_than_an_aorta_is_refused_unless_blood_shows_it():
    by_name = found(share(-4.5), error=ERROR, image=scan(blood_hu=40))
    assert by_name["aorta_mid_descending"].outcome == "implausibly_narrow"


def test_a_stent_is_not_measured():
    by_name = found(share(0.0), image=scan(metal_hu=3000.0))
    assert by_name["aorta_mid_descending"].value is None
    assert by_name["aorta_mid_descending"].outcome == "metal_at_wall"
    assert by_name["aorta_max"].value is None


def test_calcium_in_the_wall_moves_little():
    rng = np.random.default_rng(3)
    image = scan()
    wall = (share(0.0).voxels > 0.5) & (share(-WALL_MM).voxels < 0.5) & (rng.random(grid().shape) < 0.03)
    spotted = Volume(np.where(wall, 900.0, image.voxels).astype(np.float32), grid())
    m = found(share(0.0), image=spotted)["aorta_mid_descending"]
    assert m.value == pytest.approx(true_at(m), abs=0.8)


def test_a_border_the_network_did_not_see_is_not_measured():
    """Below the arch's start the probability is 0.6 all around: that is a guess, however wide it looks."""
    soft = share(0.0)
    z = grid().to_mm(np.moveaxis(np.indices(grid().shape), 0, -1).reshape(-1, 3)).reshape(*grid().shape, 3)[..., 2]
    x = grid().to_mm(np.moveaxis(np.indices(grid().shape), 0, -1).reshape(-1, 3)).reshape(*grid().shape, 3)[..., 0]
    guess = (z < -40) & (x < 0)
    wide = 0.55 * share(3.0).voxels + 0.05
    by_name = found(Volume(np.where(guess, wide, soft.voxels).astype(np.float32), grid()), error=ERROR)
    assert by_name["aorta_sinus"].outcome == "unclear_border"
    assert by_name["aorta_sinus"].value is None
    assert by_name["aorta_mid_descending"].value is not None


def test_without_an_arch_a_networks_largest_is_not_the_largest():
    limb = np.where(np.indices(grid().shape)[2] > grid().shape[2] // 2, share(0.0).voxels, 0).astype(np.float32)
    low = np.indices(grid().shape)[0] < grid().to_index((35, 20, -20))[0]
    by_name = found(Volume(np.where(low, limb, 0).astype(np.float32), grid()), error=ERROR)
    assert {m.outcome for m in by_name.values()} == {"arch_not_in_scan"}


def test_a_waist_above_the_root_is_the_sinotubular_junction():
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(COURSE, axis=0), axis=1))])
    radii = 15 + 3.5 * np.exp(-(((arc - 12) / 7) ** 2)) + 1.5 * np.exp(-(((arc - 55) / 14) ** 2))
    by_name = found(drawn(grid(), tube(COURSE, radii), 2))
    junction = by_name["aorta_sinotubular_junction"]
    assert junction.position_mm[2] == pytest.approx(-38, abs=6)
    assert junction.value == pytest.approx(30.2, abs=0.5)
    assert by_name["aorta_sinus"].value == pytest.approx(37, abs=0.7)


def test_the_error_survives_the_model_header():
    import json

    assert OutlineError.from_dict(json.loads(json.dumps(ERROR.to_dict()))) == ERROR
