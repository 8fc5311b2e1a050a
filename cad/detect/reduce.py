"""Reduce: a 3D classifier looks at each candidate closely and tells lesions from look-alikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import expit

from cad.backends import Float32Array, Network
from cad.finding import Candidate
from cad.inference import logits
from cad.volume import Volume


def reduce_logits(patches: Sequence[Volume], network: Network) -> Float32Array:
    """One logit a patch (cubes in [0, 1], see cad.prepare.inputs)."""
    return logits(network, (np.asarray(cut.voxels, dtype=np.float32)[None] for cut in patches))


def with_scores(candidate: Candidate, logit: float, second: float | None, fused: float) -> Candidate:
    """The candidate with the raw scores of both looks (one where there was no second) and its fused score appended, all in [0, 1]."""
    looks = [("reduce", logit), *([("second", second)] if second is not None else []), ("fused", fused)]
    return replace(candidate, scores=(*candidate.scores, *((stage, float(expit(value))) for stage, value in looks)))
