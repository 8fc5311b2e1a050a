"""Similar cases beside each finding, from the index that lies next to the model's weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cad.finding import Finding, Similar

if TYPE_CHECKING:
    from cad.explain.similar import SimilarIndex
    from cad.model import ModelVersion
    from cad.tasks.task import TaskResult

NO_INDEX = "no_index"


def no_index(_version: ModelVersion) -> SimilarIndex | str:
    """Where models do not come from a folder there is no place for an index."""
    return NO_INDEX


def with_similar(result: TaskResult, index: SimilarIndex | str) -> TaskResult:
    """The result with similar cases for each finding that has features; `index` is the reason where there is none."""
    features = {exhibit.rank: exhibit.features for exhibit in result.exhibits if exhibit.features}

    def one(finding: Finding) -> Finding:
        if finding.rank not in features:
            return finding
        found = Similar(missing=index) if isinstance(index, str) else index.nearest(features[finding.rank])
        return replace(finding, evidence=replace(finding.evidence, similar=found))

    return replace(result, findings=tuple(one(finding) for finding in result.findings))
