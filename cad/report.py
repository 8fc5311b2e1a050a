"""Everything said about one study: CaseReport and its parts. Holds no clock reading."""

from __future__ import annotations

from dataclasses import dataclass

from cad.errors import Refusal
from cad.finding import Finding, Measurement
from cad.model import ModelVersion

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class Funnel:
    """How many of each the cascade of one task let through.

    `seconds` are deliberately absent: the same input gives the same bytes.
    """

    task: str
    slices_in: int
    slices_kept: int
    candidates: int
    candidates_kept: int
    shown: int


@dataclass(frozen=True, slots=True)
class Novelty:
    """How unlike the training data a volume is: `score` in [0, 1], 1 utterly unlike; `notes` say in what."""

    task: str
    score: float
    level: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SeriesChoice:
    """Which series served which task, or why not this one did: `reason` is one sentence, `shows` what the series is, in a few words."""

    task: str
    series_instance_uid: str
    chosen: bool
    reason: str
    shows: str = ""


@dataclass(frozen=True, slots=True)
class CaseReport:
    """One study's findings (best first), funnels, refusals, novelty, models and settings digest.

    `case` and `patient` are pseudonyms. `status` is "screened" (at least one task ran),
    "not_screened" (none could; `refusals` say why) or "failed".
    """

    case: str
    patient: str
    study_instance_uid: str
    status: str
    findings: tuple[Finding, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    funnels: tuple[Funnel, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[Refusal, ...] = ()
    choices: tuple[SeriesChoice, ...] = ()
    novelty: tuple[Novelty, ...] = ()
    models: tuple[ModelVersion, ...] = ()
    settings_sha256: str = ""
    lang: str = "en"
    schema_version: str = SCHEMA_VERSION
