"""What a user can cause and mend; subject and accepted form are named, an identified value never."""

from __future__ import annotations


class AnonymizerError(Exception):
    """Wrong use or wrong set-up: a key, a profile or a folder that cannot be used.

    `subject` names the file, field or setting; `accepted` says the form that would have been accepted.
    """

    def __init__(self, problem: str, *, subject: str = "", accepted: str = "") -> None:
        self.problem = problem
        self.subject = subject
        self.accepted = accepted
        head = f"{subject}: {problem}" if subject else problem
        super().__init__(f"{head} (accepted: {accepted})" if accepted else head)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.problem, self.subject, self.accepted)


def _rebuild(kind: type[AnonymizerError], problem: str, subject: str, accepted: str) -> AnonymizerError:
    return kind(problem, subject=subject, accepted=accepted)


class KeyFileError(AnonymizerError):
    """A project key that is missing, of the wrong length, or readable by others."""


class ProfileError(AnonymizerError):
    """An option that is unknown, contradicts another, or is not built."""


class VaultError(AnonymizerError):
    """A vault that does not open: wrong key, edited file, or not a vault."""


class InputRefusedError(AnonymizerError):
    """A data set that must not pass; `reason` is the stable code of `gate`."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail, subject=reason)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.detail)
