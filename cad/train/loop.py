"""The loop: seeded, AdamW under a one-cycle rate, kept every few hundred steps so that a killed training goes on where it was.

On several GPUs (`torchrun`) each process draws its own batches and gradients are averaged (DistributedDataParallel).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file

from cad.networks import NetworkSpec, build
from cad.train.losses import Loss
from cad.train.parallel import this_process, wrapped

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]
Sampler = Callable[[np.random.Generator], Batch]
Watch = Callable[[torch.nn.Module], float]
Tensors = dict[str, torch.Tensor]
REPORT_EVERY = 25
RARE_BIAS = -4.0
WARM_SHARE = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A trained network (evaluation mode) and its loss curve; `watched` are (step, validation figure)."""

    network: torch.nn.Module
    losses: tuple[float, ...]
    watched: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """Optimiser steps, the seed of weights-independent randomness, the peak learning rate, and how numbers are kept.

    `precision` "bfloat16" multiplies in half precision (automatic mixed precision; weights stay single): twice as fast on
    CPUs with AVX-512 BF16 and on GPUs. Every `watch_every` steps a validation figure is taken, if there is one; the best
    weights are kept, and training ends after `patience` figures without a better one.
    """

    steps: int
    seed: int
    rate: float = 5e-3
    precision: str = "single"
    watch_every: int = 300
    patience: int = 3


@dataclass(slots=True)
class _Run:
    """Everything that changes from step to step."""

    step: int
    losses: list[float]
    watched: list[tuple[int, float]]
    best: Tensors


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a running stage is kept, and how often (in steps)."""

    path: Path
    every: int = 100


def new_network(spec: NetworkSpec, seed: int) -> torch.nn.Module:
    """A network with the starting weights of a seed; a dense one begins by believing that lesions are rare (RetinaNet's prior)."""
    torch.manual_seed(seed)
    network = build(spec)
    if spec.kind in {"unet", "centre"}:
        last = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv3d | torch.nn.Conv2d)][-1]
        if last.bias is not None:
            torch.nn.init.constant_(last.bias, RARE_BIAS)
    return network


def fit(
    network: torch.nn.Module,
    sample: Sampler,
    loss: Loss,
    schedule: Schedule,
    progress: Callable[[str], None],
    kept: Kept | None = None,
    watch: Watch | None = None,
) -> Fitted:
    """Train in place; the same schedule and data give the same weights on one machine, killed in between or not.

    `watch` gives the validation figure of a network in evaluation mode (higher is better): with it, the best weights are
    returned rather than the last.
    """
    process = this_process()
    torch.manual_seed(schedule.seed)
    rng = np.random.default_rng(schedule.seed if process.world == 1 else (schedule.seed, process.rank))
    _laid_out(network.to(process.device), _fast_layout(network)).train()
    parts = _Learner(network, loss, schedule.precision).to(process.device)
    optimiser = torch.optim.AdamW([p for p in parts.parameters() if p.requires_grad], lr=schedule.rate, weight_decay=1e-4)
    run = _resumed(kept, parts, optimiser, rng) or _Run(0, [], [], {})
    outer = wrapped(parts, process)
    while run.step < schedule.steps and not _tired(run, schedule):
        _set_rate(optimiser, rate_at(run.step, schedule))
        run.losses.append(_one_step(outer, parts, sample(rng), optimiser, process.device))
        run.step += 1
        _look(run, network, watch, schedule, progress)
        if kept and process.rank == 0 and (run.step % kept.every == 0 or run.step == schedule.steps):
            _keep(kept.path, run, parts, optimiser, rng)
    if run.best:
        network.load_state_dict(run.best)
    return Fitted(_laid_out(network.cpu(), torch.contiguous_format).eval(), tuple(run.losses), tuple(run.watched))


def rate_at(step: int, schedule: Schedule) -> float:
    """The learning rate of a step: a cosine up from a 25th over the first 15 %, and a cosine down to almost nothing."""
    warm = max(1.0, WARM_SHARE * schedule.steps)
    if step < warm:
        return schedule.rate * (1 + (1 - cos(pi * step / warm)) / 2 * 24) / 25
    return schedule.rate * max(1e-5, (1 + cos(pi * min(1.0, (step - warm) / max(1.0, schedule.steps - warm)))) / 2)


