"""The thoracic aorta on CT: outline, diameters at right angles to its course, and a finding where it is dilated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from cad.errors import ModelError, Refusal
from cad.explain.claim import claim_of_scan
from cad.explain.features import scan_features
from cad.explain.novelty import NoveltyReference
from cad.explain.statement import aorta_statement
from cad.finding import Candidate, CrossSection, Evidence, Exhibit, Finding, Measurement
from cad.measure.aorta import AortaMeasurement, Direct, DirectError, OutlineError, measure_aorta
from cad.measure.aorta.estimates import DISAGREE
from cad.networks import LoadedModel
from cad.prepare.bodypart import body_part
from cad.prepare.inputs import InputRule, NetworkInput, network_input
from cad.report import Funnel, Novelty
from cad.segment.components import hard, largest_component
from cad.segment.network import probability
from cad.space import Box
from cad.study import Series
from cad.tasks.aorta_error import SHIPPED
from cad.tasks.choosing import CHEST_WORDS, Needs, judge
from cad.tasks.looks import fits, wrong_part
from cad.tasks.task import Fit, Progress, Suitability, TaskResult
from cad.volume import Volume

if TYPE_CHECKING:
    from cad.tasks.training import TrainedModel
    from cad.train.transfer import Start

DILATED_MM = 40.0  # 2022 ACC/AHA guideline, section 6.5: dilation of the ascending aorta in adults
LEAST_SHOWN = 0.2
DIAMETER = "diameter"

# The lumen's border is sharpest with contrast in it; the networks saw both, so that a plain scan is read where there is no other.
NEEDS = Needs(
    modality="CT",
    body="chest",
    words=CHEST_WORDS,
    shortest_mm=60.0,
    contrast=("arterial", "yes", "late", "likely"),
    kernels=("soft", "", "lung"),
)


@dataclass(frozen=True, slots=True)
class AortaSettings:
    """The task's numbers, kept in the model file's header.

    `bias_mm`, `sd_mm` are the error of the largest diameter on the calibration set; `half_width_mm` is its conformal
    95 % half width there. `error` says the same section by section; a model without one, and unknown to `SHIPPED`, falls back on those.
    `direct` is what the network that reads sections is off by; None for a model without it.
    """

    rule: InputRule
    novelty: NoveltyReference
    bias_mm: float
    sd_mm: float
    half_width_mm: float
    error: OutlineError | None = None
    direct: DirectError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings for the model header."""
        return {**asdict(self), "novelty": self.novelty.to_dict()}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> AortaSettings:
        """Back from the model header."""
        error, direct = stored.get("error"), stored.get("direct")
        return cls(
            **{
                **stored,
                "rule": InputRule.from_dict(stored["rule"]),
                "novelty": NoveltyReference.from_dict(stored["novelty"]),
                "error": None if error is None else OutlineError.from_dict(error),
                "direct": None if direct is None else DirectError.from_dict(direct),
            }
        )

    def confidence_dilated(self, diameter_mm: float) -> float:
        """Probability that the true largest diameter reaches 40 mm, from the measured one and its known error."""
        return 1 - NormalDist(diameter_mm - self.bias_mm, max(self.sd_mm, 0.1)).cdf(DILATED_MM)

    def confidence_of(self, widest: Measurement) -> float:
        """Probability that the true largest diameter reaches 40 mm, from a corrected one and its own 95 % interval; 0 without either."""
        if widest.value is None or widest.interval is None:
            return 0.0
        if self.error is None:
            return self.confidence_dilated(widest.value + self.bias_mm)
        half = max(widest.value - widest.interval[0], widest.interval[1] - widest.value)
        return 1 - NormalDist(widest.value, max(half / 1.96, 0.1)).cdf(DILATED_MM)

    def of(self, model: LoadedModel) -> AortaSettings:
        """These settings with what is known of the model's outlines, though its header was written before that."""
        return self if self.error is not None else replace(self, error=SHIPPED.get(model.version.sha256))

    def with_interval(self, measurement: Measurement) -> Measurement:
        """As its sections were corrected; without an `error`, the bias removed, the interval that of the calibration cases."""
        if measurement.value is None or self.error is not None:
            return measurement
        value = measurement.value - self.bias_mm
        return replace(measurement, value=value, interval=(value - self.half_width_mm, value + self.half_width_mm))


