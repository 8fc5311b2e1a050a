"""Bad data is a value (`Refusal`); wrong use raises an error that says what would be accepted."""

from __future__ import annotations

from dataclasses import dataclass


class ShokenError(Exception):
    """Base of every error a user can cause and mend.

    `subject` names the file, field or setting (never a value that identifies a patient);
    `accepted` says the form that would have been accepted.
    """

    def __init__(self, problem: str, *, subject: str = "", accepted: str = "") -> None:
        self.problem = problem
        self.subject = subject
        self.accepted = accepted
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """One line for a person: subject, problem, accepted form."""
        head = f"{self.subject}: {self.problem}" if self.subject else self.problem
        return f"{head} (accepted: {self.accepted})" if self.accepted else head

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.problem, self.subject, self.accepted)


def _rebuild(kind: type[ShokenError], problem: str, subject: str, accepted: str) -> ShokenError:
    return kind(problem, subject=subject, accepted=accepted)


class GridError(ShokenError):
    """An affine or shape that is not a right-angled physical grid."""


class ModelError(ShokenError):
    """Weights that are missing, edited, or made for another task."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One input that was not used, and why.

    `path` is the handle the caller gave (a relative path or a pseudonym), `reason` a stable
    lower-case code such as ``gap_in_series``, `detail` one sentence with the evidence.
    """

    path: str
    reason: str
    detail: str
