"""The funnel: triage discards planes, propose marks places, reduce keeps lesions and true look-alikes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any

from cad.backends import Float32Array
from cad.detect.propose import candidates, lesion_map
from cad.detect.reduce import reduce_logits, with_scores
from cad.detect.second import second_logits, two_scales
from cad.detect.triage import TRIAGE_CHANNELS, kept_planes, plane_scores, source_slices_kept
from cad.finding import Candidate
from cad.networks import LoadedModel
from cad.prepare.inputs import InputRule, NetworkInput
from cad.volume import Volume


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Operating point of each stage on its raw score; `reduce` is a fused logit."""

    triage: float
    propose: float
    reduce: float


LEAST_SCORE = 1e-4
MOST_SECOND = 16  # candidates a scan that are looked at twice, those that reduce found most suspicious


@dataclass(frozen=True, slots=True)
class SecondFusion:
    """Which candidates are looked at again (fused logit of the first look at least `looks_from`), and how all three scores count then."""

    looks_from: float
    propose: float
    reduce: float
    second: float
    intercept: float


@dataclass(frozen=True, slots=True)
class Fusion:
    """What a candidate's rank rests on: a weighted sum of the logits of all stages that looked at it in three dimensions."""

    propose: float = 0.0
    reduce: float = 1.0
    intercept: float = 0.0
    again: SecondFusion | None = None

    def logit(self, propose_score: float, reduce_logit: float, second_logit: float | None = None) -> float:
        """The fused logit of a proposal score in [0, 1], a reduction logit, and the second look's where there was one."""
        inside = min(max(propose_score, LEAST_SCORE), 1 - LEAST_SCORE)
        proposed = log(inside / (1 - inside))
        first = self.propose * proposed + self.reduce * reduce_logit + self.intercept
        if self.again is None or second_logit is None or first < self.again.looks_from:
            return first
        return self.again.propose * proposed + self.again.reduce * reduce_logit + self.again.second * second_logit + self.again.intercept

    def slope(self, *, twice: bool) -> float:
        """How far the fused logit moves with the first look's; `twice` where the candidate was looked at again."""
        return self.again.reduce if self.again is not None and twice else self.reduce

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Fusion:
        """Back from a model's header."""
        again = stored.get("again")
        return cls(**{**stored, "again": SecondFusion(**again) if again else None})


@dataclass(frozen=True, slots=True)
class Sight:
    """How the cascade sees and decides: inputs, operating points, fusion."""

    rule: InputRule
    thresholds: Thresholds
    fusion: Fusion = Fusion()


@dataclass(frozen=True, slots=True, eq=False)
class Suspect:
    """A candidate with its close-up (source unit), the same as the networks saw it (channels, d, h, w), and its fused logit."""

    candidate: Candidate
    close_up: Volume
    pixels: Float32Array
    logit: float


@dataclass(frozen=True, slots=True, eq=False)
class Funnelled:
    """What came through, best first, and how much was discarded on the way."""

    suspects: tuple[Suspect, ...]
    slices_in: int
    slices_kept: int
    candidates: int


def run_cascade(volume: Volume, seen: NetworkInput, sight: Sight, model: LoadedModel, progress: Callable[[str], None]) -> Funnelled:
    """Run the three stages; suspects are those whose logit reaches `thresholds.reduce`, best first."""
    progress("triage")
    scores = plane_scores(seen, model.forward("triage"), triage_channels(model))
    kept = kept_planes(scores, sight.thresholds.triage)
    progress("propose")
    proposed = candidates(lesion_map(seen, kept, model.forward("propose")), sight.thresholds.propose)
    progress("reduce")
    suspects = suspects_from(volume, proposed, seen, sight, model)
    passed = sorted((s for s in suspects if s.logit >= sight.thresholds.reduce), key=lambda s: (-s.logit, s.candidate.centre_mm))
    return Funnelled(tuple(passed), volume.grid.shape[0], source_slices_kept(volume, seen, kept), len(proposed))


def triage_channels(model: LoadedModel) -> int:
    """How many planes its triage sees at a time."""
    spec = model.header.stages.get("triage")
    return spec.channels_in if spec else TRIAGE_CHANNELS


def suspects_from(
    volume: Volume, proposed: tuple[Candidate, ...], seen: NetworkInput, sight: Sight, model: LoadedModel
) -> tuple[Suspect, ...]:
    """Every candidate with its close-up and fused logit, in the order proposed; both looks are among its scores."""
    cuts = [seen.closely(volume, candidate.centre_mm, sight.rule.patch_voxels, sight.rule) for candidate in proposed]
    found = reduce_logits([pixels for _, pixels in cuts], model.forward("reduce"))
    again = _looked_again(volume, proposed, found, seen, sight, model)
    return tuple(
        _suspect(candidate, *cut, (float(found[n]), again.get(n)), sight.fusion)
        for n, (candidate, cut) in enumerate(zip(proposed, cuts, strict=True))
    )


def _looked_again(
    volume: Volume, proposed: tuple[Candidate, ...], reduced: Float32Array, seen: NetworkInput, sight: Sight, model: LoadedModel
) -> dict[int, float]:
    """Second-look logits of the candidates that the first look leaves open, by their number."""
    again = sight.fusion.again
    if again is None:
        return {}
    first = replace(sight.fusion, again=None)
    most = sorted(range(len(proposed)), key=lambda n: (-reduced[n], n))[:MOST_SECOND]
    opened = [n for n in most if first.logit(proposed[n].score("propose") or 0.0, float(reduced[n])) >= again.looks_from]
    looks = [two_scales(volume, seen, proposed[n].centre_mm, sight.rule) for n in opened]
    return dict(zip(opened, map(float, second_logits(looks, model.forward("second"))), strict=True))


def _suspect(candidate: Candidate, cut: Volume, pixels: Float32Array, looks: tuple[float, float | None], fusion: Fusion) -> Suspect:
    fused = fusion.logit(candidate.score("propose") or 0.0, *looks)
    return Suspect(with_scores(candidate, *looks, fused), cut, pixels, fused)
