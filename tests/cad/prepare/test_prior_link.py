"""When a prior may be compared: the decisions; what they rest on is tested in test_register.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cad.errors import GridError
from cad.prepare import prior
from cad.prepare.register import Registration
from cad.prepare.same_patient import Sameness
from cad.space import Grid
from cad.volume import Volume

GRID = Grid.axial((4, 4, 4), (1, 1, 1))
SCAN = Volume(np.zeros(GRID.shape, np.int16), GRID)
RIGID = Registration(np.eye(4), None, GRID, (0.2, 0.9, 0.9), 0.0)


def linked(monkeypatch: pytest.MonkeyPatch, same: Sameness, folded: float = 0.0) -> tuple[prior.Link, list[str]]:
    asked: list[str] = []

    def refined(*_):
        asked.append("refined")
        return replace(RIGID, folded=folded)

    monkeypatch.setattr(prior, "register", lambda *_, deformable: RIGID)
    monkeypatch.setattr(prior, "same_patient", lambda *_: same)
    monkeypatch.setattr(prior, "refined", refined)
    return prior.link(SCAN, SCAN), asked


def test_a_confirmed_prior_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = linked(monkeypatch, Sameness(0.8, True, "the bones agree"))
    assert (found.status, asked) == ("compared", ["refined"])
    assert found.registration is not None


@pytest.mark.parametrize(
    ("same", "status"),
    [
        (Sameness(0.1, False, "the bones do not agree"), "possible_patient_mix_up"),
        (Sameness(None, False, "too little bone"), "prior_not_confirmed"),
    ],
)
def test_a_stranger_is_never_deformed_onto_the_patient(monkeypatch: pytest.MonkeyPatch, same: Sameness, status: str) -> None:
    found, asked = linked(monkeypatch, same)
    assert (found.status, found.registration, asked) == (status, None, [])
    assert same.reason in found.detail


def test_a_map_that_folds_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = linked(monkeypatch, Sameness(0.8, True, ""), folded=0.02)
    assert (found.status, found.registration) == ("prior_not_registered", None)
    assert "2.0%" in found.detail


def test_a_prior_that_shows_no_body_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_, **__):
        raise GridError("there is no body in the picture")

    monkeypatch.setattr(prior, "register", nothing)
    found = prior.link(SCAN, SCAN)
    assert (found.status, found.registration) == ("prior_not_registered", None)
