"""A detection task: headers -> cascade -> outline -> measurements -> evidence -> findings. Lung and brain share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.special import expit

from cad.detect.cascade import Funnelled, Fusion, Sight, Suspect, Thresholds, run_cascade
from cad.errors import ModelError, Refusal
from cad.explain.claim import claim
from cad.explain.confidence import Calibration
from cad.explain.conformal import Verdicts
from cad.explain.counterfactual import rescored
from cad.explain.faithfulness import assess
from cad.explain.features import scan_features
from cad.explain.follow_up import SURE
from cad.explain.heatmap import hirescam_3d
from cad.explain.novelty import NoveltyReference
from cad.explain.sanity import MapSanity
from cad.explain.similar import finding_features
from cad.explain.stability import StabilityReference, probe
from cad.finding import Claim, Evidence, Exhibit, Faithfulness, Finding, Measurement, Statement
from cad.measure.density import measure_density
from cad.measure.descriptors import measure_margin, measure_shape
from cad.measure.extent import measure_extent
from cad.networks import LoadedModel
from cad.prepare.bodypart import body_part
from cad.prepare.inputs import InputRule, NetworkInput, network_input
from cad.prepare.resample import resample_labels
from cad.report import Funnel, Novelty, PriorLesion, Reliability, reliability_of
from cad.segment.components import hard, same
from cad.segment.outline import outlined
from cad.space import Box
from cad.study import Series
from cad.tasks.certificate import Certificate
from cad.tasks.choosing import Needs, judge
from cad.tasks.comparing import Scan, compare_findings
from cad.tasks.looks import fits, wrong_part
from cad.tasks.made_ready import made_ready
from cad.tasks.task import Fit, Prior, Progress, Suitability, TaskResult
from cad.volume import Volume

if TYPE_CHECKING:
    from cad.tasks.training import TrainedModel
    from cad.train.recipe import Recipe
    from cad.train.transfer import Start

Describe = Callable[[Volume, Volume, Volume, Sequence[Measurement]], tuple[Measurement, ...]]
Hints = Callable[[Sequence[Measurement], int], tuple[Measurement, ...]]


def no_hints(_measurements: Sequence[Measurement], _others: int) -> tuple[Measurement, ...]:
    """For organs without a guideline here."""
    return ()


class State(Protocol):
    """Writes the statement of a finding from what was measured (see cad.explain.statement)."""

    def __call__(self, measurements: Sequence[Measurement], confidence: float, lang: str, *, claim: Claim = ...) -> Statement:
        """The statement; raises ShokenError for an unknown language."""
        ...


@dataclass(frozen=True, slots=True)
class CascadeSettings:
    """A cascade's numbers, kept in the model file's header so that its digest covers them."""

    rule: InputRule
    thresholds: Thresholds
    fusion: Fusion
    calibration: Calibration
    novelty: NoveltyReference
    max_shown: int = 10
    verdicts: Verdicts = field(default_factory=Verdicts)
    stability: StabilityReference = field(default_factory=StabilityReference)
    maps: MapSanity = field(default_factory=MapSanity)
    reliability: Reliability | None = None
    certificate: Certificate | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings for the model header."""
        return {
            "rule": asdict(self.rule),
            "thresholds": asdict(self.thresholds),
            "fusion": asdict(self.fusion),
            "calibration": self.calibration.to_dict(),
            "novelty": self.novelty.to_dict(),
            "max_shown": self.max_shown,
            "verdicts": self.verdicts.to_dict(),
            "stability": self.stability.to_dict(),
            "maps": self.maps.to_dict(),
            "reliability": None if self.reliability is None else asdict(self.reliability),
            "certificate": self.certificate.to_dict() if self.certificate else None,
        }

    @property
    def sight(self) -> Sight:
        """What the cascade needs of them."""
        return Sight(self.rule, self.thresholds, self.fusion)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> CascadeSettings:
        """Back from the model header; what a model from before there was such a thing does not hold makes no claim."""
        return cls(
            rule=InputRule.from_dict(stored["rule"]),
            thresholds=Thresholds(**stored["thresholds"]),
            fusion=Fusion.from_dict(stored["fusion"]),
            calibration=Calibration.from_dict(stored["calibration"]),
            novelty=NoveltyReference.from_dict(stored["novelty"]),
            max_shown=int(stored["max_shown"]),
            verdicts=Verdicts.from_dict(stored.get("verdicts", {})),
            stability=StabilityReference.from_dict(stored.get("stability", {})),
            maps=MapSanity.from_dict(stored.get("maps", {})),
            reliability=reliability_of(stored.get("reliability")),
            certificate=Certificate.from_dict(stored.get("certificate")),
        ).at_prevalence(stored.get("prevalence"))

    def at_prevalence(self, share: float | None) -> CascadeSettings:
        """The same with confidences for a place where `share` of all scans hold a lesion; as calibrated where that is not stated."""
        if share is None:
            return self
        known = self.reliability
        return replace(
            self,
            calibration=self.calibration.at_prevalence(share),
            reliability=None if known is None else replace(known, stated_prevalence=share),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What all findings of one volume share."""

    volume: Volume
    seen: NetworkInput
    model: LoadedModel
    settings: CascadeSettings
    novelty: Novelty
    lang: str


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A suspect with its outline as probabilities and everything measured of it."""

    suspect: Suspect
    outline: Volume
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True)
class CascadeTask:
    """A detection task over one organ (see cad.tasks.task.Task for the contract).

    `needs` is what it can read, in headers and pixels; `describe` adds the organ's own measurements from
    (close-up, outline, organ mask, measurements so far), `state` writes the sentence, `recipe` says how
    its networks are trained. `hints` adds what guidelines hint at, from a finding's measurements and the number of other sure ones.
    """

    name: str
    kind: str
    needs: Needs
    describe: Describe
    state: State
    recipe: Callable[[], Recipe]
    hints: Hints = no_hints

    def suits(self, series: Series) -> Suitability:
        """Whether this series can serve the task, from its headers."""
        return judge(series, self.needs)

    def fits(self, volume: Volume, series: Series) -> Fit:
        """Whether the pixels show the body part (see cad.tasks.looks)."""
        return fits(self.name, self.needs, volume, series)

    @property
    def modality(self) -> str:
        """The DICOM modality it looks at."""
        return self.needs.modality

    @property
    def sequences(self) -> tuple[str, ...]:
        """The MR types of one study that it looks at together; () where one series is all it looks at."""
        return self.needs.sequences if self.needs.together else ()

    def run(self, volume: Volume, model: LoadedModel, *, lang: str, progress: Progress) -> TaskResult | Refusal:
        """Look through one volume. Raises ModelError for another task's model."""
        if model.header.task != self.name:
            raise ModelError(f"is a model for {model.header.task}", subject=self.name, accepted=f"a model for {self.name}")
        settings = CascadeSettings.from_dict(model.settings)
        progress("prepare")
        seen = self._look(volume, settings.rule)
        if isinstance(seen, Refusal):
            return seen
        novelty = settings.novelty.judge(scan_features(volume, seen, settings.rule, model.stage("reduce")), self.name)
        found = run_cascade(volume, seen, settings.sight, model, progress)
        progress("segment, measure, explain")
        scene = _Scene(volume, seen, model, settings, novelty, lang)
        looks = self._each_once(found.suspects, scene)
        pairs = [self._finding(rank, look, scene) for rank, look in enumerate(looks, start=1)]
        return TaskResult(
            findings=self.told([finding for finding, _ in pairs], lang),
            funnel=self._funnel(found, len(pairs)),
            model=model.version,
            exhibits=tuple(exhibit for _, exhibit in pairs),
            novelty=novelty,
            reliability=settings.reliability,
            warnings=made_ready(volume, seen, settings.rule),
        )

    def compare(
        self, result: TaskResult, volume: Volume, prior: Prior, model: LoadedModel, *, lang: str, progress: Progress
    ) -> tuple[TaskResult, tuple[PriorLesion, ...]] | Refusal:
        """The findings with what grew since the prior, told anew; see cad.tasks.comparing."""
        settings = CascadeSettings.from_dict(model.settings)
        now, then = (self._look(seen, settings.rule) for seen in (volume, prior.volume))
        if isinstance(now, Refusal):
            return now
        if isinstance(then, Refusal):
            return then
        current, earlier = (
            Scan(scan, seen, settings.sight, model, settings.max_shown, settings.calibration.apply)
            for scan, seen in ((volume, now), (prior.volume, then))
        )
        findings, lesions = compare_findings(result, current, earlier, prior, progress)
        return replace(result, findings=self.told(findings, lang)), lesions

    def train(self, folder: Path, progress: Progress) -> TrainedModel:
        """Train the networks into `folder` from random weights (see cad.tasks.training)."""
        from cad.train.transfer import NOTHING

        return self.train_from(NOTHING, folder, progress)

    def train_from(self, start: Start, folder: Path, progress: Progress) -> TrainedModel:
        """The same from `start`: the weights of an earlier version, or another seed."""
        from cad.tasks.training import train_detection

        return train_detection(self.recipe(), self, folder, progress, start)

    def _look(self, volume: Volume, rule: InputRule) -> NetworkInput | Refusal:
        part = body_part(volume)
        if part.name not in {self.needs.body, "other"}:
            return wrong_part(self.name, self.needs.body, part)
        return network_input(volume, rule)

    def _funnel(self, found: Funnelled, shown: int) -> Funnel:
        return Funnel(self.name, found.slices_in, found.slices_kept, found.candidates, len(found.suspects), shown)

    def _each_once(self, suspects: Sequence[Suspect], scene: _Scene) -> tuple[_Look, ...]:
        """Every lesion once, by its best suspect, `max_shown` at most: two peaks on one large lesion are outlined alike."""
        kept: list[_Look] = []
        for suspect in suspects:
            if len(kept) == scene.settings.max_shown:
                break
            soft, measurements = self.look_closely(suspect, scene.volume, scene.seen, scene.settings.rule, scene.model)
            if not any(same(soft, other.outline) for other in kept):
                kept.append(_Look(suspect, soft, measurements))
        return tuple(kept)

    def _finding(self, rank: int, look: _Look, scene: _Scene) -> tuple[Finding, Exhibit]:
        suspect, soft, measurements = look.suspect, look.outline, look.measurements
        confidence = scene.settings.calibration.apply(suspect.candidate.score("fused") or 0.0)
        mask, reducer, pixels = hard(soft), scene.model.stage("reduce"), suspect.pixels
        near = resample_labels(mask, suspect.close_up.grid)
        heat = suspect.close_up.like(hirescam_3d(reducer, pixels), unit="1")
        check = scene.settings.maps.outcome
        faithfulness = assess(reducer, pixels, np.asarray(heat.voxels), np.asarray(near.voxels), model_check=check)
        finding = Finding(
            rank=rank,
            task=self.name,
            kind=self.kind,
            candidate=suspect.candidate,
            diameter_mm=_diameter_mm(measurements, suspect),
            confidence=confidence,
            measurements=measurements,
            evidence=_evidence(scene.volume, mask, heat, suspect, faithfulness),
            statement=Statement(scene.lang, ()),
            model=scene.model.version,
            claim=self._claim(suspect, near, scene),
        )
        features = finding_features(pixels, reducer, measurements)
        return finding, Exhibit(self.name, rank, scene.volume, mask, heat, features=features, outline=soft)

    def look_closely(
        self, suspect: Suspect, volume: Volume, seen: NetworkInput, rule: InputRule, model: LoadedModel
    ) -> tuple[Volume, tuple[Measurement, ...]]:
        """The outline of a suspect of `volume` as probabilities, and everything measured of it."""
        near = (suspect.close_up, suspect.pixels)
        shown, soft = outlined(volume, seen, suspect.candidate.centre_mm, rule, model.forward("segment"), near)
        return soft, self._measure(shown, soft, seen.region)

    def _claim(self, suspect: Suspect, mask: Volume, scene: _Scene) -> Claim:
        """What is claimed, and the confidence had the lesion another density or size."""
        settings, reducer, pixels = scene.settings, scene.model.stage("reduce"), suspect.pixels
        made = claim(suspect.logit, probe(pixels, reducer), settings.verdicts, settings.stability, scene.novelty.level)
        window = (scene.seen.low, scene.seen.high) if scene.volume.unit == "HU" else None
        moved = rescored(pixels, np.asarray(mask.voxels), mask.grid.spacing_mm[0], reducer, window)
        slope = settings.fusion.slope(twice=suspect.candidate.score("second") is not None)
        then = [(name, settings.calibration.apply(float(expit(suspect.logit + slope * move)))) for name, move in moved]
        return replace(made, if_changed=tuple(then))

    def told(self, findings: Sequence[Finding], lang: str) -> tuple[Finding, ...]:
        """The findings with hints and statement, from everything measured so far; what an earlier telling added is told anew."""
        return tuple(self._tell(finding, _others(finding, findings), lang) for finding in findings)

    def _tell(self, finding: Finding, others: int, lang: str) -> Finding:
        hints = self.hints(finding.measurements, others)
        stale = {hint.name for hint in hints}
        measured = (*(m for m in finding.measurements if m.name not in stale), *hints)
        said = self.state(measured, finding.confidence, lang, claim=finding.claim)
        return replace(finding, measurements=measured, statement=said)

    def _measure(self, close_up: Volume, soft: Volume, region: Volume) -> tuple[Measurement, ...]:
        density = measure_density(close_up, soft)
        general = (*measure_extent(soft), *density, *measure_shape(soft), measure_margin(close_up, soft))
        return (*general, *self.describe(close_up, soft, region, density))


