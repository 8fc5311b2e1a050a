"""What to train for a task: phantoms, inputs, networks, budget. One value, printed into the model card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cad.errors import ShokenError
from cad.networks import NetworkSpec
from cad.prepare.inputs import InputRule
from cad.simulate.phantom import Phantom
from cad.train.augment import ONE_PICTURE, Draw
from cad.volume import Volume

TRAIN_SEEDS, CALIBRATION_SEEDS, TEST_SEEDS = 1_000_000, 2_000_000, 3_000_000


def cascade_networks(planes: int = 5, sequences: int = 1, middle: float = 0.0) -> dict[str, NetworkSpec]:
    """Five networks in one file of at most 5 MB. Triage sees a plane and half of `planes` on either side, the second look two scales."""
    n = sequences
    return {
        "triage": NetworkSpec("centre", 2, planes * n, 1, (16, 32, 48), sequences=n, middle=middle),
        "propose": NetworkSpec("centre", 3, n, 1, (16, 32, 48), sequences=n, middle=middle),
        "reduce": NetworkSpec("resnet", 3, n, 1, (12, 24, 36, 48), sequences=n, middle=middle),
        "second": NetworkSpec("resnet", 3, 2 * n, 1, (12, 24, 36, 48), sequences=n, middle=middle),
        "segment": NetworkSpec("unet", 3, n, 1, (12, 24, 32, 40), sequences=n, middle=middle),
    }


CASCADE_NETWORKS = cascade_networks()


@dataclass(frozen=True, slots=True)
class Budget:
    """How many phantoms of each part, and optimiser steps of each stage.

    Of the `train` phantoms the last `validation` are never trained on: they decide when to stop. Of the `calibration`
    phantoms the first `tuning` choose thresholds, the others certify them. Of the `test` phantoms the first `screened` go
    through all of screening, outlines and heat maps too.
    """

    train: int
    calibration: int
    test: int
    steps: dict[str, int]
    validation: int = 1
    tuning: int = 2
    screened: int = 40

    def scaled(self, share: float) -> Budget:
        """A smaller budget of the same shape, for tests and smoke runs; never below one."""

        def cut(number: int) -> int:
            return max(1, round(number * share))

        steps = {stage: cut(n) for stage, n in self.steps.items()}
        parts = (self.train, self.calibration, self.test, self.validation, self.tuning, self.screened)
        train, calibration, test, validation, tuning, screened = map(cut, parts)
        return Budget(train, calibration, test, steps, validation, tuning, screened)


@dataclass(frozen=True, slots=True)
class Learning:
    """How the networks learn; every choice can be switched for an ablation (`benchmarks/ablation.py`).

    `centre_loss` and `class_loss` are names of cad.train.losses; `distance` adds the auxiliary distance map; `pasted` is
    the share of negative blocks that get a lesion pasted in; `rounds` counts mining of hard negatives (1: none is
    mined); `pretrain` is steps of masked reconstruction before propose learns; `precision` see cad.train.loop.Schedule.
    """

    centre_loss: str = "focal"
    class_loss: str = "focal"
    distance: bool = False
    pasted: float = 0.3
    rounds: int = 2
    pretrain: int = 0
    precision: str = "bfloat16"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One task's training. `phantom` makes the study of a seed, `truth` picks the labels to learn; both are
    module-level functions, so that worker processes can have them.

    Train, calibration and test phantoms come from disjoint ranges of seeds, so no patient is on both sides. `source` says
    for the model card what the scans are; a phantom may be an imported scan (see cad.tasks.imported). `workers` processes make
    and score scans; they change nothing but the time. `aligned` keeps landmarks of what was learned from in the model, to which scans
    of other scanners are brought (see cad.prepare.landmarks); the networks learn the same with and without. `draw` says with which of
    their sequences studies are shown, in training and where thresholds are chosen, certified and measured.
    """

    task: str
    version: str
    phantom: Callable[[int], Phantom]
    truth: Callable[[Phantom], Volume]
    rule: InputRule
    networks: dict[str, NetworkSpec]
    budget: Budget
    learning: Learning = Learning()
    seed: int = 7
    source: str = "simulated scans"
    workers: int = 2
    aligned: bool = False
    draw: Draw = ONE_PICTURE

    def identity(self) -> str:
        """Everything but the data that decides the trained weights, as text."""
        return repr(
            (
                self.task,
                self.version,
                self.rule,
                self.networks,
                self.budget.train,
                self.budget.validation,
                self.budget.steps,
                self.learning,
                self.seed,
                *self.rule.sequences,
                *((self.draw, *(spec.middle for spec in self.networks.values())) if self.rule.sequences else ()),
            )
        )

    def at_most(self, count: int, part: str) -> Recipe:
        """The same with no more than `count` phantoms of "train", "calibration" or "test"."""
        return replace(self, budget=replace(self.budget, **{part: min(count, getattr(self.budget, part))}))

    @property
    def sequence_sets(self) -> tuple[tuple[str, ...], ...]:
        """All MR sequences, and each that a study may come with alone: what is watched and measured side by side; () for one picture."""
        alone = zip(self.rule.sequences, self.draw.alone, strict=False)
        return (self.rule.sequences, *((name,) for name, share in alone if share)) if self.rule.sequences else ()

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
