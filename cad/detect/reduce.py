"""Reduce: a 3D classifier looks at each candidate closely and tells lesions from look-alikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scipy.special import expit

from cad.backends import Float32Array, Network
from cad.finding import Candidate
from cad.inference import logits


def reduce_logits(patches: Sequence[Float32Array], network: Network) -> Float32Array:
    """One logit a patch (channels, d, h, w) in [0, 1] (see cad.prepare.inputs)."""
    return logits(network, patches)


def with_scores(candidate: Candidate, logit: float, second: float | None, fused: float) -> Candidate:
    """The candidate with the raw scores of both looks (one where there was no second) and its fused score appended, all in [0, 1]."""
    looks = [("reduce", logit), *([("second", second)] if second is not None else []), ("fused", fused)]
    return replace(candidate, scores=(*candidate.scores, *((stage, float(expit(value))) for stage, value in looks)))
