"""This place's known cases: findings that readers answered, beside the index that ships with a model.

    <state folder>/similar/<task>-<first 16 digits of the weights' sha256>.json

Each holds features, outcome, size, texture and the day of the answer. Two digests of pseudonyms stand in for finding and patient: so none
enters twice, a patient can be taken out again, and no finding is shown its own answer.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad.errors import ModelError
from cad.model import ModelVersion
from cad.networks import sha256_of
from cad.write.canonical import document_bytes, rounded

if TYPE_CHECKING:
    from cad.explain.similar import KnownCase

FORMAT = "shoken-known-cases-1"
READER = "reader"
OUTCOMES = {"accept": "confirmed", "reject": "dismissed"}
_ACCEPTED = "the file as `shoken models index TASK --verdicts OUT` wrote it"


@dataclass(frozen=True, slots=True)
class Answered:
    """One finding that a reader answered: digests of its place and its patient, the day (YYYY-MM-DD), and what is known of it."""

    finding: str
    patient: str
    day: str
    known: KnownCase


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of a file of known cases: how many were added, answered anew, taken out, and are there now; the file's sha256."""

    added: int
    changed: int
    removed: int
    cases: int
    sha256: str


def digest_of(*parts: str) -> str:
    """What stands in for a pseudonym or a place: a sha256 of texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class KnownCases:
    """The known cases of this machine, one file for each task's weights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, version: ModelVersion) -> Path:
        """Where those of exactly these weights lie, if there are any."""
        return self.folder / f"{version.name}-{version.sha256[:16]}.json"

    def of(self, version: ModelVersion) -> tuple[Answered, ...]:
        """All of a version. Raises ModelError for a file that was changed, or made of another model's features."""
        return self._kept(version)[0]

    def sha256(self, version: ModelVersion) -> str:
        """Of the file that they lie in, "" where there is none. Raises ModelError as `of` does."""
        return self._kept(version)[1]

    def _kept(self, version: ModelVersion) -> tuple[tuple[Answered, ...], str]:
        path = self.path(version)
        try:
            found = path.stat()
        except FileNotFoundError:
            return (), ""
        return _read_once(path, version.sha256, (found.st_ino, found.st_mtime_ns, found.st_size))

    def learn(self, version: ModelVersion, answered: Sequence[Answered], withdrawn: frozenset[str]) -> Changes:
        """Add findings or answer them anew, and take out those whose answer was withdrawn (by the digest of their place)."""
        before = {case.finding: case for case in self.of(version)}
        after = {name: case for name, case in before.items() if name not in withdrawn}
        after |= {case.finding: case for case in answered if not _repeats(case, before)}  # what only repeats keeps its first day
        anew = sum(case.finding in before and not _repeats(case, before) for case in answered)
        sha256 = self._keep(self.path(version), version.sha256, tuple(after.values()))
        return Changes(len(after.keys() - before.keys()), anew, len(before.keys() - after.keys()), len(after), sha256)

    def forget(self, task: str, patient: str) -> int:
        """Take every finding of a patient (a pseudonym) out of all versions of a task; returns how many there were."""
        gone = 0
        for path in sorted(self.folder.glob(f"{task}-*.json")):
            sha256 = str(_document(path).get("model_sha256", ""))
            cases = _read(path, sha256)
            kept = tuple(case for case in cases if case.patient != digest_of(patient))
            gone += len(cases) - len(kept)
            if len(kept) < len(cases):
                self._keep(path, sha256, kept)
        return gone

    def _keep(self, path: Path, model_sha256: str, cases: Sequence[Answered]) -> str:
        from cad.write.folder import write_file  # brings the pages' templates along

        rows = rounded([asdict(case) for case in sorted(cases, key=lambda case: case.finding)])
        data = document_bytes({"format": FORMAT, "model_sha256": model_sha256, "cases": rows, "digest": _digest(rows)})
        write_file(path, data)
        return hashlib.sha256(data).hexdigest()


def _repeats(case: Answered, before: Mapping[str, Answered]) -> bool:
    known = before.get(case.finding)
    return known is not None and known.known.outcome == case.known.outcome


@lru_cache(maxsize=8)
def _read_once(path: Path, model_sha256: str, _stamp: tuple[int, int, int]) -> tuple[tuple[Answered, ...], str]:
    """What a file holds and its sha256, kept until it is another file: each study of a run asks."""
    return _read(path, model_sha256), sha256_of(path)


def _read(path: Path, model_sha256: str) -> tuple[Answered, ...]:
    from cad.explain.similar import KnownCase

    document = _document(path)
    try:
        rows = document["cases"]
        if document["format"] != FORMAT or document["digest"] != _digest(rows):
            raise ModelError("its content does not have its digest: it was changed", subject=path.name, accepted=_ACCEPTED)
        if document["model_sha256"] != model_sha256:
            raise ModelError("was made of another model's features", subject=path.name, accepted=_ACCEPTED)
        return tuple(Answered(**{**row, "known": KnownCase(**row["known"])}) for row in rows)
    except (KeyError, TypeError) as error:
        raise ModelError(f"not readable as known cases ({type(error).__name__})", subject=path.name, accepted=_ACCEPTED) from None


def _document(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"not readable as known cases ({type(error).__name__})", subject=path.name, accepted=_ACCEPTED) from None


def _digest(rows: object) -> str:
    return hashlib.sha256(json.dumps(rows, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def finite(features: object) -> dict[str, float]:
    """Features by name as they were written. Raises ValueError for anything else."""
    if not isinstance(features, dict) or not features:
        raise ValueError("no features")
    found = {str(name): float(value) for name, value in features.items()}
    if not all(math.isfinite(value) for value in found.values()):
        raise ValueError("not finite")
    return found
