"""Brain lesions on MR (T1 with contrast, or FLAIR)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cad.explain.statement import lesion_statement
from cad.finding import Measurement
from cad.measure.density import contrast_ratio
from cad.measure.descriptors import brain_location
from cad.tasks.cascade_task import CascadeTask
from cad.tasks.choosing import head_mr
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


TASK = CascadeTask(
    name="brain_lesion_mr",
    kind="brain_lesion",
    modality="MR",
    body="head",
    choose=head_mr,
    describe=describe,
    recipe=recipe,
    state=lesion_statement,
)
