"""The funnel: triage discards planes, propose marks places, reduce keeps lesions and true look-alikes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cad.detect.propose import candidates, lesion_map
from cad.detect.reduce import reduce_logits, with_reduce_score
from cad.detect.triage import kept_planes, plane_scores, source_slices_kept
from cad.finding import Candidate
from cad.networks import LoadedModel
from cad.prepare.inputs import InputRule, NetworkInput, close_up, scaled
from cad.volume import Volume


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Operating point of each stage on its raw score; `reduce` is a logit."""

    triage: float
    propose: float
    reduce: float


@dataclass(frozen=True, slots=True, eq=False)
class Suspect:
    """A candidate with its close-up (source unit), the same as the networks saw it, and its reduction logit."""

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


def run_cascade(
    volume: Volume, seen: NetworkInput, rule: InputRule, thresholds: Thresholds, model: LoadedModel, progress: Callable[[str], None]
) -> Funnelled:
    """Run the three stages; suspects are those whose logit reaches `thresholds.reduce`, best first."""
    progress("triage")
    scores = plane_scores(seen, model.stage("triage"))
    kept = kept_planes(scores, thresholds.triage)
    progress("propose")
    heat = lesion_map(seen, kept, model.stage("propose"))
    proposed = candidates(heat, seen.image.grid, thresholds.propose)
    progress("reduce")
    suspects = suspects_from(volume, proposed, seen, rule, model)
    passed = sorted((s for s in suspects if s.logit >= thresholds.reduce), key=lambda s: (-s.logit, s.candidate.centre_mm))
    return Funnelled(tuple(passed), volume.grid.shape[0], source_slices_kept(volume, seen, kept), len(proposed))


def suspects_from(
    volume: Volume, proposed: tuple[Candidate, ...], seen: NetworkInput, rule: InputRule, model: LoadedModel
) -> tuple[Suspect, ...]:
    """Every candidate with its close-up and reduction logit, in the order proposed."""
    cuts = [close_up(volume, candidate.centre_mm, rule.patch_voxels, rule) for candidate in proposed]
    patches = [scaled(cut, seen.low, seen.high) for cut in cuts]
    found = reduce_logits(patches, model.stage("reduce"))
    return tuple(
        Suspect(with_reduce_score(candidate, float(logit)), cut, patch, float(logit))
        for candidate, cut, patch, logit in zip(proposed, cuts, patches, found, strict=True)
    )
