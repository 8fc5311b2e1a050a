"""Lung nodules on chest CT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cad.explain.follow_up import follow_up
from cad.explain.statement import nodule_statement
from cad.finding import Measurement
from cad.measure.density import nodule_texture
from cad.measure.descriptors import lung_location, pleural_contact
from cad.measure.interior import cavity_fraction, solid_diameter
from cad.measure.vessels import vessel_contact
from cad.prepare.resample import resample_labels
from cad.tasks.cascade_task import CascadeTask
from cad.tasks.choosing import CHEST_WORDS, Needs
from cad.volume import Volume

if TYPE_CHECKING:
    from cad.train.recipe import Recipe


def describe(close_up: Volume, outline: Volume, lungs: Volume, density: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Texture class, solid part, cavity, side and zone, contact with the pleura and with vessels."""
    near = resample_labels(lungs, outline.grid)
    inside = (nodule_texture(density), solid_diameter(close_up, outline), cavity_fraction(close_up, outline))
    return (*inside, lung_location(outline, lungs), pleural_contact(outline, near), vessel_contact(close_up, outline))


def recipe() -> Recipe:
    """How this task's networks are trained; the simulator is imported only for that."""
    from cad.tasks.lung_recipe import RECIPE

    return RECIPE


# Thin first; at one thickness soft before lung, as most of its training scans were; a bone kernel's noise it has never seen.
NEEDS = Needs(modality="CT", body="chest", words=CHEST_WORDS, shortest_mm=60.0, kernels=("soft", "lung", ""))

TASK = CascadeTask(
    name="lung_nodule_ct",
    kind="lung_nodule",
    needs=NEEDS,
    describe=describe,
    recipe=recipe,
    state=nodule_statement,
    hints=follow_up,
)