class _Learner(torch.nn.Module):
    """A network with its loss, so that what a loss learns is averaged over processes, clipped and kept like the rest."""

    def __init__(self, network: torch.nn.Module, loss: Loss, precision: str) -> None:
        super().__init__()
        self.network, self.loss, self.mixed = network, loss, precision == "bfloat16"

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of a batch."""
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.mixed):
            output = self.network(inputs)
        return self.loss(output.float(), targets)


def _one_step(
    outer: torch.nn.Module, parts: torch.nn.Module, batch: Batch, optimiser: torch.optim.Optimizer, device: torch.device
) -> float:
    inputs, targets = (torch.from_numpy(part).to(device) for part in batch)
    optimiser.zero_grad(set_to_none=True)
    value = outer(inputs, targets)
    value.backward()
    if torch.isfinite(torch.nn.utils.clip_grad_norm_(parts.parameters(), 5.0)):  # half precision overflows now and then
        optimiser.step()
    return float(value.detach())


def _look(run: _Run, network: torch.nn.Module, watch: Watch | None, schedule: Schedule, progress: Callable[[str], None]) -> None:
    if run.step % REPORT_EVERY == 0:
        progress(f"step {run.step} of {schedule.steps}, loss {np.mean(run.losses[-REPORT_EVERY:]):.4f}")
    if watch is None or (run.step % schedule.watch_every and run.step != schedule.steps):
        return
    figure = watch(network.eval())
    network.train()
    if not run.watched or figure >= max(value for _, value in run.watched):
        run.best = {key: value.detach().clone() for key, value in network.state_dict().items()}
    run.watched.append((run.step, figure))
    progress(f"step {run.step} of {schedule.steps}, validation {figure:.4f}")


def _tired(run: _Run, schedule: Schedule) -> bool:
    """Whether the last `patience` validation figures brought nothing better than those before."""
    figures = [figure for _, figure in run.watched]
    return len(figures) > schedule.patience and max(figures[-schedule.patience :]) < max(figures[: -schedule.patience])


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _keep(path: Path, run: _Run, parts: torch.nn.Module, optimiser: torch.optim.Optimizer, rng: np.random.Generator) -> None:
    """Weights, optimiser, both random generators and the curve, in one file that is there whole or not at all."""
    moments = {f"optimiser.{n}.{key}": value for n, state in optimiser.state_dict()["state"].items() for key, value in state.items()}
    tensors = {f"parts.{key}": value for key, value in parts.state_dict().items()} | moments
    tensors |= {f"best.{key}": value for key, value in run.best.items()} | {"torch_rng": torch.get_rng_state()}
    facts = {"step": run.step, "losses": run.losses, "watched": run.watched, "numpy_rng": rng.bit_generator.state}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".writing")
    save_file({key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}, partial, {"facts": json.dumps(facts)})
    partial.rename(path)


def _resumed(kept: Kept | None, parts: torch.nn.Module, optimiser: torch.optim.Optimizer, rng: np.random.Generator) -> _Run | None:
    if kept is None or not kept.path.is_file():
        return None
    with safe_open(kept.path, framework="pt") as stored:
        tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 - not a mapping
        facts: dict[str, Any] = json.loads(stored.metadata()["facts"])
    parts.load_state_dict(_below("parts.", tensors))
    optimiser.load_state_dict({**optimiser.state_dict(), "state": _moments(_below("optimiser.", tensors))})
    torch.set_rng_state(tensors["torch_rng"])
    rng.bit_generator.state = facts["numpy_rng"]
    return _Run(facts["step"], facts["losses"], [(int(a), float(b)) for a, b in facts["watched"]], _below("best.", tensors))


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> Tensors:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _moments(flat: Tensors) -> dict[int, Tensors]:
    """Optimiser state by parameter number, from "number.name"."""
    found: dict[int, Tensors] = {}
    for key, value in flat.items():
        number, name = key.split(".", 1)
        found.setdefault(int(number), {})[name] = value
    return found


def _fast_layout(network: torch.nn.Module) -> torch.memory_format:
    """Channels last: a third faster to train on CPU, the same numbers to rounding."""
    volumetric = any(parameter.ndim == 5 for parameter in network.parameters())
    return torch.channels_last_3d if volumetric else torch.channels_last


def _laid_out(network: torch.nn.Module, layout: torch.memory_format) -> torch.nn.Module:
    for parameter in network.parameters():
        if parameter.ndim >= 4:
            parameter.data = parameter.data.contiguous(memory_format=layout if _fits(parameter, layout) else torch.contiguous_format)
    return network


def _fits(parameter: torch.nn.Parameter, layout: torch.memory_format) -> bool:
    dims = {torch.channels_last: 4, torch.channels_last_3d: 5}
    return dims.get(layout, parameter.ndim) == parameter.ndim
