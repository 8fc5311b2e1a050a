"""Where a training begins: at weights that another made, with the front of each network held still if wanted, or at another seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from cad.errors import ShokenError
from cad.train.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Networks of a registered version by stage; `frozen` is the share of each one's parameters, from the front, that stay.

    `source` names the version and `sha256` its file, for the model card and for what makes a training the same. `seed` takes the
    place of the recipe's: other first weights and other batches of the same data, to see how far the figures move.
    """

    networks: Mapping[str, torch.nn.Module]
    frozen: float = 0.0
    source: str = ""
    sha256: str = ""
    seed: int | None = None

    def seeded(self, recipe: Recipe) -> Recipe:
        """The recipe with this seed, where there is one."""
        return recipe if self.seed is None else replace(recipe, seed=self.seed)

    @property
    def identity(self) -> str:
        """Everything about it that decides the trained weights."""
        return f"{self.sha256} {self.frozen}" if self.networks else ""

    @property
    def said(self) -> str:
        """For the card: where the weights began."""
        if not self.networks:
            return "random weights"
        held = f", {self.frozen:.0%} of each network frozen" if self.frozen else ""
        return f"{self.source} (sha256 {self.sha256}){held}; stages that it lacks from random weights"

    @property
    def option(self) -> str:
        """What is added to the training command to begin here."""
        begun = f" --from {self.source.split()[-1]}" if self.networks else ""
        held = f" --freeze {self.frozen:g}" if self.networks and self.frozen else ""
        return begun + held + ("" if self.seed is None else f" --seed {self.seed}")

    def taken(self, steps: Mapping[str, int]) -> dict[str, int]:
        """The steps of a budget that are taken: of a stage begun from other weights "<stage>_further", where there is that."""
        begun = {stage for stage in steps if f"{stage}_further" in steps and stage in self.networks}
        idle = begun | {f"{stage}_further" for stage in steps if stage not in begun}
        return {stage: count for stage, count in steps.items() if stage not in idle}

    def applied(self, stage: str, network: torch.nn.Module) -> torch.nn.Module:
        """The new network with the old weights. Raises ShokenError where the shapes differ; a stage that there was not begins anew."""
        if stage not in self.networks:
            return network
        old, new = self.networks[stage].state_dict(), network.state_dict()
        if {key: value.shape for key, value in old.items()} != {key: value.shape for key, value in new.items()}:
            raise ShokenError("has other shapes than the recipe's network", subject=f"{self.source} {stage}", accepted="the same network")
        network.load_state_dict(old)
        _freeze(network, self.frozen)
        return network


NOTHING = Start({})


def _freeze(network: torch.nn.Module, share: float) -> None:
    """Hold still the first parameters up to `share` of all numbers, and the statistics of the norms among them."""
    total = sum(parameter.numel() for parameter in network.parameters())
    passed = 0
    for parameter in network.parameters():
        passed += parameter.numel()
        parameter.requires_grad = passed > share * total
    for layer in network.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm) and layer.weight is not None and not layer.weight.requires_grad:
            layer.momentum = 0.0
