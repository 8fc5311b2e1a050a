"""The funnel: triage discards planes, propose marks places, reduce keeps lesions and true look-alikes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

from cad.detect.propose import candidates, lesion_map
from cad.detect.reduce import reduce_logits, with_scores
from cad.detect.triage import kept_planes, plane_scores, source_slices_kept
from cad.finding import Candidate
from cad.networks import LoadedModel
from cad.prepare.inputs import InputRule, NetworkInput, close_up, scaled
from cad.volume import Volume


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Operating point of each stage on its raw score; `reduce` is a fused logit."""

    triage: float
    propose: float
    reduce: float


LEAST_SCORE = 1e-4


@dataclass(frozen=True, slots=True)
class Fusion:
    """What a candidate's rank rests on: a weighted sum of the logits of both stages that looked at it in three dimensions."""

    propose: float = 0.0
    reduce: float = 1.0

    def logit(self, propose_score: float, reduce_logit: float) -> float:
        """The fused logit of a proposal score in [0, 1] and a reduction logit."""
        inside = min(max(propose_score, LEAST_SCORE), 1 - LEAST_SCORE)
        return self.propose * log(inside / (1 - inside)) + self.reduce * reduce_logit


@dataclass(frozen=True, slots=True)
class Sight:
    """How the cascade sees and decides: inputs, operating points, fusion."""

    rule: InputRule
    thresholds: Thresholds
    fusion: Fusion = Fusion()


@dataclass(frozen=True, slots=True, eq=False)
class Suspect:
    """A candidate with its close-up (source unit), the same as the networks saw it, and its fused logit."""

    candidate: Candidate
    close_up: Volume
    patch: Volume
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
    scores = plane_scores(seen, model.forward("triage"))
    kept = kept_planes(scores, sight.thresholds.triage)
    progress("propose")
    heat = lesion_map(seen, kept, model.forward("propose"))
    proposed = candidates(heat, seen.image.grid, sight.thresholds.propose)
    progress("reduce")
    suspects = suspects_from(volume, proposed, seen, sight, model)
    passed = sorted((s for s in suspects if s.logit >= sight.thresholds.reduce), key=lambda s: (-s.logit, s.candidate.centre_mm))
    return Funnelled(tuple(passed), volume.grid.shape[0], source_slices_kept(volume, seen, kept), len(proposed))


def suspects_from(
    volume: Volume, proposed: tuple[Candidate, ...], seen: NetworkInput, sight: Sight, model: LoadedModel
) -> tuple[Suspect, ...]:
    """Every candidate with its close-up and fused logit, in the order proposed."""
    cuts = [close_up(volume, candidate.centre_mm, sight.rule.patch_voxels, sight.rule) for candidate in proposed]
    patches = [scaled(cut, seen.low, seen.high) for cut in cuts]
    found = reduce_logits(patches, model.forward("reduce"))
    return tuple(
        _suspect(candidate, cut, patch, float(logit), sight.fusion)
        for candidate, cut, patch, logit in zip(proposed, cuts, patches, found, strict=True)
    )


def _suspect(candidate: Candidate, cut: Volume, patch: Volume, reduce_logit: float, fusion: Fusion) -> Suspect:
    fused = fusion.logit(candidate.score("propose") or 0.0, reduce_logit)
    return Suspect(with_scores(candidate, reduce_logit, fused), cut, patch, fused)
