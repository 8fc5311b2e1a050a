"""What to train for a task: phantoms, inputs, networks, budget. One value, printed into the model card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cad.errors import ShokenError
from cad.networks import NetworkSpec
from cad.prepare.inputs import InputRule
from cad.simulate.phantom import Phantom
from cad.volume import Volume

TRAIN_SEEDS, CALIBRATION_SEEDS, TEST_SEEDS = 1_000_000, 2_000_000, 3_000_000

# Four networks in one file of at most 5 MB: the proposal gets half, since it alone looks everywhere in three dimensions.
CASCADE_NETWORKS = {
    "triage": NetworkSpec("unet", 2, 3, 1, (16, 32, 48, 64)),
    "propose": NetworkSpec("unet", 3, 1, 1, (16, 32, 48, 64)),
    "reduce": NetworkSpec("resnet", 3, 1, 1, (12, 24, 36, 48)),
    "segment": NetworkSpec("unet", 3, 1, 1, (12, 24, 32, 40)),
}


@dataclass(frozen=True, slots=True)
class Budget:
    """How many phantoms of each part, and optimiser steps of each stage."""

    train: int
    calibration: int
    test: int
    steps: dict[str, int]

    def scaled(self, share: float) -> Budget:
        """A smaller budget of the same shape, for tests and smoke runs; never below one."""

        def cut(number: int) -> int:
            return max(1, round(number * share))

        return Budget(cut(self.train), cut(self.calibration), cut(self.test), {stage: cut(n) for stage, n in self.steps.items()})


@dataclass(frozen=True, slots=True)
class Recipe:
    """One task's training. `phantom` makes the study of a seed, `truth` picks the labels to learn; both are
    module-level functions, so that worker processes can have them.

    Train, calibration and test phantoms come from disjoint ranges of seeds, so no patient is on both sides. `source` says
    for the model card what the scans are; a phantom may be an imported scan (see cad.tasks.imported).
    """

    task: str
    version: str
    phantom: Callable[[int], Phantom]
    truth: Callable[[Phantom], Volume]
    rule: InputRule
    networks: dict[str, NetworkSpec]
    budget: Budget
    seed: int = 7
    source: str = "simulated scans"

    def identity(self) -> str:
        """Everything but the data that decides the trained weights, as text."""
        return repr((self.task, self.version, self.rule, self.networks, self.budget.train, self.budget.steps, self.seed))

    def seeds(self, part: str) -> tuple[int, ...]:
        """The phantom seeds of "train", "calibration" or "test"."""
        base, count = {
            "train": (TRAIN_SEEDS, self.budget.train),
            "calibration": (CALIBRATION_SEEDS, self.budget.calibration),
            "test": (TEST_SEEDS, self.budget.test),
        }[part]
        return tuple(range(base, base + count))


def lesions(phantom: Phantom) -> Volume:
    """The lesion labels, for detection tasks."""
    return phantom.lesion_labels


def aorta(phantom: Phantom) -> Volume:
    """The aorta to its outer wall. Raises ShokenError for a phantom without one."""
    if phantom.aorta is None:
        raise ShokenError("the phantom has no aorta", subject="Recipe.truth", accepted="a simulated chest")
    return phantom.aorta
