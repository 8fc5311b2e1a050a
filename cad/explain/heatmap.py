"""Where the network looked: Grad-CAM (Selvaraju et al., ICCV 2017) in 2D and 3D, by MONAI.

The default layer is the last one that still has eight steps along a 32-voxel patch: the layer before pooling would
give a map of 2 x 2 x 2 cells, too coarse to point at a nodule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad.errors import ModelError

if TYPE_CHECKING:
    import torch

DEFAULT_LAYER = "layer2"


def gradcam_3d(
    network: torch.nn.Module, patch: NDArray[np.float32], layer: str = DEFAULT_LAYER, class_index: int = 0
) -> NDArray[np.float32]:
    """How much each voxel's surroundings speak for class `class_index`: float32 in [0, 1], spatial shape of the patch.

    `patch` is float32 (d, h, w), or (c, d, h, w) for several channels; for a network of two dimensions (h, w) or
    (c, h, w). `layer` is a module's name. A map without any positive gradient is all zero. Weights and mode stay as they
    were. Raises ModelError for an unknown layer or a patch of the wrong number of dimensions.
    """
    import torch
    from monai.visualize import GradCAM

    names = [name for name, _ in network.named_modules()]
    if layer not in names:
        raise ModelError(f"has no layer {layer!r}", subject="network", accepted=", ".join(n for n in names if n and "." not in n))
    batch = as_batch(network, patch)
    with torch.enable_grad():
        camera = GradCAM(network, target_layers=layer, postprocessing=lambda x: x)  # MONAI's own normaliser turns the map upside down
        raw = camera(batch, class_idx=class_index)
    network.zero_grad(set_to_none=True)
    return _unit(torch.as_tensor(raw).detach().cpu().numpy()[0, 0])


def as_batch(network: torch.nn.Module, patch: NDArray[np.float32]) -> torch.Tensor:
    """The patch as a batch of one, (1, c, ...) float32, on the network's device. Raises ModelError when it does not fit."""
    import torch

    weight = next(parameter for parameter in network.parameters() if parameter.ndim > 2)
    spatial, channels = weight.ndim - 2, weight.shape[1]
    tensor = torch.as_tensor(np.ascontiguousarray(patch), dtype=torch.float32, device=weight.device)
    if tensor.ndim == spatial:
        tensor = tensor[None]
    if tensor.ndim != spatial + 1 or tensor.shape[0] != channels:
        raise ModelError(
            f"patch has shape {tuple(patch.shape)}", subject="patch", accepted=f"{channels} channel(s) over {spatial} spatial dimensions"
        )
    return tensor[None]


def _unit(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Negative evidence cut off, the rest scaled to a maximum of 1."""
    positive = np.maximum(raw, 0)
    top = float(positive.max())
    return np.asarray(positive / top if top > 0 else positive, dtype=np.float32)
