"""What a model file says of how sure it is that its cascade keeps a patient: see cad.tasks.certifying for how it is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cad.model import OperatingPoint

CONFIDENCE = 0.95
STAGE = "cascade, per patient"


@dataclass(frozen=True, slots=True)
class Level:
    """The strictest last threshold at which at least `target` of patients survive with 95 % confidence, and what it costs.

    `threshold` is None where n patients cannot show it. `normals_quiet` of `normals` scans without a lesion show nothing,
    `false_per_scan` is over all scans.
    """

    target: float
    threshold: float | None
    misses: int
    normals_quiet: int
    normals: int
    false_per_scan: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """At the shipped thresholds, `misses` of `patients` with a lesion were lost; with 95 % confidence at least `bound` survive.

    `data_fingerprint` names the certification scans; `levels` say what other last thresholds would give.
    """

    patients: int
    misses: int
    bound: float
    threshold: float
    normals_quiet: int
    normals: int
    false_per_scan: float
    data_fingerprint: str
    confidence: float = CONFIDENCE
    levels: tuple[Level, ...] = ()

    @property
    def point(self) -> OperatingPoint:
        """For the model's operating points: share of patients kept, and from where on (one-sided)."""
        return OperatingPoint(STAGE, self.threshold, 1 - self.misses / max(1, self.patients), (self.bound, 1.0), self.patients)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the model's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any] | None) -> Certificate | None:
        """Back from the model's header; None where it has no certificate."""
        return None if stored is None else cls(**{**stored, "levels": tuple(Level(**level) for level in stored["levels"])})
