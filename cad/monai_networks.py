"""Networks that others trained with MONAI, built from a definition of plain values by names from a closed list.

A definition is what a bundle's configuration calls `network_def`: {"_target_": name, argument: value, ...}, values may be
definitions themselves. Nothing in it is evaluated, and a name outside the list is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import torch

from cad.errors import ModelError

PYRAMID_CHANNELS = 256
_NETS = "monai.networks.nets"
_RESNET = f"{_NETS}.resnet"
_PLACES = {
    **dict.fromkeys(("UNet", "BasicUNet", "DynUNet", "SegResNet", "VNet", "AttentionUnet", "UNETR", "SwinUNETR"), _NETS),
    **dict.fromkeys(("resnet10", "resnet18", "resnet34", "resnet50", "resnet101"), _RESNET),
    "RetinaNet": "monai.apps.detection.networks.retinanet_network",
}


def known_networks() -> tuple[str, ...]:
    """Names a definition may use."""
    return (*sorted(_PLACES), "resnet_fpn_feature_extractor")


def built(definition: Mapping[str, Any]) -> torch.nn.Module:
    """The network of a definition, with starting weights. Raises ModelError for a name outside the list or arguments it does not take."""
    name, arguments = str(definition.get("_target_", "")).rpartition(".")[2], _arguments(definition)
    make = _maker(name)
    try:
        network: torch.nn.Module = make(**arguments)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"cannot be built ({type(error).__name__})", subject=name, accepted="the arguments MONAI gives it") from error
    return network


class ResNetPyramid(torch.nn.Module):
    """A ResNet's first levels under a feature pyramid, with the parameter names of MONAI's `resnet_fpn_feature_extractor`.

    MONAI's own takes torchvision for picking the levels, which no CPU build of PyTorch can import everywhere.
    """

    def __init__(
        self, backbone: Any, returned_layers: tuple[int, ...] = (1, 2, 3), spatial_dims: int = 3, channels: int = PYRAMID_CHANNELS
    ) -> None:
        from monai.networks.blocks.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

        super().__init__()
        last = f"layer{max(returned_layers)}"
        names = [name for name, _ in backbone.named_children()]
        self.body = torch.nn.ModuleDict({name: getattr(backbone, name) for name in names[: names.index(last) + 1]})
        self.levels = tuple(f"layer{k}" for k in returned_layers)
        widths = [backbone.in_planes // 8 * 2 ** (k - 1) for k in returned_layers]
        self.fpn = FeaturePyramidNetwork(spatial_dims, widths, channels, extra_blocks=LastLevelMaxPool(spatial_dims))
        self.out_channels = channels

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """The pyramid's maps by level, finest first."""
        found = {}
        for name, layer in self.body.items():
            image = layer(image)
            if name in self.levels:
                found[str(self.levels.index(name))] = image
        pyramid: dict[str, torch.Tensor] = self.fpn(found)
        return pyramid


def _pyramid(backbone: torch.nn.Module, spatial_dims: int = 3, returned_layers: tuple[int, ...] = (1, 2, 3), **_: object) -> ResNetPyramid:
    return ResNetPyramid(backbone, tuple(returned_layers), spatial_dims)


def _maker(name: str) -> Callable[..., torch.nn.Module]:
    if name == "resnet_fpn_feature_extractor":
        return _pyramid
    if name not in _PLACES:
        raise ModelError(f"{name[:64]!r} is not a network that may be built", subject="network_def", accepted=", ".join(known_networks()))
    made: Callable[..., torch.nn.Module] = getattr(import_module(_PLACES[name]), name)
    return made


def _arguments(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _value(value) for key, value in definition.items() if not key.startswith("_")}


def _value(value: Any) -> Any:
    return built(value) if isinstance(value, Mapping) and "_target_" in value else value
