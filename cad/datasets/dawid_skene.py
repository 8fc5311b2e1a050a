"""The truth behind several readers who err in their own ways: Dawid and Skene's EM (Appl Stat 28(1), 1979)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.errors import ShokenError
from cad.space import FloatArray

NO_ANSWER = -1
_SMOOTHING = 0.01
_MOST_ROUNDS = 500
_SMALL = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """`posterior` (items, classes); `confusion` (readers, true class, answer), rows sum to 1; `prior` (classes).

    `objective` is the penalised log-likelihood after each round: it never falls.
    """

    posterior: FloatArray
    confusion: FloatArray
    prior: FloatArray
    objective: tuple[float, ...]

    @property
    def answers(self) -> NDArray[np.int_]:
        """The most probable class of each item."""
        return np.asarray(self.posterior.argmax(axis=1))


def dawid_skene(answers: NDArray[np.int_], classes: int) -> Consensus:
    """EM from the shares of the readers' votes, until the objective gains less than 1e-9 or 500 rounds are over.

    `answers` is (items, readers) with classes from 0, or -1 where a reader did not answer. Every cell of a confusion
    matrix and of the prior has 0.01 pseudo-counts, so that a reader with few answers is not believed to be perfect.
    Raises ShokenError for other answers.
    """
    answers = np.asarray(answers)
    if answers.ndim != 2 or not answers.size or answers.min() < NO_ANSWER or answers.max() >= classes:
        raise ShokenError("are no table of answers", subject="answers", accepted=f"(items, readers) of -1 to {classes - 1}")
    given = np.stack([answers == answer for answer in range(classes)], axis=2).astype(np.float64)  # (items, readers, answers)
    votes = given.sum(axis=1) + 1e-3
    posterior = votes / votes.sum(axis=1, keepdims=True)
    objective: list[float] = []
    while True:
        prior, confusion = _maximised(posterior, given)
        posterior, likelihood = _expected(given, prior, confusion)
        objective.append(likelihood + _SMOOTHING * float(np.log(prior).sum() + np.log(confusion).sum()))
        if len(objective) == _MOST_ROUNDS or (len(objective) > 1 and objective[-1] - objective[-2] < _SMALL):
            return Consensus(posterior, confusion, prior, tuple(objective))


def _maximised(posterior: FloatArray, given: FloatArray) -> tuple[FloatArray, FloatArray]:
    prior = posterior.sum(axis=0) + _SMOOTHING
    confusion = np.einsum("ic,ira->rca", posterior, given) + _SMOOTHING
    return prior / prior.sum(), confusion / confusion.sum(axis=2, keepdims=True)


def _expected(given: FloatArray, prior: FloatArray, confusion: FloatArray) -> tuple[FloatArray, float]:
    joint = np.log(prior) + np.einsum("ira,rca->ic", given, np.log(confusion))
    highest = joint.max(axis=1, keepdims=True)
    total = highest + np.log(np.exp(joint - highest).sum(axis=1, keepdims=True))
    return np.exp(joint - total), float(total.sum())
