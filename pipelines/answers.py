"""From a finished OUT with readers' verdicts to known cases: each answered finding once, by its latest answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad.errors import ModelError, ShokenError
from cad.explain.similar import KnownCase
from cad.model import ModelVersion
from cad.write.features import FEATURES
from pipelines.registry.known_cases import OUTCOMES, READER, Answered, digest_of, finite
from pipelines.review.pages import CaseFile, case_file
from pipelines.review.verdicts import Verdict, Verdicts

SCREEN_AGAIN = "a case that this version of the program screened with the current model"


@dataclass(frozen=True, slots=True)
class Answers:
    """Findings of one task with an answer that says something, those whose last answer is "unsure" (digests of their places), and how
    many answers were given to another content of the case than the one that is there."""

    answered: tuple[Answered, ...]
    unsure: frozenset[str]
    stale: int


def answers(out: Path, version: ModelVersion) -> Answers:
    """What readers said of a task's findings in an OUT.

    Raises ShokenError where OUT holds no verdicts or a case no features, ModelError for features of another model.
    """
    if not (out / "results.db").is_file() or not (out / "worklist.html").is_file():
        raise ShokenError("holds no finished run", subject=f"OUT {out}", accepted="an OUT of `shoken screen`")
    verdicts, found = Verdicts(out / "results.db"), list[Answered]()
    unsure, stale = set[str](), 0
    for name in sorted(path.name for path in (out / "cases").glob("case-*")):
        case = case_file(out, name)
        if case is None:
            continue
        for finding, verdict in _told(case, verdicts.latest(name), version):
            place = digest_of(name, version.name, *(f"{value:g}" for value in finding["centre_mm"]))
            if verdict.case_sha256 != case.sha256:
                stale += 1
            elif verdict.verdict in OUTCOMES:
                found.append(_answered(place, finding, verdict, case, out / "cases" / name / FEATURES, version))
            else:
                unsure.add(place)
    return Answers(tuple(found), frozenset(unsure), stale)


def _told(case: CaseFile, verdicts: Mapping[int, Verdict], version: ModelVersion) -> Iterator[tuple[Mapping[str, Any], Verdict]]:
    for finding in case.document["findings"]:
        if finding["task"] == version.name and int(finding["rank"]) in verdicts:
            yield finding, verdicts[int(finding["rank"])]


def _answered(place: str, finding: Mapping[str, Any], verdict: Verdict, case: CaseFile, features: Path, version: ModelVersion) -> Answered:
    made_by = finding["model"]
    if made_by["sha256"] != version.sha256:
        problem = f"its findings are of {made_by['name']} {made_by['version']}, the current version is {version.version}: features differ"
        raise ModelError(problem, subject=verdict.case, accepted=f"cases screened with {version.name} {version.version}")
    texture = next((m["label"] for m in finding["measurements"] if m["name"] == "texture"), "")
    known = KnownCase(_features(features, case, finding["rank"]), OUTCOMES[verdict.verdict], READER, finding["diameter_mm"], texture)
    return Answered(place, digest_of(case.document["patient"]), verdict.at_utc[:10], known)


def _features(path: Path, case: CaseFile, rank: int) -> dict[str, float]:
    subject = f"{path.parent.name}/{path.name}"
    if not path.is_file():
        raise ShokenError("is not there, so nothing is known of what its findings look like", subject=subject, accepted=SCREEN_AGAIN)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["case_sha256"] != case.sha256:
            raise ShokenError("belongs to another case.json than the one beside it", subject=subject, accepted=SCREEN_AGAIN)
        return finite(document["features"][str(rank)])
    except (ValueError, KeyError, TypeError) as error:
        raise ShokenError(f"not readable as features ({type(error).__name__})", subject=subject, accepted=SCREEN_AGAIN) from None
