"""Losses for rare positives, from MONAI."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.losses import DiceFocalLoss, FocalLoss

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def rare_class() -> Loss:
    """Focal loss on one logit a sample: easy negatives hardly count (Lin et al. 2017, gamma 2)."""
    focal: Loss = FocalLoss(gamma=2.0, alpha=0.6)
    return focal


def rare_voxels() -> Loss:
    """Dice over the whole batch, so that empty patches count, plus focal loss weighted up for lesions of a few voxels."""
    loss: Loss = DiceFocalLoss(sigmoid=True, batch=True, gamma=2.0, lambda_focal=10.0, smooth_nr=1.0, smooth_dr=1.0)
    return loss
