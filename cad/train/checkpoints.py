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
        path = self._file(name)
        if path.is_file():
            return _read(path, spec)
        fitted = train()
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        curves = {"losses": json.dumps(fitted.losses), "watched": json.dumps(fitted.watched)}
        partial.write_bytes(save({key: value.contiguous() for key, value in fitted.network.state_dict().items()}, metadata=curves))
        partial.rename(path)
        for running in self.folder.glob(f"{name}-*-running.safetensors"):
            running.unlink()
        return fitted

    def running(self, name: str) -> Path:
        """Where the steps of a stage that is not finished are kept."""
        return self.folder / f"{name}-{self._digest()}-running.safetensors"

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}-{self._digest()}.safetensors"

    def _digest(self) -> str:
        return hashlib.sha256(self.identity.encode()).hexdigest()[:16]


def _read(path: Path, spec: NetworkSpec) -> Fitted:
    with safe_open(path, framework="pt") as stored:
        state: dict[str, torch.Tensor] = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 - not a mapping
        losses, watched = (json.loads(stored.metadata()[key]) for key in ("losses", "watched"))
    network = build(spec)
    network.load_state_dict(state)
    return Fitted(network.eval(), tuple(losses), tuple((int(step), float(figure)) for step, figure in watched))
