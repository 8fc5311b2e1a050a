"""Where the network looked, in 2D and 3D: HiResCAM (Draelos & Carin, arXiv 2011.08891) and MONAI's Grad-CAM (Selvaraju et al., ICCV 2017).

A nodule is a few voxels wide, so the layer matters: of a 32-voxel patch the layer before pooling keeps 2 x 2 x 2 cells.
Grad-CAM averages the gradient over the whole patch and needs a deep layer for its weights to mean anything; HiResCAM
multiplies gradient and activation place by place and stays faithful in the first block, at 16 x 16 x 16. On small
blobs beside tubes HiResCAM in "layer1" points right where Grad-CAM in its best layer ("layer2") often does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad.errors import ModelError

if TYPE_CHECKING:
    import torch

GRADCAM_LAYER = "layer2"
HIRESCAM_LAYER = "layer1"


def gradcam_3d(
    network: torch.nn.Module, patch: NDArray[np.float32], layer: str = GRADCAM_LAYER, class_index: int = 0
) -> NDArray[np.float32]:
    """How much each voxel's surroundings speak for class `class_index`: float32 in [0, 1], spatial shape of the patch.

    `patch` is float32 (d, h, w), or (c, d, h, w) for several channels; for a network of two dimensions (h, w) or
    (c, h, w). `layer` is a module's name. A map without any positive gradient is all zero. Weights and mode stay as they
    were. Raises ModelError for an unknown layer or a patch of the wrong number of dimensions.
    """
    import torch
    from monai.visualize import GradCAM

    _module(network, layer)
    batch = as_batch(network, patch)
    with torch.enable_grad():
        camera = GradCAM(network, target_layers=layer, postprocessing=lambda x: x)  # MONAI's own normaliser turns the map upside down
        raw = camera(batch, class_idx=class_index)
    network.zero_grad(set_to_none=True)
    return _unit(torch.as_tensor(raw).detach().cpu().numpy()[0, 0])


def hirescam_3d(
    network: torch.nn.Module, patch: NDArray[np.float32], layer: str = HIRESCAM_LAYER, class_index: int = 0
) -> NDArray[np.float32]:
    """The same contract as `gradcam_3d`, with gradient times activation summed over channels place by place."""
    import torch
    from torch.nn.functional import interpolate

    kept: list[torch.Tensor] = []
    hook = _module(network, layer).register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        with torch.enable_grad():
            batch = as_batch(network, patch).requires_grad_()
            logit = network(batch)[0, class_index]
            gradient = torch.autograd.grad(logit, kept[0])[0]
    finally:
        hook.remove()
    evidence = (gradient * kept[0]).sum(dim=1, keepdim=True).detach()
    mode = "trilinear" if evidence.ndim == 5 else "bilinear"
    return _unit(interpolate(evidence, size=batch.shape[2:], mode=mode, align_corners=False).cpu().numpy()[0, 0])


def as_batch(network: torch.nn.Module, patch: NDArray[np.float32]) -> torch.Tensor:
    """The patch as a batch of one, (1, c, ...) float32, on the network's device. Raises ModelError when it does not fit."""
    import torch

    from cad.availability import channels_of

    weight = next(parameter for parameter in network.parameters() if parameter.ndim > 2)
    spatial, channels = weight.ndim - 2, channels_of(network)
    tensor = torch.tensor(np.ascontiguousarray(patch), dtype=torch.float32, device=weight.device)  # a copy: volumes are read-only
    if tensor.ndim == spatial:
        tensor = tensor[None]
    if tensor.ndim != spatial + 1 or tensor.shape[0] != channels:
        raise ModelError(
            f"patch has shape {tuple(patch.shape)}", subject="patch", accepted=f"{channels} channel(s) over {spatial} spatial dimensions"
        )
    return tensor[None]


def _module(network: torch.nn.Module, layer: str) -> torch.nn.Module:
    modules: dict[str, torch.nn.Module] = dict(network.named_modules())
    if layer not in modules or not layer:
        raise ModelError(f"has no layer {layer!r}", subject="network", accepted=", ".join(n for n in modules if n and "." not in n))
    return modules[layer]


def _unit(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Negative evidence cut off, the rest scaled to a maximum of 1."""
    positive = np.maximum(raw, 0)
    top = float(positive.max())
    return np.asarray(positive / top if top > 0 else positive, dtype=np.float32)
