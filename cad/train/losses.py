"""Losses for rare positives: dense outlines, one logit a sample, and maps of lesion centres, each by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.losses import DiceLoss, FocalLoss
from torch import nn

FEWEST_VOXELS = 500
POSITIVE = 0.7  # a cell of a centre map at or above this is a lesion; below, the nearer to a centre the less it counts
NEGATIVES_EACH = 20
FEWEST_NEGATIVES = 100

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
LOSSES = ("focal", "cross-entropy", "hard-negatives")


def rare_class(kind: str = "focal") -> Loss:
    """Loss on one logit a sample: focal lets easy negatives hardly count (Lin et al. 2017, gamma 2)."""
    chosen: Loss = FocalLoss(gamma=2.0, alpha=0.6) if kind == "focal" else nn.BCEWithLogitsLoss()
    return chosen


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


def with_doubt(share: float = 0.5) -> Loss:
    """Of a number (n, 1) beside an output (n, 2) of its mean and the logarithm of its variance: the Gaussian's negative log-likelihood.

    Weighed by the variance to the power `share`, without which what is hard to tell would hardly be learnt (Seitzer et al., ICLR 2022).
    """

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        mean, log_variance = output[:, :1], output[:, 1:].clamp(-8, 4)
        each = 0.5 * (log_variance + (target - mean) ** 2 * torch.exp(-log_variance))
        return (each * torch.exp(share * log_variance).detach()).mean()

    return loss


def rare_centres(kind: str) -> Loss:
    """Loss of a centre map (n, 1, ...) against Gaussians of height 1, over the number of positive cells.

    "focal" is CornerNet's penalty-reduced focal loss (Law and Deng 2018); "cross-entropy" the same without the focus;
    "hard-negatives" cross-entropy over the positives and the negatives that look most like them (MONAI's sampler).
    """
    return {"focal": _focal_centres, "cross-entropy": _plain_centres, "hard-negatives": _sampled_centres}[kind]


class WithDistance(nn.Module):
    """The centre loss on channel 0 plus a smooth L1 on channel 1, the distance map of lesions, weighted by learned
    uncertainties (Kendall, Gal and Cipolla 2018): exp(-s) * loss + s for each."""

    def __init__(self, centres: Loss) -> None:
        super().__init__()
        self.centres = centres
        self.log_variances = nn.Parameter(torch.zeros(2))

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """One number; `output` and `target` are (n, 2, ...)."""
        distance, inside = nn.functional.smooth_l1_loss(output[:, 1], target[:, 1], reduction="none"), target[:, 1] > 0
        geometry = (distance * inside).sum() / inside.sum().clamp(min=1) + (distance * ~inside).mean()
        parts = torch.stack([self.centres(output[:, :1], target[:, :1]), geometry])
        return (torch.exp(-self.log_variances) * parts + self.log_variances).sum()


def _focal_centres(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    share, positive = torch.sigmoid(output), target >= POSITIVE
    hits = torch.where(positive, (1 - share) ** 2 * nn.functional.softplus(-output), 0)
    alarms = torch.where(positive, 0, (1 - target) ** 4 * share**2 * nn.functional.softplus(output))
    return (hits.sum() + alarms.sum()) / positive.sum().clamp(min=1)


def _plain_centres(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    positive = target >= POSITIVE
    hits = torch.where(positive, nn.functional.softplus(-output), 0)
    alarms = torch.where(positive, 0, (1 - target) ** 4 * nn.functional.softplus(output))
    return (hits.sum() + alarms.sum()) / positive.sum().clamp(min=1)


def _sampled_centres(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    from monai.apps.detection.utils.hard_negative_sampler import HardNegativeSamplerBase

    flat, truth = output.flatten(), target.flatten()
    positive, negative = torch.nonzero(truth >= POSITIVE)[:, 0], torch.nonzero(truth < POSITIVE / 4)[:, 0]
    wanted = max(FEWEST_NEGATIVES, NEGATIVES_EACH * len(positive))
    sampler = HardNegativeSamplerBase(pool_size=4)
    hard = sampler.select_negatives(negative, wanted, torch.sigmoid(flat.detach().float())).bool()
    hits, alarms = nn.functional.softplus(-flat[positive]), nn.functional.softplus(flat[hard])
    return (hits.sum() + alarms.sum()) / max(1, len(positive))
