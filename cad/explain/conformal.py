"""Lesion, not lesion, or unsure: class-conditional conformal sets over scans, with a guarantee that says how often each word is wrong.

Vovk, "Conditional validity of inductive conformal predictors" (2012), class by class; candidates of one scan are not independent, so
each scan weighs the same, however many it holds (Lee, Barber & Willett, arXiv 2306.06342): the guarantee is for a candidate drawn
from a new scan like those of the calibration set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cad.explain.calibrators import FOLDS, folds
from cad.space import FloatArray

LESION, NOT_LESION, UNSURE = "lesion", "not_lesion", "unsure"
LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Two cuts on the fused logit. Of shown lesions of new scans at most 1 - `level` fall below `lesion_from`, of shown
    look-alikes at most 1 - `level` above `other_to`; None is a cut that n scans of that class cannot promise.

    `counts` are (verdict, how many shown candidates of the calibration set were called so, how many of them were lesions), each
    called by cuts made without its scan's fold.
    """

    level: float = LEVEL
    lesion_from: float | None = None
    other_to: float | None = None
    scans_with_lesion: int = 0
    scans_with_other: int = 0
    counts: tuple[tuple[str, int, int], ...] = ()

    def of(self, logit: float) -> str:
        """ "lesion", "not_lesion" or "unsure" (both are possible, or neither is); "" where no claim can be made."""
        if self.lesion_from is None or self.other_to is None:
            return ""
        may_be_lesion, may_be_other = logit >= self.lesion_from, logit <= self.other_to
        if may_be_lesion == may_be_other:
            return UNSURE
        return LESION if may_be_lesion else NOT_LESION

    def called(self, verdict: str) -> tuple[int, int]:
        """(lesions, all) among calibration candidates that were called so."""
        return next(((lesions, n) for name, n, lesions in self.counts if name == verdict), (0, 0))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the model's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Verdicts:
        """What `to_dict` gave; no claim for a model that was made before there were verdicts."""
        return cls(**{**document, "counts": tuple((str(name), int(n), int(k)) for name, n, k in document.get("counts", ()))})


def fit_verdicts(logits: ArrayLike, truths: ArrayLike, groups: Sequence[int], level: float = LEVEL) -> Verdicts:
    """The cuts from shown candidates: fused logits (n,), truths (n,) of 0/1, groups (n,) the scan of each."""
    x, y, g = np.asarray(logits, dtype=np.float64), np.asarray(truths, dtype=bool), np.asarray(groups)
    made = _cuts(x, y, g, level)
    if min(made.scans_with_lesion, made.scans_with_other) < FOLDS:
        return made
    said = np.full(len(x), "", dtype=object)
    for kept, out in folds(y, g):
        less = _cuts(x[kept], y[kept], g[kept], level)
        said[out] = [less.of(value) for value in x[out]]
    names = (LESION, NOT_LESION, UNSURE)
    return replace(made, counts=tuple((name, int((said == name).sum()), int(((said == name) & y).sum())) for name in names))


def scans_needed(level: float) -> int:
    """How many scans of a class it takes to promise anything at this level."""
    return ceil(1 / (1 - level) - 1 - 1e-9)


def _cuts(x: FloatArray, y: NDArray[np.bool_], g: NDArray[np.int_], level: float) -> Verdicts:
    upper = group_bound(-x[y], g[y], level)
    other = group_bound(x[~y], g[~y], level)
    return Verdicts(level, None if upper is None else -upper, other, len(set(g[y])), len(set(g[~y])))


def group_bound(values: FloatArray, g: NDArray[np.int_], level: float) -> float | None:
    """What a value drawn from a new scan exceeds with probability of at most 1 - level; None where there are too few scans.

    `values` (n,) of scans `g` (n,); every scan weighs the same, however many values it gave.
    """
    scans, place, count = np.unique(g, return_inverse=True, return_counts=True)
    order = np.argsort(values)
    weight = np.cumsum((1 / count[place] / (len(scans) + 1))[order]) if len(scans) else np.zeros(0)
    enough = np.flatnonzero(weight >= level - 1e-9)
    return float(values[order][enough[0]]) if len(enough) else None
