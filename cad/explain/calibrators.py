"""Which curve turns scores into confidences: temperature, Platt, beta or isotonic, chosen by cross-validation over scans.

Sources: Platt (Advances in Large Margin Classifiers, 1999), whose targets drawn in from 0 and 1 keep a small set from ending in
certainty, here for every method; temperature: Guo et al., ICML 2017; beta: Kull et al., AISTATS 2017; isotonic: Zadrozny & Elkan,
KDD 2002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from cad.errors import ShokenError
from cad.explain.confidence import Calibration, clipped, logits
from cad.space import FloatArray

FOLDS = 5
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The calibration to use, and how it was come by.

    `losses` are (method, mean log loss on scans left out), empty where the set was too small to choose; `left_out` (n,) is
    each candidate's confidence under the chosen method fitted without its scan's fold.
    """

    calibration: Calibration
    losses: tuple[tuple[str, float], ...]
    left_out: FloatArray


def choose(scores: ArrayLike, truths: ArrayLike, groups: Sequence[int]) -> Chosen:
    """The simplest method within one standard error of the least loss on left-out scans, fitted on everything.

    Scores (n,) in [0, 1], truths (n,) of 0/1, groups (n,) the scan of each. Both classes must be in at least FOLDS scans to
    compare methods; below that it is Platt's, and `left_out` is what the fitted curve says of its own data.
    Raises ShokenError unless both classes are present.
    """
    s, y, g = clipped(scores), np.asarray(truths, dtype=bool), np.asarray(groups)
    if min(len(set(g[y])), len(set(g[~y]))) < FOLDS:
        found = fit("platt", s, y)
        return Chosen(found, (), found.apply_all(s))
    guesses = {method: _left_out(method, s, y, g) for method in METHODS}
    losses = {method: _log_loss(guess, y) for method, guess in guesses.items()}
    best = min(METHODS, key=lambda method: float(losses[method].mean()))
    method = next(m for m in METHODS if _near(losses[m] - losses[best], g))
    return Chosen(fit(method, s, y), tuple((m, float(losses[m].mean())) for m in METHODS), guesses[method])


def fit(method: str, scores: ArrayLike, truths: ArrayLike) -> Calibration:
    """One method on scores (n,) in [0, 1] and truths (n,) of 0/1; never falling. Raises ShokenError unless both classes are present."""
    s, y = clipped(scores), np.asarray(truths, dtype=bool)
    positives, negatives = int(y.sum()), int((~y).sum())
    if not positives or not negatives:
        raise ShokenError(
            f"{positives} positives and {negatives} negatives", subject="calibration set", accepted="at least one of each class"
        )
    target = np.where(y, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    return replace(_FITTERS[method](s, target), method=method, positives=positives, negatives=negatives)


def folds(truths: Truths, groups: NDArray[np.int_]) -> list[tuple[NDArray[np.int_], NDArray[np.int_]]]:
    """(kept, left out) indices of FOLDS parts; no scan is on both sides, both classes spread evenly; always the same."""
    from sklearn.model_selection import StratifiedGroupKFold

    return list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(np.zeros(len(truths)), truths, groups))


def _left_out(method: str, s: FloatArray, y: Truths, g: NDArray[np.int_]) -> FloatArray:
    found = np.zeros(len(s))
    for kept, out in folds(y, g):
        found[out] = fit(method, s[kept], y[kept]).apply_all(s[out])
    return found


def _log_loss(confidence: FloatArray, y: Truths) -> FloatArray:
    return np.asarray(-np.log(np.where(y, clipped(confidence), clipped(1 - confidence))))


def _near(more: FloatArray, g: NDArray[np.int_]) -> bool:
    """Whether a loss in excess of the best is within one standard error, scans (not candidates) being independent."""
    sums = np.array([more[g == scan].sum() for scan in np.unique(g)])
    return bool(sums.sum() <= np.sqrt(len(sums)) * sums.std(ddof=1) + 1e-12)


def _temperature(s: FloatArray, target: FloatArray) -> Calibration:
    (slope,) = _least_loss(logits(s)[:, None], target, intercept=False)
    return Calibration(slope=slope)


def _platt(s: FloatArray, target: FloatArray) -> Calibration:
    slope, intercept = _least_loss(logits(s)[:, None], target, intercept=True)
    return Calibration(slope=slope, intercept=intercept)


def _beta(s: FloatArray, target: FloatArray) -> Calibration:
    rise, fall, intercept = _least_loss(np.column_stack([np.log(s), -np.log1p(-s)]), target, intercept=True)
    return Calibration(slope=rise, slope_false=fall, intercept=intercept)


def _isotonic(s: FloatArray, target: FloatArray) -> Calibration:
    """The middle of each level stretch is a knot, with straight lines between: steps would tie findings that differ."""
    from sklearn.isotonic import IsotonicRegression

    x = logits(s)
    level = IsotonicRegression(out_of_bounds="clip").fit_transform(x, target)
    values = np.unique(level)
    return Calibration(knots=tuple((float(x[level == value].mean()), float(value)) for value in values))


def _least_loss(columns: FloatArray, target: FloatArray, *, intercept: bool) -> tuple[float, ...]:
    """Slopes (> 0, so fitted as their logarithms) and intercept of least cross-entropy."""
    count = columns.shape[1]

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        slopes = np.exp(parameters[:count])
        z = columns @ slopes + (parameters[count] if intercept else 0.0)
        error = expit(z) - target
        value = np.logaddexp(0, z) - target * z
        gradient = (error[:, None] * columns).mean(axis=0) * slopes
        return float(value.mean()), np.append(gradient, error.mean()) if intercept else gradient

    bounds = [(-5.0, 5.0)] * count + [(-50.0, 50.0)] * intercept
    best = minimize(loss, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds)
    return (*(float(slope) for slope in np.exp(best.x[:count])), *(float(x) for x in best.x[count:]))


# simplest first: the order in which `choose` prefers them
_FITTERS: dict[str, Callable[[FloatArray, FloatArray], Calibration]] = {
    "temperature": _temperature,
    "platt": _platt,
    "beta": _beta,
    "isotonic": _isotonic,
}
METHODS = tuple(_FITTERS)
