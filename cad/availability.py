"""Which of several MR sequences a network was given: a sequence that is zero everywhere is missing.

A network of several sequences gets one more channel a sequence, 1 where it is there and 0 where it is missing, so that it can tell
"nothing was measured" from "it is dark here". The channels are made at the network's door: whoever calls it need not know of them.
There, too, the grey of middling tissue may be taken off what was measured. Zero is then middling tissue, not black: without that, whether
a sequence is there moves a network's features far more than a lesion does, and it learns slowly from single sequences.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Availability:
    """A forward pre-hook: (n, channels, *size) becomes (n, channels + sequences, *size). Channels of one sequence lie together."""

    sequences: int
    middle: float = 0.0

    def __call__(self, _network: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        """The input, `middle` less where a sequence is there, with its marks behind it."""
        (image,) = inputs
        largest = torch.unflatten(image.flatten(2).abs().amax(2), 1, (self.sequences, -1)).amax(2)
        there = (largest > 0).to(image.dtype)
        for _ in range(image.ndim - 2):
            there = there.unsqueeze(-1)
        if self.middle:
            image = image - self.middle * there.repeat_interleave(image.shape[1] // self.sequences, dim=1)
        return (torch.cat([image, there * torch.ones_like(image[:, :1])], dim=1),)


def marked(network: torch.nn.Module, sequences: int, middle: float = 0.0) -> torch.nn.Module:
    """The network, which takes `sequences` channels more than it is given from now on."""
    network.register_forward_pre_hook(Availability(sequences, middle))
    return network


def channels_of(network: torch.nn.Module) -> int:
    """How many channels a convolutional network is given."""
    weight = next(parameter for parameter in network.parameters() if parameter.ndim > 2)
    added = sum(hook.sequences for hook in network._forward_pre_hooks.values() if isinstance(hook, Availability))
    return int(weight.shape[1]) - added
