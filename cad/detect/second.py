"""The second look: candidates that the first did not rule out, closer, with more around them, and from every side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from cad.backends import Float32Array, Network
from cad.inference import logits
from cad.prepare.inputs import InputRule, NetworkInput
from cad.space import Point
from cad.volume import Volume

FINE, WIDE = 0.75, 2.0  # spacing of the two pictures against the first look's
FLIPS = tuple(axes for sides in product((False, True), repeat=3) for axes in [tuple(n + 1 for n, flipped in enumerate(sides) if flipped)])


def two_scales(volume: Volume, seen: NetworkInput, centre_mm: Point, rule: InputRule) -> Float32Array:
    """(2 a sequence, n, n, n) in [0, 1] around a point: finer than the first look, and with the neighbourhood; n is 2/3 of its edge."""
    edge = rule.patch_voxels * 2 // 3
    looks = [seen.closely(volume, centre_mm, edge, rule, rule.patch_spacing_mm * share)[1] for share in (FINE, WIDE)]
    return np.stack(looks, axis=1).reshape(-1, *looks[0].shape[1:])


def second_logits(looks: Sequence[Float32Array], network: Network) -> Float32Array:
    """One logit a candidate: the mean over all eight reflections (test-time augmentation)."""
    turned = (np.ascontiguousarray(np.flip(look, axes)) for look in looks for axes in FLIPS)
    return np.asarray(logits(network, turned).reshape(len(looks), len(FLIPS)).mean(axis=1), dtype=np.float32)
