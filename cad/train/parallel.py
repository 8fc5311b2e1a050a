"""Which process of how many this is, on which device: one on a CPU, or one of several under `torchrun`."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True, slots=True)
class Process:
    """Rank among `world` processes, and its device."""

    rank: int
    world: int
    device: torch.device


def this_process() -> Process:
    """Joins the group that `torchrun` announces in the environment (NCCL on GPUs, else Gloo); alone without it."""
    gpu = torch.cuda.is_available()
    if "WORLD_SIZE" in os.environ and not distributed.is_initialized() and int(os.environ["WORLD_SIZE"]) > 1:
        distributed.init_process_group("nccl" if gpu else "gloo")
    rank = distributed.get_rank() if distributed.is_initialized() else 0
    world = distributed.get_world_size() if distributed.is_initialized() else 1
    local = int(os.environ.get("LOCAL_RANK", rank))
    return Process(rank, world, torch.device("cuda", local) if gpu else torch.device("cpu"))


def wrapped(network: torch.nn.Module, process: Process) -> torch.nn.Module:
    """The network itself, or one whose gradients are averaged over all processes."""
    if process.world == 1:
        return network
    return torch.nn.parallel.DistributedDataParallel(network, device_ids=[process.device.index] if process.device.type == "cuda" else None)
