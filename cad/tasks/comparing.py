"""A scan's findings against an earlier scan of the same person: who is who, what grew, what is new, what is gone.

The prior is looked through by the same cascade and outlined by the same network. Where only one of the two scans yields a
finding, the other is looked at once more at that very place: a lesion that was too faint to be found on its own is neither
"new" nor "resolved" while the network outlines it there. Of a lesion on two CTs the change is measured with both on one grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cad.detect.cascade import Sight, run_cascade
from cad.detect.reduce import reduce_logits
from cad.finding import Finding, Measurement
from cad.measure.extent import measure_extent
from cad.measure.growth import NEW, OUTSIDE_PRIOR, Sighting, comparison, growth_measurements, interval_measurement, matched
from cad.measure.paired import paired_change
from cad.networks import LoadedModel
from cad.prepare.inputs import NetworkInput
from cad.prepare.locally import alongside
from cad.report import PriorLesion
from cad.segment.components import same
from cad.segment.outline import CloseUp, outlined
from cad.space import Grid, Point, as_point
from cad.tasks.task import Prior, Progress, TaskResult
from cad.volume import Volume

SECOND_LOOK_LOGIT = 0.0  # of the reduction network: even odds that what lies there is a lesion
RESOLVED, BELOW_THRESHOLD, OUTSIDE_CURRENT = "resolved", "below_threshold", "outside_current"


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """One scan as a task's networks see it. `confidence` calibrates a fused score."""

    volume: Volume
    seen: NetworkInput
    sight: Sight
    model: LoadedModel
    max_shown: int
    confidence: Callable[[float], float]

    def sighting(self, measurements: Sequence[Measurement]) -> Sighting:
        """What was measured of a lesion, with what decides how well it repeats."""
        return Sighting(measurements, self.volume.grid.spacing_mm[0], self.sight.rule.patch_spacing_mm)


@dataclass(frozen=True, slots=True, eq=False)
class _Lesion:
    """A lesion on one scan: where, how it measures, how sure, and the network's outline of it where that was kept."""

    centre_mm: Point
    sighting: Sighting
    confidence: float
    outline: Volume | None = None

    @property
    def radius_mm(self) -> float:
        return (self.sighting.value("longest_diameter_3d") or self.sighting.value("long_axis") or 0.0) / 2


def compare_findings(
    result: TaskResult, current: Scan, earlier: Scan, prior: Prior, progress: Progress
) -> tuple[tuple[Finding, ...], tuple[PriorLesion, ...]]:
    """The result's findings with what growth tells of each, in their order; and the prior's lesions without a partner."""
    before = _found(earlier, progress)
    outlines = {shown.rank: shown.outline for shown in result.exhibits}
    now = [_known(finding, current, outlines.get(finding.rank)) for finding in result.findings]
    there = [as_point(p) for p in prior.registration.to_prior([lesion.centre_mm for lesion in now])] if now else []
    pairs = matched([lesion.centre_mm for lesion in before], there, [lesion.radius_mm for lesion in now])
    taken = [before[j] for j in pairs.values()]
    told = []
    for i, finding in enumerate(result.findings):
        partner = before[pairs[i]] if i in pairs else _second_look(earlier, there[i], taken)
        growth = _growth(current, now[i], earlier, partner, there[i], prior)
        told.append(replace(finding, measurements=(*finding.measurements, *growth)))
    alone = [lesion for j, lesion in enumerate(before) if j not in pairs.values()]
    return tuple(told), tuple(_gone(lesion, current, now, prior) for lesion in alone)


def _known(finding: Finding, scan: Scan, outline: Volume | None) -> _Lesion:
    return _Lesion(finding.candidate.centre_mm, scan.sighting(finding.measurements), finding.confidence, outline)


def _found(scan: Scan, progress: Progress) -> list[_Lesion]:
    """What the cascade finds on the prior, outlined and measured, every lesion once (as cad.tasks.cascade_task shows it)."""
    found: list[_Lesion] = []
    for suspect in run_cascade(scan.volume, scan.seen, scan.sight, scan.model, progress).suspects:
        if len(found) == scan.max_shown:
            break
        centre = suspect.candidate.centre_mm
        soft = _outline(scan, centre, (suspect.close_up, suspect.pixels))
        if any(lesion.outline is not None and same(soft, lesion.outline) for lesion in found):
            continue
        sure = scan.confidence(suspect.candidate.score("fused") or 0.0)
        found.append(_Lesion(centre, scan.sighting(measure_extent(soft)), sure, soft))
    return found


def _growth(current: Scan, now: _Lesion, earlier: Scan, before: _Lesion | None, there: Point, prior: Prior) -> tuple[Measurement, ...]:
    """On CT the change with both scans on one grid or none: outlines alone call too much that stayed as it was changed."""
    if before is None:
        label = NEW if _holds(earlier.volume.grid, there) else OUTSIDE_PRIOR
        return (comparison(label), interval_measurement(prior.days))
    if before.outline is None or now.outline is None or {current.volume.modality, earlier.volume.modality} != {"CT"}:
        return growth_measurements(before.sighting, now.sighting, prior.days)
    laid = alongside((earlier.volume, current.volume), (before.outline, now.outline), prior.registration, now.centre_mm, now.radius_mm)
    found, texture = paired_change(laid), now.sighting.named("texture")
    on_grid = None if found is None else found.change("" if texture is None else texture.label)
    return growth_measurements(before.sighting, now.sighting, prior.days, on_grid, outlines_tell=False)


def _gone(lesion: _Lesion, current: Scan, now: Sequence[_Lesion], prior: Prior) -> PriorLesion:
    here = as_point(prior.registration.to_current(lesion.centre_mm))
    label = OUTSIDE_CURRENT
    if _holds(current.volume.grid, here):
        label = BELOW_THRESHOLD if _second_look(current, here, now) else RESOLVED
    seen = lesion.sighting
    return PriorLesion(label, here, seen.value("long_axis") or 2 * lesion.radius_mm, seen.value("volume"), lesion.confidence)


def _second_look(scan: Scan, point_mm: Point, taken: Sequence[_Lesion]) -> _Lesion | None:
    """What the networks outline at a place, if it is more likely a lesion than not and no other lesion's already."""
    if not _holds(scan.volume.grid, point_mm):
        return None
    soft = _outline(scan, point_mm)
    inside = np.argwhere(soft.voxels >= 0.5)
    if not len(inside):
        return None
    centre = as_point(soft.grid.to_mm(inside.mean(axis=0)))
    if any(np.linalg.norm(np.subtract(centre, other.centre_mm)) <= max(other.radius_mm, 2.0) for other in taken):
        return None
    logit = float(reduce_logits([_patch(scan, centre)[1]], scan.model.forward("reduce"))[0])
    return _Lesion(centre, scan.sighting(measure_extent(soft)), 0.0, soft) if logit >= SECOND_LOOK_LOGIT else None


def _patch(scan: Scan, centre_mm: Point) -> CloseUp:
    rule = scan.sight.rule
    return scan.seen.closely(scan.volume, centre_mm, rule.patch_voxels, rule)


def _outline(scan: Scan, centre_mm: Point, near: CloseUp | None = None) -> Volume:
    network = scan.model.forward("segment")
    return outlined(scan.volume, scan.seen, centre_mm, scan.sight.rule, network, near or _patch(scan, centre_mm))[1]


def _holds(grid: Grid, point_mm: Point) -> bool:
    index = grid.to_index(point_mm)
    return bool(((index >= -0.5) & (index <= np.asarray(grid.shape) - 0.5)).all())
