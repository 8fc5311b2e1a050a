"""Losses for rare positives, from MONAI."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.losses import DiceLoss, FocalLoss

FEWEST_VOXELS = 500

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def rare_class() -> Loss:
    """Focal loss on one logit a sample: easy negatives hardly count (Lin et al. 2017, gamma 2)."""
    focal: Loss = FocalLoss(gamma=2.0, alpha=0.6)
    return focal


def rare_voxels() -> Loss:
    """Focal loss over the number of lesion voxels, as in RetinaNet, plus Dice over the whole batch.

    A plain mean would let a few hundred lesion voxels vanish among a million others (MONAI averages over space even
    where it is asked for a sum).
    """
    focal = FocalLoss(gamma=2.0, alpha=0.75)
    dice = DiceLoss(sigmoid=True, batch=True, smooth_nr=1.0, smooth_dr=1.0)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        weight = target.numel() / torch.clamp(target.sum(), min=FEWEST_VOXELS)
        total: torch.Tensor = focal(output, target) * weight + dice(output, target)
        return total

    return loss
