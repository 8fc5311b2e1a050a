"""The second look: candidates that the first did not rule out, closer, with more around them, and from every side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from cad.backends import Float32Array, Network
from cad.inference import logits
from cad.prepare.inputs import InputRule, close_up, scaled
from cad.space import Point
from cad.volume import Volume

FINE, WIDE = 0.75, 2.0  # spacing of the two pictures against the first look's
FLIPS = tuple(axes for sides in product((False, True), repeat=3) for axes in [tuple(n + 1 for n, flipped in enumerate(sides) if flipped)])


@dataclass(frozen=True, slots=True)
class Range:
    """The intensities that become 0 and 1."""

    low: float
    high: float


def two_scales(volume: Volume, centre_mm: Point, rule: InputRule, shown: Range) -> Float32Array:
    """(2, n, n, n) in [0, 1] around a point: finer than the first look, and with the neighbourhood; n is 2/3 of its edge."""
    edge = rule.patch_voxels * 2 // 3
    cuts = [close_up(volume, centre_mm, edge, rule, rule.patch_spacing_mm * share) for share in (FINE, WIDE)]
    return np.stack([np.asarray(scaled(cut, shown.low, shown.high).voxels, dtype=np.float32) for cut in cuts])


def second_logits(looks: Sequence[Float32Array], network: Network) -> Float32Array:
    """One logit a candidate: the mean over all eight reflections (test-time augmentation)."""
    turned = (np.ascontiguousarray(np.flip(look, axes)) for look in looks for axes in FLIPS)
    return np.asarray(logits(network, turned).reshape(len(looks), len(FLIPS)).mean(axis=1), dtype=np.float32)
