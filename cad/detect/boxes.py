"""Boxes from a RetinaNet's maps, by MONAI's own detector; overlapping ones are suppressed with a KD-tree instead of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cad.backends import Float32Array

if TYPE_CHECKING:
    from monai.apps.detection.utils.box_selector import BoxSelector


@dataclass(frozen=True, slots=True)
class BoxRule:
    """How maps become boxes: the anchors the network was trained with, and which boxes stay."""

    anchor_shapes: tuple[tuple[int, int, int], ...]
    feature_map_scales: tuple[int, ...]
    score_threshold: float = 0.02
    overlap: float = 0.22
    per_level: int = 1000
    most: int = 300
    roi: tuple[int, int, int] = (192, 192, 80)
    roi_overlap: float = 0.25


def find_boxes(network: torch.nn.Module, image: Float32Array, rule: BoxRule) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 6) boxes in index coordinates (low corner, high corner) and (n,) scores in [0, 1], best first.

    `image` (axis 0, axis 1, axis 2) float32 is on the network's own grid. An image larger than `rule.roi` is seen in windows.
    The network tells one class; gradients are not kept.
    """
    from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
    from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape

    detector = RetinaNetDetector(network, AnchorGeneratorWithAnchorShape(rule.feature_map_scales, rule.anchor_shapes))
    detector.box_selector = _selector(rule)
    detector.set_target_keys("box", "label")
    detector.set_sliding_window_inferer(rule.roi, 1, rule.roi_overlap, mode="gaussian")
    with torch.inference_mode():
        (found,) = detector.eval()([torch.from_numpy(image)[None]], use_inferer=any(np.greater(image.shape, rule.roi)))
    return found["box"].double().numpy(), found["label_scores"].double().numpy()


def suppressed(boxes: NDArray[np.float64], scores: NDArray[np.float64], overlap: float) -> NDArray[np.int_]:
    """Indices of the boxes that stay, best first: each box more than `overlap` (intersection over union) with a better one goes.

    `boxes` (n, 6) are low and high corners. The same answer as the plain loop over all pairs; only boxes whose middles lie
    within the largest box of each other are compared.
    """
    if not len(boxes):
        return np.zeros(0, dtype=int)
    order = np.argsort(-scores, kind="stable")
    low, high = boxes[order, :3], boxes[order, 3:]
    tree = cKDTree((low + high) / 2)
    near = tree.query_ball_point((low + high) / 2, r=float((high - low).max()), p=np.inf, return_sorted=True)
    gone = np.zeros(len(order), dtype=bool)
    for n, others in enumerate(near):
        if not gone[n]:
            later = np.asarray([m for m in others if m > n and not gone[m]], dtype=int)
            gone[later[_overlap(low[n], high[n], low[later], high[later]) > overlap]] = True
    return np.asarray(order[~gone], dtype=int)


def _selector(rule: BoxRule) -> BoxSelector:
    """MONAI's selection with `suppressed` in place of its loop, which takes seconds for a few thousand boxes."""
    from monai.apps.detection.utils.box_selector import BoxSelector
    from monai.data.box_utils import clip_boxes_to_image

    class Selector(BoxSelector):  # type: ignore[misc]
        """See `_selector`."""

        def select_boxes_per_image(
            self, boxes_list: list[torch.Tensor], logits_list: list[torch.Tensor], spatial_size: Sequence[int]
        ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            """Boxes, scores and labels of one image, best first; arguments by pyramid level."""
            kept = []
            for boxes, logits in zip(boxes_list, logits_list, strict=True):
                best, scores, _ = self.select_top_score_idx_per_level(logits)
                inside, there = clip_boxes_to_image(boxes[best], spatial_size, remove_empty=True)
                kept.append((inside, scores[there]))
            every, score = (torch.cat(part) for part in zip(*kept, strict=True))
            stay = torch.from_numpy(suppressed(every.double().numpy(), score.double().numpy(), rule.overlap)[: rule.most])
            return every[stay], score[stay], torch.zeros(len(stay), dtype=torch.long)

    return Selector(score_thresh=rule.score_threshold, topk_candidates_per_level=rule.per_level)


def _overlap(
    low: NDArray[np.float64], high: NDArray[np.float64], lows: NDArray[np.float64], highs: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Intersection over union of one box with many."""
    shared = np.clip(np.minimum(high, highs) - np.maximum(low, lows), 0, None).prod(axis=1)
    union = (high - low).prod() + (highs - lows).prod(axis=1) - shared
    return np.asarray(shared / np.maximum(union, 1e-12))
