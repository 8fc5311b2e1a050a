"""The field's usual detector as a peer for the centre maps: MONAI's RetinaNet with its ATSS matcher and hard-negative sampler.

Pyramid and heads have 64 channels (256 take 12 times the work) and see the same blocks of 1.5 mm voxels; its finest map has
half their resolution, like the centre map's. It trains on a processor without torchvision.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import torch
from monai.apps.detection.networks import retinanet_detector
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.apps.detection.networks.retinanet_network import RetinaNet
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape
from monai.networks.nets.resnet import ResNet, ResNetBlock
from numpy.typing import NDArray

from cad.detect.boxes import BoxRule, find_boxes
from cad.monai_networks import ResNetPyramid
from cad.score.match import ScanMatch
from cad.tasks.validating import against_lesions
from cad.train.augment import cut_all, intensity
from cad.train.centres import Scenes, focus
from cad.train.dataset import TrainingCase

CHANNELS, BLOCK, BATCH, RATE = 64, 48, 4, 1e-3
RULE = BoxRule(((3, 3, 3), (4, 4, 4)), (1, 2, 4), score_threshold=0.02, roi=(96, 96, 96), roi_overlap=0.125)  # boxes of 4.5 to 24 mm
LEAST_EDGE = 2.0


if importlib.util.find_spec("torchvision") is None:
    # MONAI asks whether its matcher and sampler are torchvision's, and fails where there is none: they are not.
    retinanet_detector.Matcher = type("Matcher", (), {})
    retinanet_detector.BalancedPositiveNegativeSampler = type("BalancedPositiveNegativeSampler", (), {})


def detector(seed: int, channels: int = CHANNELS) -> RetinaNetDetector:
    """With starting weights, ready to learn."""
    torch.manual_seed(seed)
    widths = [16, 32, 64, 128]
    backbone = ResNet(ResNetBlock, [1, 1, 1, 1], widths, n_input_channels=1, conv1_t_size=3, conv1_t_stride=2, no_max_pool=True)
    pyramid = ResNetPyramid(backbone, (1, 2), channels=channels)
    network = RetinaNet(3, 1, len(RULE.anchor_shapes), pyramid, size_divisible=8)
    made = RetinaNetDetector(network, AnchorGeneratorWithAnchorShape(RULE.feature_map_scales, RULE.anchor_shapes))
    made.set_target_keys("box", "label")
    made.set_atss_matcher(num_candidates=4, center_in_gt=False)
    made.set_hard_negative_sampler(batch_size_per_image=64, positive_fraction=0.5, pool_size=20, min_neg=16)
    return made


def learn(made: RetinaNetDetector, scenes: Scenes, steps: int, seed: int, block: int = BLOCK, batch: int = BATCH) -> tuple[float, ...]:
    """Train in place under one cycle of AdamW; returns the loss of each step."""
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(made.network.parameters(), lr=RATE, weight_decay=1e-4)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1, pct_start=0.15)
    losses = []
    made.train()
    for _ in range(steps):
        images, targets = zip(*(_block(scenes, rng, n % 2 == 0, block) for n in range(batch)), strict=True)
        parts = made(list(images), list(targets))
        loss = parts["classification"] + parts["box_regression"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(made.network.parameters(), 5.0)
        optimiser.step()
        cycle.step()
        losses.append(float(loss.detach()))
    return tuple(losses)


def matched(case: TrainingCase, made: RetinaNetDetector) -> ScanMatch:
    """Its boxes of one scan against the lesions: a box hits where its middle does."""
    boxes, scores = find_boxes(made.network.eval(), np.asarray(case.seen.image.voxels, dtype=np.float32), RULE)
    middles = (boxes[:, :3] + boxes[:, 3:]) / 2 - 0.5
    places = ((float(z), float(y), float(x)) for z, y, x in case.seen.image.grid.to_mm(middles))
    return against_lesions(case, list(zip(places, scores.tolist(), strict=True)))


def _block(scenes: Scenes, rng: np.random.Generator, positive: bool, edge: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A block, turned at random, and the boxes of the lesions whose middle lies in it."""
    case = scenes.draw(rng, positive)
    spots = scenes.spots[case]
    start = focus(scenes, case, rng, positive, edge // 3) - edge // 2
    image = intensity(cut_all(scenes.images[case], start, (edge,) * 3), rng)
    boxes = np.array([_box(np.subtract(spot.centre, start), spot.diameter) for spot in spots if spot.diameter > 0]).reshape(-1, 6)
    centres = (boxes[:, :3] + boxes[:, 3:]) / 2
    boxes = boxes[((centres > 0) & (centres < edge)).all(axis=1)].clip(0, edge)
    for axis in (axis for axis in range(3) if rng.random() < 0.5):
        image = np.flip(image, axis + 1)
        boxes[:, [axis, axis + 3]] = edge - boxes[:, [axis + 3, axis]]
    return torch.from_numpy(image.copy()), {
        "box": torch.from_numpy(boxes.astype(np.float32)),
        "label": torch.zeros(len(boxes), dtype=torch.long),
    }


def _box(centre: NDArray[np.float64], diameter: float) -> NDArray[np.float64]:
    """Low and high corner; voxel n reaches from n to n + 1."""
    half = max(diameter, LEAST_EDGE) / 2
    return np.concatenate([centre + 0.5 - half, centre + 0.5 + half])
