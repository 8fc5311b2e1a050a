"""Trains the networks of a cascade in order; each stage learns from what the one before could not discard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cad.inference import logits
from cad.train.centres import Blocks, Scenes, Tiles
from cad.train.checkpoints import Checkpoints
from cad.train.loop import Fitted, Kept, Sampler, Schedule, Watch, fit, new_network
from cad.train.losses import Loss, WithDistance, rare_centres, rare_class, rare_voxels
from cad.train.mining import Place, Say, first_cubes, hardest, marked_places, mine_blocks, mine_planes, scenes_of, second_cubes
from cad.train.pretraining import pretrained
from cad.train.recipe import Recipe
from cad.train.sampling import Cubes
from cad.train.transfer import NOTHING, Start

FIRST_RATE, HARD_RATE = 5e-3, 2e-3
WHOLE = {"second"}  # its last layers see 2 x 2 x 2 voxels, where half-precision gradients of 3D convolutions came out as garbage
STAGES = ("triage", "propose", "reduce", "second", "segment")


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """Networks by stage, the loss curve of each, and what was watched of each: (step, validation figure)."""

    networks: dict[str, torch.nn.Module]
    losses: dict[str, tuple[float, ...]]
    watched: Mapping[str, tuple[tuple[int, float], ...]]


def train_cascade(
    recipe: Recipe,
    paths: Sequence[Path],
    stages: Checkpoints,
    progress: Say,
    watches: Mapping[str, Watch] | None = None,
    start: Start = NOTHING,
) -> Trained:
    """Triage, propose, reduce and the second look, each in rounds (hard negatives in between), then segment.

    A stage that `stages` holds is not trained again; one that was killed goes on from its last kept step. `watches` gives
    validation figures that decide when a stage has learned enough; `start` gives weights to begin from.
    """
    work = _Work(recipe, paths, stages, progress, watches or {}, start)
    return Trained(
        {stage: work.fitted(stage).network for stage in STAGES},
        {stage: work.fitted(stage).losses for stage in STAGES},
        {stage: work.fitted(stage).watched for stage in STAGES},
    )


class _Work:
    """Stages and the data between them, each made once and only when something needs it."""

    def __init__(
        self, recipe: Recipe, paths: Sequence[Path], stages: Checkpoints, say: Say, watches: Mapping[str, Watch], start: Start
    ) -> None:
        self.recipe, self.paths, self.stages, self.say, self.watches, self.start = recipe, paths, stages, say, watches, start
        self.done: dict[str, Fitted] = {}

    def fitted(self, stage: str) -> Fitted:
        """The stage, from disk or trained now."""
        if stage not in self.done:
            makers = {"triage": self._triage, "propose": self._propose, "reduce": self._reduce, "second": self._second}
            make = makers.get(stage, self._segment)
            self.done[stage] = self.stages.stage(stage, self.recipe.networks[stage], make)
        return self.done[stage]

    @cached_property
    def scenes(self) -> Scenes:
        """All crops in memory; what triage cannot discard is noted in them."""
        return scenes_of(self.paths)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Lesions and what propose marks."""
        return marked_places(self.paths, self.fitted("propose").network)

    @cached_property
    def close_ups(self) -> Cubes:
        """What reduce and segment learn from; the crops are let go, which no later stage needs."""
        places = self.places
        self.__dict__.pop("scenes", None)
        cubes = first_cubes(self.paths, places, self.recipe.rule, self.recipe.draw)
        self.say(f"{int(cubes.positive.sum())} lesion close-ups and {int((~cubes.positive).sum())} look-alikes")
        return cubes

    def _triage(self) -> Fitted:
        channels = self.recipe.networks["triage"].channels_in

        def mine(network: torch.nn.Module) -> None:
            mine_planes(self.scenes, self.paths, network, channels, self.say)

        return self._rounds("triage", Tiles(self.scenes, channels, draw=self.recipe.draw), self._centre_loss(), mine)

    def _propose(self) -> Fitted:
        learning, channels = self.recipe.learning, self.recipe.networks["triage"].channels_in
        if learning.rounds > 1:
            mine_planes(self.scenes, self.paths, self.fitted("triage").network, channels, self.say)
        blocks = Blocks(self.scenes, pasted=learning.pasted, distance=learning.distance, draw=self.recipe.draw)
        loss = WithDistance(self._centre_loss()) if learning.distance else self._centre_loss()
        return self._rounds("propose", blocks, loss, lambda network: mine_blocks(self.scenes, self.paths, network, self.say))

    def _reduce(self) -> Fitted:
        return self._classes("reduce", self.close_ups)

    def _second(self) -> Fitted:
        chosen = hardest(self.places, _scores(self.close_ups, self.fitted("reduce").network))
        return self._classes("second", second_cubes(self.paths, chosen, self.recipe.rule, self.recipe.seed, self.recipe.draw))

    def _segment(self) -> Fitted:
        return self._fit("segment", self._new("segment"), self.close_ups.masks, rare_voxels(), 0)

    def _classes(self, stage: str, cubes: Cubes) -> Fitted:
        """In the later round, look-alikes that the first took for lesions are drawn more often, by this stage alone."""
        cubes = replace(cubes, weights=cubes.weights.copy())

        def mine(network: torch.nn.Module) -> None:
            share = 1 / (1 + np.exp(-_scores(cubes, network)))
            cubes.weights[:] = np.where(cubes.positive, 1.0, 0.1 + share)

        return self._rounds(stage, cubes.classes, rare_class(self.recipe.learning.class_loss), mine)

    def _rounds(self, stage: str, sample: Sampler, loss: Loss, mine: Callable[[torch.nn.Module], None]) -> Fitted:
        """Rounds of training with mining in between; where a stage is watched, the weights of the best round stay."""
        found = self._fit(stage, self._new(stage), sample, loss, 0)
        for number in range(1, self.recipe.learning.rounds):
            mine(found.network)
            later = self._fit(stage, deepcopy(found.network), sample, loss, number)
            shifted = tuple((len(found.losses) + step, figure) for step, figure in later.watched)
            network = found.network if _best(found) > _best(later) else later.network
            found = Fitted(network, found.losses + later.losses, found.watched + shifted)
        return found

    def _fit(self, stage: str, network: torch.nn.Module, sample: Sampler, loss: Loss, number: int) -> Fitted:
        steps = self.recipe.budget.steps
        schedule = Schedule(
            steps[stage] if number == 0 else steps[f"{stage}_hard"],
            self.recipe.seed + number,
            FIRST_RATE if number == 0 else HARD_RATE,
            "single" if stage in WHOLE else self.recipe.learning.precision,
        )
        name = f"{stage}, round {number + 1}" if number else stage
        kept = Kept(self.stages.running(f"{stage}-{number}"))
        return fit(network, sample, loss, schedule, lambda text: self.say(f"{name}: {text}"), kept, self.watches.get(stage))

    def _new(self, stage: str) -> torch.nn.Module:
        network = new_network(self.recipe.networks[stage], self.recipe.seed)
        learning = self.recipe.learning
        if stage == "propose" and learning.pretrain:
            kept = Kept(self.stages.running("pretrain"))
            network = pretrained(
                network, self.scenes, Schedule(learning.pretrain, self.recipe.seed, precision=learning.precision), self.say, kept
            )
        return self.start.applied(stage, network)

    def _centre_loss(self) -> Loss:
        return rare_centres(self.recipe.learning.centre_loss)


def _best(fitted: Fitted) -> float:
    """The highest validation figure; 0 where nothing was watched, so that the later round wins."""
    return max((figure for _, figure in fitted.watched), default=0.0)


def _scores(cubes: Cubes, network: torch.nn.Module) -> NDArray[np.float32]:
    """The network's logit of the middle of each cube."""
    start = (cubes.images[0].shape[1] - cubes.voxels) // 2
    middle = (slice(None), *(slice(start, start + cubes.voxels),) * 3)
    return logits(network, (image[middle].astype(np.float32) for image in cubes.images))
