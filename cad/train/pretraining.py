"""Self-supervised pre-training: a map network fills in blocks that were blanked out of unlabelled crops (masked reconstruction)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from cad.centre_net import CELL
from cad.train.augment import anywhere, cut_all
from cad.train.centres import Scenes
from cad.train.loop import RARE_BIAS, Batch, Kept, Schedule, fit

BLANK_VOXELS = 8
BLANK_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """Blocks with half of their 8-voxel cubes blanked; the target is the image itself at the map's resolution, and where to look."""

    scenes: Scenes
    voxels: int = 48
    batch: int = 6

    def __call__(self, rng: np.random.Generator) -> Batch:
        """(batch, sequences, d, h, w) blanked and (batch, 2, d/2, h/2, w/2): image, blanked."""
        images, targets = zip(*(self._draw(rng) for _ in range(self.batch)), strict=True)
        return np.stack(images), np.stack(targets)

    def _draw(self, rng: np.random.Generator) -> Batch:
        case = int(rng.integers(len(self.scenes.images)))
        image = cut_all(self.scenes.images[case], anywhere(self.scenes.regions[case], rng) - self.voxels // 2, (self.voxels,) * 3)
        blank = rng.random((self.voxels // BLANK_VOXELS,) * 3) < BLANK_SHARE
        hidden = np.kron(blank, np.ones((BLANK_VOXELS,) * 3, dtype=bool))
        half = self.voxels // CELL
        seen = image.mean(axis=0).reshape(half, CELL, half, CELL, half, CELL).mean(axis=(1, 3, 5))
        target = np.stack([seen, np.kron(blank, np.ones((BLANK_VOXELS // CELL,) * 3))])
        return np.where(hidden, 0, image).astype(np.float32), target.astype(np.float32)


def pretrained(
    network: torch.nn.Module, scenes: Scenes, schedule: Schedule, say: Callable[[str], None], kept: Kept | None
) -> torch.nn.Module:
    """The network with features that reconstruct; its last layer begins anew, believing that lesions are rare."""
    fitted = fit(network, Masked(scenes), _hidden_error, schedule, lambda text: say(f"pre-training: {text}"), kept).network
    head = [layer for layer in fitted.modules() if isinstance(layer, torch.nn.Conv3d | torch.nn.Conv2d)][-1]
    torch.manual_seed(schedule.seed)
    head.reset_parameters()
    if head.bias is not None:
        torch.nn.init.constant_(head.bias, RARE_BIAS)
    return fitted


def _hidden_error(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    hidden = target[:, 1]
    return (torch.abs(output[:, 0] - target[:, 0]) * hidden).sum() / hidden.sum().clamp(min=1)
