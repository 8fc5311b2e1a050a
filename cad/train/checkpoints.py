"""Finished stages on disk, so that a training killed at any moment goes on to the same result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

from cad.networks import NetworkSpec, build
from cad.train.loop import Fitted


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """One file a finished stage in `folder`; `identity` is everything that decides a result (recipe and data)."""

    folder: Path
    identity: str

    def stage(self, name: str, spec: NetworkSpec, train: Callable[[], Fitted]) -> Fitted:
        """The stage as it was finished before, or trained now and kept."""
        path = self.folder / f"{name}-{hashlib.sha256(self.identity.encode()).hexdigest()[:16]}.safetensors"
        if path.is_file():
            return _read(path, spec)
        fitted = train()
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_bytes(save(fitted.network.state_dict(), metadata={"losses": json.dumps(fitted.losses)}))
        partial.rename(path)
        return fitted


def _read(path: Path, spec: NetworkSpec) -> Fitted:
    with safe_open(path, framework="pt") as stored:
        state: dict[str, torch.Tensor] = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 - not a mapping
        losses = json.loads((stored.metadata() or {})["losses"])
    network = build(spec)
    network.load_state_dict(state)
    return Fitted(network.eval(), tuple(losses))
