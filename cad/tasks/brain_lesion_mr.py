"""Brain lesions on MR: T1 with contrast, FLAIR, T2 and T1 of one study together, of which one of the first two must be there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cad.explain.statement import lesion_statement
from cad.finding import Measurement
from cad.measure.density import contrast_ratio
from cad.measure.descriptors import brain_location
from cad.tasks.cascade_task import CascadeTask
from cad.tasks.choosing import HEAD_WORDS, Needs
from cad.volume import Volume

if TYPE_CHECKING:
    from cad.train.recipe import Recipe


def describe(close_up: Volume, outline: Volume, brain: Volume, _density: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Hemisphere, and signal against the tissue around."""
    return brain_location(outline, brain), contrast_ratio(close_up, outline)


def recipe() -> Recipe:
    """How this task's networks are trained; the simulator is imported only for that."""
    from cad.tasks.brain_recipe import RECIPE

    return RECIPE


# Trained on simulated heads with any of the four, axial slices of 1 to 5 mm. The first that a study has is the reference; a T1 whose
# header does not tell whether contrast was given comes last: de-identification may have taken the agent's name away. On T2 or T1
# alone version 2 found a tenth of the lesions or none: such a study is not screened, since its silence would say nothing.
NEEDS = Needs(
    modality="MR",
    body="head",
    words=HEAD_WORDS,
    shortest_mm=60.0,
    oblique_mm=2.0,
    sequences=("T1c", "FLAIR", "T2", "T1"),
    says="the network was trained on T1 with and without contrast, T2 and FLAIR",
    together=True,
    leading=("T1c", "FLAIR"),
)

TASK = CascadeTask(
    name="brain_lesion_mr",
    kind="brain_lesion",
    needs=NEEDS,
    describe=describe,
    recipe=recipe,
    state=lesion_statement,
)
