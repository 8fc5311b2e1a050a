"""Similar cases beside each finding, from the index that lies next to the model's weights and from what readers here answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cad.errors import ModelError
from cad.finding import Finding, Similar
from pipelines.registry.known_cases import KnownCases, digest_of

if TYPE_CHECKING:
    from cad.explain.similar import KnownCase, SimilarIndex
    from cad.model import ModelVersion
    from cad.tasks.task import TaskResult

NO_INDEX, UNUSABLE = "no_index", "index_unusable"


def no_index(_version: ModelVersion, _patient: str = "") -> SimilarIndex | str:
    """Where models do not come from a folder there is no place for an index."""
    return NO_INDEX


@dataclass(frozen=True, slots=True)
class Library:
    """Where a version's known cases are looked up: those that ship with it, and those of this place."""

    shipped: Callable[[ModelVersion], SimilarIndex | str]
    here: KnownCases

    def __call__(self, version: ModelVersion, patient: str = "") -> SimilarIndex | str:
        """The index of a version for a patient (a pseudonym), whose own answered findings are not in it; else why there is none."""
        index = self.shipped(version)
        try:
            answered = self.here.of(version)
        except ModelError:
            return UNUSABLE
        known = [case.known for case in answered if case.patient != digest_of(patient)]
        if not known or index == UNUSABLE:
            return index
        if isinstance(index, str):
            return _alone(version, known, self.here.sha256(version))
        return index.joined(known, digest_of(index.sha256, self.here.sha256(version)))


def _alone(version: ModelVersion, known: Sequence[KnownCase], sha256: str) -> SimilarIndex | str:
    """An index of this place's cases only; one case has no neighbours to tell what is near."""
    from cad.explain.similar import SimilarIndex

    return replace(SimilarIndex.of(version.name, version.sha256, known), sha256=sha256) if len(known) > 1 else NO_INDEX


def with_similar(result: TaskResult, index: SimilarIndex | str) -> TaskResult:
    """The result with similar cases for each finding that has features; `index` is the reason where there is none."""
    features = {exhibit.rank: exhibit.features for exhibit in result.exhibits if exhibit.features}

    def one(finding: Finding) -> Finding:
        if finding.rank not in features:
            return finding
        found = Similar(missing=index) if isinstance(index, str) else index.nearest(features[finding.rank])
        return replace(finding, evidence=replace(finding.evidence, similar=found))

    return replace(result, findings=tuple(one(finding) for finding in result.findings))