def _others(finding: Finding, findings: Sequence[Finding]) -> int:
    """How many other findings are more likely real than not."""
    return sum(other is not finding and other.confidence >= SURE for other in findings)


def _diameter_mm(measurements: Sequence[Measurement], suspect: Suspect) -> float:
    """The long axis; where no outline was found, the longest edge of the proposal's box."""
    for measurement in measurements:
        if measurement.name == "long_axis" and measurement.value is not None:
            return measurement.value
    return max(suspect.candidate.box_mm.size_mm)


def _evidence(volume: Volume, mask: Volume, heat: Volume, suspect: Suspect, faithfulness: Faithfulness) -> Evidence:
    region = _bounds(mask) or suspect.candidate.box_mm
    return Evidence(
        key_slices=_key_slices(volume, region, suspect),
        region_mm=region,
        mask_sha256=mask.digest(),
        heatmap_sha256=heat.digest(),
        faithfulness=faithfulness,
    )


def _bounds(mask: Volume) -> Box | None:
    inside = np.argwhere(mask.voxels)
    if not len(inside):
        return None
    start = inside.min(axis=0)
    shape = inside.max(axis=0) - start + 1
    return mask.grid.crop([int(s) for s in start], [int(s) for s in shape]).box()


def _key_slices(volume: Volume, region: Box, suspect: Suspect) -> tuple[str, ...]:
    """SOP Instance UIDs of the slice through the centre, then of those at both ends of the outline."""
    if not volume.sources:
        return ()
    x, y, _ = suspect.candidate.centre_mm
    points = (suspect.candidate.centre_mm, (x, y, region.low_mm[2]), (x, y, region.high_mm[2]))
    index = np.rint(volume.grid.to_index(points)[:, 0]).astype(int).clip(0, volume.grid.shape[0] - 1)
    return tuple(dict.fromkeys(volume.sources[k].sop_instance_uid for k in index))
