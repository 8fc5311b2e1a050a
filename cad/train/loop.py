"""The loop: seeded, single precision on CPU, AdamW under a one-cycle schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cad.networks import NetworkSpec, build
from cad.train.losses import Loss

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]
Sampler = Callable[[np.random.Generator], Batch]
REPORT_EVERY = 25
RARE_BIAS = -4.0


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A trained network (evaluation mode) and its loss curve."""

    network: torch.nn.Module
    losses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Optimiser steps, the seed of weights-independent randomness, and the peak learning rate."""

    steps: int
    seed: int
    rate: float = 5e-3


def new_network(spec: NetworkSpec, seed: int) -> torch.nn.Module:
    """A network with the starting weights of a seed; a dense one begins by believing that lesions are rare (RetinaNet's prior)."""
    torch.manual_seed(seed)
    network = build(spec)
    if spec.kind == "unet":
        last = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv3d | torch.nn.Conv2d)][-1]
        if last.bias is not None:
            torch.nn.init.constant_(last.bias, RARE_BIAS)
    return network


def fit(network: torch.nn.Module, sample: Sampler, loss: Loss, schedule: Schedule, progress: Callable[[str], None]) -> Fitted:
    """Train in place; the same schedule and data give the same weights on one machine."""
    torch.manual_seed(schedule.seed)
    rng = np.random.default_rng(schedule.seed)
    steps = schedule.steps
    optimiser = torch.optim.AdamW(network.parameters(), lr=schedule.rate, weight_decay=1e-4)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=schedule.rate, total_steps=max(2, steps), pct_start=0.15)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    _laid_out(network.to(device), _fast_layout(network)).train()
    losses = []
    for step in range(steps):
        inputs, targets = (torch.from_numpy(part).to(device) for part in sample(rng))
        optimiser.zero_grad(set_to_none=True)
        value = loss(network(inputs), targets)
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        rates.step()
        losses.append(float(value.detach()))
        if step % REPORT_EVERY == REPORT_EVERY - 1:
            progress(f"step {step + 1} of {steps}, loss {np.mean(losses[-REPORT_EVERY:]):.4f}")
    return Fitted(_laid_out(network.cpu(), torch.contiguous_format).eval(), tuple(losses))


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
