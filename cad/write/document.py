"""A CaseReport as the plain document of `case.json` (docs/schemas/case.schema.json)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from cad.finding import Claim, Evidence, Finding, Measurement
from cad.model import ModelVersion
from cad.report import CaseReport, Reliability
from cad.space import Box


def case_document(report: CaseReport) -> dict[str, Any]:
    """Every fact of a report under its stable key; findings best first.

    Points are (x, y, z) in LPS millimetres of the source frame. Holds no clock reading and no path of this machine.
    """
    return {
        "schema_version": report.schema_version,
        "case": report.case,
        "patient": report.patient,
        "study_instance_uid": report.study_instance_uid,
        "status": report.status,
        "lang": report.lang,
        "findings": [_finding(finding) for finding in sorted(report.findings, key=lambda f: f.rank)],
        "measurements": [_measurement(m) for m in report.measurements],
        "funnel": [asdict(funnel) for funnel in report.funnels],
        "refusals": [asdict(refusal) for refusal in report.refusals],
        "warnings": [asdict(warning) for warning in report.warnings],
        "choices": [asdict(choice) for choice in report.choices],
        "technique": [asdict(technique) for technique in report.technique],
        "comparisons": [asdict(comparison) for comparison in report.comparisons],
        "novelty": [asdict(novelty) for novelty in report.novelty],
        "reliability": [_reliability(found) for found in report.reliability],
        "models": [_full_model(model) for model in report.models],
        "settings_sha256": report.settings_sha256,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rank": finding.rank,
        "task": finding.task,
        "kind": finding.kind,
        "centre_mm": list(finding.candidate.centre_mm),
        "box_mm": _box(finding.candidate.box_mm),
        "scores": [{"stage": stage, "score": score} for stage, score in finding.candidate.scores],
        "diameter_mm": finding.diameter_mm,
        "confidence": finding.confidence,
        "claim": _claim(finding.claim),
        "measurements": [_measurement(m) for m in finding.measurements],
        "evidence": _evidence(finding.evidence),
        "statement": finding.statement.text,
        "statement_lang": finding.statement.lang,
        "statement_clauses": [asdict(clause) for clause in finding.statement.clauses],
        "model": {"name": finding.model.name, "version": finding.model.version, "sha256": finding.model.sha256},
    }


def _claim(claim: Claim) -> dict[str, Any]:
    lesions, n = claim.called
    return {
        **asdict(claim),
        "called": {"lesions": lesions, "n": n},
        "if_changed": [{"change": change, "confidence": confidence} for change, confidence in claim.if_changed],
    }


def _reliability(found: Reliability) -> dict[str, Any]:
    keys = ("confidence", "observed", "low", "high", "n")
    return {
        **asdict(found),
        "curve": [dict(zip(keys, row, strict=True)) for row in found.curve],
        "losses": [{"method": method, "loss": loss} for method, loss in found.losses],
    }


def _measurement(measurement: Measurement) -> dict[str, Any]:
    return {
        "name": measurement.name,
        "value": measurement.value,
        "unit": measurement.unit,
        "interval": list(measurement.interval) if measurement.interval else None,
        "label": measurement.label,
        "others": [list(other) for other in measurement.others],
        "method": measurement.method,
        "outcome": measurement.outcome,
        "position_mm": list(measurement.position_mm) if measurement.position_mm else None,
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "key_slices": list(evidence.key_slices),
        "region_mm": _box(evidence.region_mm),
        "mask_sha256": evidence.mask_sha256,
        "heatmap_sha256": evidence.heatmap_sha256,
        "faithfulness": asdict(evidence.faithfulness) if evidence.faithfulness else None,
        "images": list(evidence.images),
        "similar": asdict(evidence.similar) if evidence.similar else None,
    }


def _box(box: Box) -> dict[str, list[float]]:
    return {"low": list(box.low_mm), "high": list(box.high_mm)}


def _full_model(model: ModelVersion) -> dict[str, Any]:
    return {**asdict(model), "operating_points": [asdict(point) for point in model.operating_points]}
