"""Who is matched with whom, what is new, what is gone; the networks' part is stood in for."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cad.finding import Exhibit, Measurement
from cad.measure.growth import Sighting
from cad.prepare.register import Registration
from cad.space import Grid
from cad.tasks import comparing
from cad.tasks.comparing import compare_findings
from cad.tasks.task import Prior
from cad.volume import Volume

GRID = Grid.axial((100, 100, 100), (1, 1, 1))
SHIFT = np.array([20.0, 0.0, 0.0])
TO_PRIOR = Registration(np.block([[np.eye(3), SHIFT[:, None]], [np.zeros((1, 3)), np.eye(1)]]), None, GRID, (0, 0, 0), 0.0)


def measured(volume_mm3: float) -> tuple[Measurement, ...]:
    diameter = (6 * volume_mm3 / np.pi) ** (1 / 3)
    names = ("long_axis", "short_axis", "effective_diameter", "longest_diameter_3d")
    return (Measurement("volume", volume_mm3, "mm3", ""), *(Measurement(name, float(diameter), "mm", "") for name in names))


def lesion(centre, volume_mm3: float = 500.0):
    return comparing._Lesion(centre, Sighting(measured(volume_mm3), 1.0, 1.0), 0.8)


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch, make_finding):
    def run(now, before, seen_again=(), outlines=()):
        monkeypatch.setattr(comparing, "_found", lambda *_: before)
        again = {tuple(np.round(place)): sighting for place, sighting in seen_again}
        monkeypatch.setattr(comparing, "_second_look", lambda _scan, place, _taken: again.get(tuple(np.round(place))))
        volume = Volume(np.zeros(GRID.shape, np.int16), GRID)
        sight = SimpleNamespace(rule=SimpleNamespace(patch_spacing_mm=1.0))
        scan = comparing.Scan(volume, None, sight, None, 10, float)
        exhibits = [Exhibit("t", 1, volume, outline=outline) for outline in outlines]
        result = SimpleNamespace(findings=[make_finding(*f) for f in now], exhibits=exhibits)
        findings, gone = compare_findings(result, scan, scan, Prior(volume, TO_PRIOR, 100), lambda _: None)
        return [{m.name: m for m in f.measurements} for f in findings], gone

    return run


@pytest.fixture
def make_finding():
    from cad.finding import Candidate, Evidence, Finding, Statement
    from cad.model import ModelVersion
    from cad.space import Box

    def made(centre, volume_mm3):
        box = Box.cube(centre, 10.0)
        model = ModelVersion("t", "1", "0" * 64, "", "")
        return Finding(
            1, "t", "k", Candidate(centre, box, ()), 10.0, 0.8, measured(volume_mm3), Evidence((), box), Statement("en", ()), model
        )

    return made


def test_a_partner_is_found_through_the_registration(compare) -> None:
    told, gone = compare([((30.0, 50.0, 50.0), 2000.0)], [lesion((51.0, 50.0, 50.0), 1000.0)])
    assert told[0]["comparison"].label == "grown"
    assert told[0]["doubling_time"].value == pytest.approx(100.0)
    assert gone == ()


def test_new_outside_and_seen_at_a_second_look(compare) -> None:
    again = lesion((80.0, 20.0, 20.0), 480.0)
    told, _ = compare(
        [((30.0, 50.0, 50.0), 500.0), ((90.0, 50.0, 50.0), 500.0), ((60.0, 20.0, 20.0), 500.0)], [], [((80.0, 20.0, 20.0), again)]
    )
    assert [t["comparison"].label for t in told] == ["new", "outside_prior", "unchanged"]
    assert told[2]["prior_volume"].value == 480.0


def test_on_ct_the_outline_of_the_screening_is_laid_beside_the_priors(compare, monkeypatch) -> None:
    now, then = (Volume(np.full(GRID.shape, value, np.float32), GRID, "1", "SEG") for value in (0.6, 0.7))
    laid = []
    monkeypatch.setattr(comparing, "alongside", lambda _scans, outlines, *_: laid.append(outlines))
    monkeypatch.setattr(comparing, "paired_change", lambda _laid: None)
    before = replace(lesion((51.0, 50.0, 50.0)), outline=then)
    told, _ = compare([((30.0, 50.0, 50.0), 2000.0)], [before], outlines=(now,))
    assert (laid[0][0] is then, laid[0][1] is now) == (True, True)
    assert told[0]["comparison"].label == "not_comparable"


def test_what_only_the_prior_shows(compare) -> None:
    before = [lesion((50.0, 50.0, 50.0)), lesion((10.0, 50.0, 50.0)), lesion((70.0, 20.0, 20.0))]
    _, gone = compare([], before, [((50.0, 20.0, 20.0), lesion((50.0, 20.0, 20.0), 300.0))])
    assert [g.label for g in gone] == ["resolved", "outside_current", "below_threshold"]
    assert gone[0].centre_mm == pytest.approx((30.0, 50.0, 50.0))


def ball(centre) -> Volume:
    points = GRID.to_mm(np.moveaxis(np.indices(GRID.shape), 0, -1))
    return Volume((np.linalg.norm(points - centre, axis=-1) < 8).astype(np.float32), GRID, "1", "SEG")


def test_two_peaks_on_one_lesion_of_the_prior_are_one_lesion(monkeypatch) -> None:
    places = ((50.0, 50.0, 50.0), (51.0, 50.0, 50.0), (70.0, 50.0, 50.0), (20.0, 20.0, 20.0))
    score = SimpleNamespace(score=lambda _: 0.5).score
    suspects = [SimpleNamespace(candidate=SimpleNamespace(centre_mm=p, score=score), close_up=None, pixels=None) for p in places]
    monkeypatch.setattr(comparing, "run_cascade", lambda *_: SimpleNamespace(suspects=suspects))
    monkeypatch.setattr(comparing, "_outline", lambda _scan, centre, _near: ball(centre))
    sight = SimpleNamespace(rule=SimpleNamespace(patch_spacing_mm=1.0))
    scan = comparing.Scan(ball(places[0]), None, sight, None, 2, float)
    assert [lesion.centre_mm for lesion in comparing._found(scan, lambda _: None)] == [places[0], places[2]]
