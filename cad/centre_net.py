"""A small U-Net that maps where lesions are centred, at half its input's resolution (CenterNet's idea: Zhou et al. 2019).

A strided convolution reads the image at full resolution; everything after it runs on an eighth of the voxels (a quarter
of the pixels), which is where a U-Net at full resolution spends its time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.layers.factories import Conv, Norm
from torch import nn

CELL = 2  # voxels of the input along each side of one cell of the map


class CentreNet(nn.Module):
    """(n, channels_in, *size) -> (n, channels_out, *size / 2); every size a multiple of 2 ** len(widths)."""

    def __init__(self, dims: int, channels_in: int, channels_out: int, widths: Sequence[int]) -> None:
        super().__init__()
        first, *deeper = widths
        self.stem = _layer(dims, channels_in, first, kernel=CELL, stride=CELL)
        self.encoders = nn.ModuleList(_Residual(dims, width) for width in widths)
        self.downs = nn.ModuleList(_layer(dims, a, b, stride=2) for a, b in zip(widths, deeper, strict=False))
        self.ups = nn.ModuleList(Conv[Conv.CONV, dims](b, a, 1) for a, b in zip(widths, deeper, strict=False))
        self.decoders = nn.ModuleList(_Residual(dims, width) for width in widths[:-1])
        self.head = Conv[Conv.CONV, dims](first, channels_out, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of the map."""
        found = self.encoders[0](self.stem(image))
        skips: list[torch.Tensor] = []
        for down, encoder in zip(self.downs, list(self.encoders)[1:], strict=True):
            skips.append(found)
            found = encoder(down(found))
        for up, decoder, skip in reversed(list(zip(self.ups, self.decoders, skips, strict=True))):
            found = decoder(skip + nn.functional.interpolate(up(found), scale_factor=2.0, mode="nearest"))
        mapped: torch.Tensor = self.head(found)
        return mapped


class _Residual(nn.Module):
    def __init__(self, dims: int, width: int) -> None:
        super().__init__()
        self.first = _layer(dims, width, width)
        self.second = Conv[Conv.CONV, dims](width, width, 3, padding=1, bias=False)
        self.norm = Norm[Norm.BATCH, dims](width)

    def forward(self, found: torch.Tensor) -> torch.Tensor:
        return torch.relu(found + self.norm(self.second(self.first(found))))


def _layer(dims: int, channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = Conv[Conv.CONV, dims](channels_in, channels_out, kernel, stride, padding=(kernel - 1) // 2, bias=False)
    return nn.Sequential(convolution, Norm[Norm.BATCH, dims](channels_out), nn.ReLU(inplace=True))
