"""Everything said about one study: CaseReport and its parts. Holds no clock reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cad.errors import Refusal
from cad.finding import Finding, Measurement
from cad.model import ModelVersion
from cad.space import Point

SCHEMA_VERSION = "1.1"


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
class OddFeature:
    """A number of a scan that stands out, and the range that 98 % of the training scans keep."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FamilyNovelty:
    """How odd a scan is in one respect; `distance` is 1 where 95 % of comparable scans stay below."""

    name: str
    level: str
    distance: float
    odd: tuple[OddFeature, ...] = ()


@dataclass(frozen=True, slots=True)
class Novelty:
    """How unlike the training data a volume is: `score` in [0, 1], 1 utterly unlike; `notes` say in what, `families` in which respect.

    The levels were set on `held_out` scans: at most `unusual_rate` of scans like those is called unusual or worse, `unlike_rate`
    unlike; None where that was not calibrated.
    """

    task: str
    score: float
    level: str
    notes: tuple[str, ...] = ()
    families: tuple[FamilyNovelty, ...] = ()
    held_out: int = 0
    unusual_rate: float | None = None
    unlike_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Reliability:
    """What a task's confidences rest on, and how well they hold on scans that were left out while fitting them.

    `candidates` and `lesions` are those shown on `scans` calibration scans, of which `scans_with_lesion` hold one. Brier score and
    expected calibration error with 95 % intervals by scan, and the same of the raw score; `curve` is the reliability curve:
    (mean confidence, observed share, its 95 % interval, n) a bin. `stated_prevalence` is what the settings say of this place.
    """

    task: str
    method: str
    candidates: int
    lesions: int
    scans: int
    scans_with_lesion: int
    brier: float
    brier_interval: tuple[float, float]
    ece: float
    ece_interval: tuple[float, float]
    raw_brier: float
    raw_ece: float
    curve: tuple[tuple[float, float, float, float, int], ...] = ()
    losses: tuple[tuple[str, float], ...] = ()
    stated_prevalence: float | None = None


def reliability_of(document: Mapping[str, Any] | None) -> Reliability | None:
    """Back from a model's header, where tuples are lists; None where there is nothing."""
    if document is None:
        return None
    pairs = {name: tuple(document[name]) for name in ("brier_interval", "ece_interval")}
    rows = {name: tuple(tuple(row) for row in document[name]) for name in ("curve", "losses")}
    return Reliability(**{**document, **pairs, **rows})


@dataclass(frozen=True, slots=True)
class SeriesChoice:
    """Which series served which task, or why not this one did: `reason` is one sentence, `shows` what the series is, in a few words."""

    task: str
    series_instance_uid: str
    chosen: bool
    reason: str
    shows: str = ""


@dataclass(frozen=True, slots=True)
class Technique:
    """How a series that was looked through was acquired, as its de-identified headers say; None or "" where they say nothing.

    `tasks` are those it served. `contrast` is "yes", "likely" or "" (see cad.study.Acquisition); `sequence` is what an MR series is
    weighted for. Lengths in mm, times in ms.
    """

    series_instance_uid: str
    tasks: tuple[str, ...]
    modality: str
    plane: str
    slices: int
    spacing_mm: float | None
    thickness_mm: float | None
    pixel_mm: float | None
    kernel: str = ""
    contrast: str = ""
    sequence: str = ""
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None


@dataclass(frozen=True, slots=True)
class PriorLesion:
    """A lesion of the prior that no finding of the current scan matches.

    `label`: "resolved" (nothing is outlined at its place now), "below_threshold" (something is, but it was not found),
    "outside_current" (the current scan does not reach there). `centre_mm` is its place in the current scan's frame.
    `confidence` is calibrated: what the cascade took for a lesion on the prior may never have been one.
    """

    label: str
    centre_mm: Point
    diameter_mm: float
    volume_mm3: float | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing one task's findings with a prior `days` earlier; `case` and UIDs are pseudonyms.

    `status` is "compared", else a code of why not ("possible_patient_mix_up", "prior_not_confirmed"...) with `detail` as one
    sentence. `same_patient` is the score of cad.prepare.same_patient (None: not measurable), `correlation` how well the scans lie
    on each other: as they lay, rigid, deformed. `lesions` are the prior's that have no partner.
    """

    task: str
    case: str
    study_instance_uid: str
    series_instance_uid: str
    days: int
    status: str
    detail: str
    same_patient: float | None = None
    correlation: tuple[float, float, float] | None = None
    folded: float | None = None
    lesions: tuple[PriorLesion, ...] = ()


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
    technique: tuple[Technique, ...] = ()
    novelty: tuple[Novelty, ...] = ()
    reliability: tuple[Reliability, ...] = ()
    models: tuple[ModelVersion, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    settings_sha256: str = ""
    lang: str = "en"
    schema_version: str = SCHEMA_VERSION
