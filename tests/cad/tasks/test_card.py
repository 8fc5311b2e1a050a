"""What a card says of how a model came about; of the aorta nothing that only a cascade has."""

from __future__ import annotations

import torch

from cad.networks import ModelHeader
from cad.tasks.aorta_recipe import RECIPE
from cad.tasks.card import model_card
from cad.tasks.lung_recipe import RECIPE as LUNG
from cad.train.transfer import NOTHING, Start

BEGUN = Start({"segment": torch.nn.Identity()}, 0.0, "aorta_ct 1", "ab" * 32)


def header(task: str, settings: dict) -> ModelHeader:
    return ModelHeader(task, "9", "data", "code", dict(RECIPE.networks), settings)


def test_nothing_is_certified_where_a_structure_is_measured() -> None:
    card = model_card(header("aorta_ct", {}), "0" * 64, RECIPE, [], halved=("diameter",))
    assert f"- Calibration: {RECIPE.budget.calibration} further simulated scans; held out" in card
    assert "certif" not in card
    assert "pasted" not in card
    assert "- Made by: `shoken train aorta_ct` (seed 7), from random weights" in card
    assert "- Stored in half precision, used in single: diameter" in card
    assert f"- Steps: segment {RECIPE.budget.steps['segment']}, diameter" in card


def test_a_cascade_says_what_chose_its_thresholds() -> None:
    card = model_card(header("lung_nodule_ct", {"thresholds": {}}), "0" * 64, LUNG, [])
    assert "chose the thresholds and the others certify them" in card
    assert "pasted" in card


def test_what_was_begun_elsewhere_names_the_command_and_the_steps_taken() -> None:
    card = model_card(header("aorta_ct", {}), "0" * 64, RECIPE, [], BEGUN)
    assert "`shoken train aorta_ct --from 1` (seed 7), from aorta_ct 1 (sha256 " + "ab" * 32 + "); stages that it lacks" in card
    assert f"- Steps: segment_further {RECIPE.budget.steps['segment_further']}, diameter" in card


def test_steps_without_a_further_are_taken_as_they_are() -> None:
    assert NOTHING.taken({"triage": 3, "triage_hard": 2}) == {"triage": 3, "triage_hard": 2}
    held = Start({"segment": torch.nn.Identity()}, 0.5, "aorta_ct 1", "ab" * 32)
    assert held.option == " --from 1 --freeze 0.5"
    assert Start({}, seed=8).option == " --seed 8"
    assert "50% of each network frozen" in held.said