@dataclass(frozen=True, slots=True)
class AortaTask:
    """See cad.tasks.task.Task for the contract."""

    name: str = "aorta_ct"
    kind: str = "aortic_dilatation"
    modality: str = "CT"
    needs: Needs = NEEDS

    def suits(self, series: Series) -> Suitability:
        """Chest CT, from the headers."""
        return judge(series, self.needs)

    def fits(self, volume: Volume, series: Series) -> Fit:
        """Whether the pixels show a chest (see cad.tasks.looks)."""
        return fits(self.name, self.needs, volume, series)

    def run(self, volume: Volume, model: LoadedModel, *, lang: str, progress: Progress) -> TaskResult | Refusal:
        """Outline and measure the aorta. Raises ModelError for another task's model."""
        if model.header.task != self.name:
            raise ModelError(f"is a model for {model.header.task}", subject=self.name, accepted=f"a model for {self.name}")
        settings = AortaSettings.from_dict(model.settings).of(model)
        progress("prepare")
        part = body_part(volume)
        if part.name not in {self.needs.body, "other"}:
            return wrong_part(self.name, self.needs.body, part)
        seen = network_input(volume, settings.rule)
        if isinstance(seen, Refusal):
            return seen
        progress("segment")
        soft = outline_aorta(seen, model)
        progress("measure")
        low, direct = lowest_lung_mm(seen), direct_of(model, settings)
        measured = measure_aorta(soft, diaphragm_z_mm=low, error=settings.error, image=volume, direct=direct)
        measurements = tuple(settings.with_interval(m) for m in measured.measurements)
        novelty = settings.novelty.judge(scan_features(volume, seen, settings.rule), self.name)
        finding = self._finding(measurements, soft, volume, model, settings, novelty, lang)
        exhibit = Exhibit(self.name, 0, volume, hard(soft), sections=_sections(measured, settings))
        return TaskResult(
            findings=finding,
            funnel=Funnel(self.name, volume.grid.shape[0], volume.grid.shape[0], 1, len(finding), len(finding)),
            model=model.version,
            measurements=measurements,
            exhibits=(exhibit, *(replace(exhibit, rank=1) for _ in finding)),
            novelty=novelty,
        )

    def train(self, folder: Path, progress: Progress) -> TrainedModel:
        """Train the networks into `folder` from random weights (see cad.tasks.training)."""
        from cad.train.transfer import NOTHING

        return self.train_from(NOTHING, folder, progress)

    def train_from(self, start: Start, folder: Path, progress: Progress) -> TrainedModel:
        """The same from `start`: the weights of an earlier version, or another seed."""
        from cad.tasks.aorta_recipe import RECIPE
        from cad.tasks.training import train_aorta

        return train_aorta(RECIPE, folder, progress, start)

    def _finding(
        self,
        measurements: Sequence[Measurement],
        soft: Volume,
        volume: Volume,
        model: LoadedModel,
        settings: AortaSettings,
        novelty: Novelty,
        lang: str,
    ) -> tuple[Finding, ...]:
        widest = next((m for m in measurements if m.name == "aorta_max"), None)
        if widest is None or widest.value is None or widest.position_mm is None:
            return ()
        confidence = settings.confidence_of(widest)
        if confidence < LEAST_SHOWN:
            return ()
        box = Box.cube(widest.position_mm, widest.value)
        claimed = claim_of_scan(novelty.level, disagree=widest.label == DISAGREE)
        finding = Finding(
            rank=1,
            task=self.name,
            kind=self.kind,
            candidate=Candidate(widest.position_mm, box, (("segment", _mean_inside(soft)),)),
            diameter_mm=widest.value,
            confidence=confidence,
            measurements=tuple(measurements),
            evidence=Evidence(volume.slice_at(widest.position_mm), box, mask_sha256=hard(soft).digest()),
            statement=aorta_statement(measurements, confidence, lang, claim=claimed),
            model=model.version,
            claim=claimed,
        )
        return (finding,)


def outline_aorta(seen: NetworkInput, model: LoadedModel) -> Volume:
    """Probability map of the aorta on the crop, its largest piece only."""
    return largest_component(probability(seen.image, model.forward("segment")))


def direct_of(model: LoadedModel, settings: AortaSettings) -> Direct | None:
    """The network that reads diameters off sections, where the model has one; believed by half a metre until it was calibrated."""
    if DIAMETER not in model.header.stages:
        return None
    low, high = float(settings.rule.low or 0.0), float(settings.rule.high or 1.0)
    return Direct(model.forward(DIAMETER), low, high, settings.direct or DirectError(halves=500.0))


def lowest_lung_mm(seen: NetworkInput) -> float:
    """LPS z of the lungs' lowest plane: about where the diaphragm is."""
    planes = np.flatnonzero(np.asarray(seen.region.voxels).any(axis=(1, 2)))
    return float(seen.region.grid.to_mm((int(planes[0]), 0, 0))[2])


def _sections(measured: AortaMeasurement, settings: AortaSettings) -> tuple[CrossSection, ...]:
    less = settings.bias_mm if settings.error is None else 0.0
    return tuple(CrossSection(s.arc_mm, s.area_diameter_mm - less, s.centre_mm, s.outline_mm) for s in measured.measured)


def _mean_inside(soft: Volume) -> float:
    values = soft.voxels[soft.voxels >= 0.5]
    return float(values.mean()) if values.size else 0.0


TASK = AortaTask()
