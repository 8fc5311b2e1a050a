"""Boxes: the KD-tree keeps what the plain loop keeps, and our detector says what MONAI's own says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape
from monai.data.box_utils import non_max_suppression

from cad.detect.boxes import BoxRule, find_boxes, suppressed
from cad.errors import ModelError
from cad.monai_networks import built

RETINA = {
    "_target_": "monai.apps.detection.networks.retinanet_network.RetinaNet",
    "spatial_dims": 3,
    "num_classes": 1,
    "num_anchors": 2,
    "size_divisible": [8, 8, 8],
    "feature_extractor": {
        "_target_": "resnet_fpn_feature_extractor",
        "backbone": {
            "_target_": "resnet10",
            "spatial_dims": 3,
            "n_input_channels": 1,
            "conv1_t_stride": [1, 1, 1],
            "conv1_t_size": [3, 3, 3],
            "widen_factor": 0.0625,
        },
        "spatial_dims": 3,
        "returned_layers": [1],
    },
}
SHAPES, SCALES = ((6, 8, 4), (8, 6, 5)), (1, 2)


@pytest.mark.parametrize("overlap", [0.1, 0.22, 0.5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_suppression_keeps_what_the_plain_loop_keeps(seed, overlap):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 60, (400, 3))
    boxes = np.concatenate([low, low + rng.uniform(2, 15, (400, 3))], axis=1)
    scores = rng.random(400)
    expected = non_max_suppression(torch.from_numpy(boxes), torch.from_numpy(scores), overlap).numpy()
    np.testing.assert_array_equal(suppressed(boxes, scores, overlap), expected)


def test_no_boxes_stay_none():
    assert suppressed(np.zeros((0, 6)), np.zeros(0), 0.2).shape == (0,)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(4)
    made = built(RETINA).eval()
    with torch.no_grad():  # starting weights call nothing a lesion; here every anchor has an opinion
        for name, weight in made.named_parameters():
            if name.startswith("classification_head.cls_logits"):
                weight.normal_(0, 0.05)
    return made


@pytest.mark.parametrize("shape", [(24, 16, 16), (40, 24, 16)])
def test_our_detector_says_what_monais_own_says(network, shape):
    """In one window and in several: the same boxes, the same scores, in the same order."""
    rule = BoxRule(SHAPES, SCALES, score_threshold=0.3, overlap=0.22, per_level=200, most=50, roi=(24, 16, 16))
    image = np.random.default_rng(5).random(shape, dtype=np.float32)
    peer = RetinaNetDetector(network, AnchorGeneratorWithAnchorShape(SCALES, SHAPES)).eval()
    peer.set_box_selector_parameters(score_thresh=0.3, topk_candidates_per_level=200, nms_thresh=0.22, detections_per_img=50)
    peer.set_target_keys("box", "label")
    peer.set_sliding_window_inferer((24, 16, 16), 1, 0.25, mode="gaussian")
    with torch.inference_mode():
        (expected,) = peer([torch.from_numpy(image)[None]], use_inferer=any(np.greater(shape, (24, 16, 16))))
    boxes, scores = find_boxes(network, image, rule)
    assert len(boxes) > 5
    np.testing.assert_allclose(boxes, expected["box"].numpy(), atol=1e-4)
    np.testing.assert_allclose(scores, expected["label_scores"].numpy(), atol=1e-6)


@pytest.mark.parametrize("name", ["os.system", "torch.load", "builtins.eval", "", "Compose"])
def test_only_networks_of_the_list_are_built(name):
    with pytest.raises(ModelError, match="not a network that may be built"):
        built({"_target_": name, "command": "true"})


def test_arguments_a_network_does_not_take_are_said():
    with pytest.raises(ModelError, match="UNet: cannot be built"):
        built({"_target_": "UNet", "colour": "red"})
