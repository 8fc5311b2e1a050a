"""Slices into stacks: ordered along the normal, duplicates dropped, gaps found, several volumes told apart.

Pure geometry on `SliceFacts`; pixels are asked for only through `same`, to tell a copy from a conflict.
Every slice that comes in is in a stack or in a refusal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from cad.errors import Refusal
from cad.read.facts import Cosines, SliceFacts
from cad.read.limits import DRIFT_MM, SAME_COSINE, SAME_POSITION_MM, SAME_SPACING, Limits
from cad.space import FloatArray

Slices = tuple[SliceFacts, ...]
_FINER = 4  # an uneven stack is resampled at its narrowest step; that may cost so many times the memory, no more
Same = Callable[[SliceFacts, SliceFacts], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Slices of one volume, lowest along the normal first.

    `along_mm` (n,) is the distance from the first slice along the normal, `shift_mm` (n, 2) the displacement of each
    slice within its plane (down the rows, across the columns) against the first; zeros when straight. `even` says
    whether the steps are equal.
    """

    slices: Slices
    normal: FloatArray
    along_mm: FloatArray
    shift_mm: FloatArray
    even: bool

    @property
    def step_mm(self) -> float:
        """The step of the grid: the mean one when even, else the smallest that divides the whole evenly."""
        if len(self.slices) == 1:
            return self.slices[0].thickness_mm or 1.0
        steps = np.diff(self.along_mm)
        count = len(steps) if self.even else int(np.ceil(self.along_mm[-1] / steps.min() - 1e-6))
        return float(self.along_mm[-1]) / count


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Stacks that can become volumes, the slices that cannot (one refusal a file), and what was put right."""

    stacks: tuple[Stack, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[Refusal, ...] = ()


def arrange(slices: Sequence[SliceFacts], same: Same, limits: Limits | None = None, subject: str = "") -> Arrangement:
    """Sort the slices of one series into stacks.

    `same` tells whether two slices hold the same pixels; `subject` names the series in warnings.
    Refusal reasons: missing_position, missing_spacing, bad_orientation, mixed_size, mixed_orientation, mixed_spacing,
    conflicting_slices, duplicate_slice, gap_in_series, uneven_spacing, thick_slices, gantry_tilt, shifted_slices,
    single_slice, too_few_slices. Warnings: series_split, duplicates_dropped, and the second half of the list above.
    """
    work = _Work(same, limits or Limits(), subject)
    usable = [s for s in slices if not work.refused_alone(s)]
    clusters = _clusters(usable)
    for cluster in clusters:
        if len(clusters) > 1 and len(cluster) < work.limits.slices[1]:
            others = clusters[1] if cluster is clusters[0] else clusters[0]
            work.refuse(cluster, *_difference(cluster[0], others[0]))
            continue
        for part in _split(cluster):
            work.stack(part)
    if len(work.stacks) > 1:
        sizes = " + ".join(str(len(s.slices)) for s in work.stacks)
        work.warn("series_split", f"the series holds {len(work.stacks)} volumes ({sizes} slices)")
    return Arrangement(tuple(work.stacks), tuple(work.refusals), tuple(work.warnings))


def refuse(slices: Iterable[SliceFacts], reason: str, detail: str) -> tuple[Refusal, ...]:
    """One refusal a file, naming the number of frames when it holds several."""
    frames: dict[str, int] = {}
    for item in slices:
        frames[str(item.ref.path)] = frames.get(str(item.ref.path), 0) + 1
    return tuple(Refusal(path, reason, detail if n == 1 else f"{n} frames: {detail}") for path, n in frames.items())


@dataclass(slots=True)
class _Work:
    same: Same
    limits: Limits
    subject: str
    stacks: list[Stack] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    warnings: list[Refusal] = field(default_factory=list)

    def refuse(self, slices: Iterable[SliceFacts], reason: str, detail: str) -> None:
        self.refusals.extend(refuse(slices, reason, detail))

    def warn(self, reason: str, detail: str) -> None:
        self.warnings.append(Refusal(self.subject, reason, detail))

    def refused_alone(self, item: SliceFacts) -> bool:
        problem = _own_problem(item)
        if problem:
            self.refuse([item], *problem)
        return problem is not None

    def stack(self, part: Slices) -> None:
        """One volume's slices: dedupe, measure, judge."""
        ordered = self._without_copies(_ordered(part))
        if ordered is None:
            return
        stack = _measured(ordered, self.limits.uneven[0])
        remarks = list(_judged(stack, self.limits))
        fatal = [r for r in remarks if r.fatal]
        if fatal:
            self.refuse(stack.slices, fatal[0].reason, fatal[0].detail)
            return
        for remark in remarks:
            self.warn(remark.reason, remark.detail)
        self.stacks.append(stack)

    def _without_copies(self, ordered: Slices) -> Slices | None:
        """Copies dropped and named; None when two different pictures claim one place (all refused)."""
        kept: list[SliceFacts] = []
        copies: list[SliceFacts] = []
        for item in ordered:
            if not kept or _along(item, kept[-1]) > SAME_POSITION_MM:
                kept.append(item)
            elif self.same(kept[-1], item):
                copies.append(item)
            else:
                place = f"{_along(item, ordered[0]):.2f} mm above the lowest slice"
                self.refuse(ordered, "conflicting_slices", f"two different pictures claim the same position, {place}")
                return None
        if copies:
            self.refuse(copies, "duplicate_slice", "the same position and pixels as another slice of the series, which is used")
            self.warn("duplicates_dropped", f"{len(copies)} {'copy' if len(copies) == 1 else 'copies'} of slices left out")
        return tuple(kept)


def _own_problem(item: SliceFacts) -> tuple[str, str] | None:
    if item.position_mm is None or item.orientation is None:
        return "missing_position", "ImagePositionPatient or ImageOrientationPatient is missing"
    if item.spacing_mm is None or not all(0.01 < s < 100 for s in item.spacing_mm):
        return "missing_spacing", f"PixelSpacing is {item.spacing_mm}; 0.01 to 100 mm is read"
    if not _is_square(item.orientation) or not all(map(math.isfinite, item.position_mm)):
        return "bad_orientation", "the row and column directions are not at right angles or not of length one"
    return None


@lru_cache
def _is_square(orientation: Cosines) -> bool:
    """Whether row and column direction are of length one and at right angles."""
    cosines = np.asarray(orientation).reshape(2, 3)
    return bool(np.allclose(cosines @ cosines.T, np.eye(2), atol=5e-3))


def _clusters(slices: Sequence[SliceFacts]) -> list[Slices]:
    """Slices that share size, plane and pixel spacing, largest cluster first."""
    clusters: list[list[SliceFacts]] = []
    for item in slices:
        home = next((c for c in clusters if _difference(item, c[0])[0] == ""), None)
        if home is None:
            clusters.append([item])
        else:
            home.append(item)
    return sorted((tuple(c) for c in clusters), key=len, reverse=True)


def _difference(item: SliceFacts, other: SliceFacts) -> tuple[str, str]:
    """What keeps two slices from sharing a volume: (reason, detail), ("", "") for nothing."""
    if (item.rows, item.columns) != (other.rows, other.columns):
        return "mixed_size", f"{item.rows} x {item.columns} pixels in a series of {other.rows} x {other.columns}"
    if item.orientation != other.orientation and not np.allclose(item.orientation or (), other.orientation or (), atol=SAME_COSINE):
        return "mixed_orientation", f"another plane than the rest of the series, {_angle(item, other):.1f} degrees apart"
    one, two = item.spacing_mm or (), other.spacing_mm or ()
    if one != two and not np.allclose(one, two, rtol=SAME_SPACING):
        mine, theirs = (" x ".join(f"{s:.4g}" for s in spacing) for spacing in (one, two))
        return "mixed_spacing", f"pixels of {mine} mm in a series of {theirs} mm"
    return "", ""


def _split(slices: Slices) -> list[Slices]:
    """Volumes told apart by the first mark under which every part is as long as the others; positions unique stay together."""
    if not _collides(slices):
        return [slices]
    for name in dict(mark for item in slices for mark in item.marks):
        parts: dict[str, list[SliceFacts]] = {}
        for item in slices:
            parts.setdefault(dict(item.marks).get(name, ""), []).append(item)
        places = {len(_places(part)) for part in parts.values()}
        if len(parts) > 1 and max(places) - min(places) <= 1 and min(places) > 1:
            return [whole for part in parts.values() for whole in _split(tuple(part))]
    return [slices]


def _collides(slices: Slices) -> bool:
    return len(_places(slices)) < len(slices)


def _places(slices: Iterable[SliceFacts]) -> set[int]:
    ordered = tuple(slices)
    return {round(_along(item, ordered[0]) / (2 * SAME_POSITION_MM)) for item in ordered}


def _ordered(slices: Slices) -> Slices:
    return tuple(sorted(slices, key=lambda s: (round(_along(s, slices[0]) / SAME_POSITION_MM), str(s.ref.path), s.ref.frame)))


def _measured(ordered: Slices, uneven: float) -> Stack:
    first = ordered[0]
    delta = np.array([item.position_mm for item in ordered]) - np.array(first.position_mm)
    normal = _normal(first)
    along = delta @ normal
    across, down = np.asarray(first.orientation).reshape(2, 3)
    shift = np.stack([delta @ down, delta @ across], axis=1)
    if np.abs(shift).max() <= DRIFT_MM:
        shift = np.zeros_like(shift)
    ladder = np.linspace(0, along[-1], len(along))
    steps = np.diff(along)
    level = len(ordered) < 3 or np.ptp(steps) <= max(DRIFT_MM, uneven * steps.min())
    even = bool(level and np.abs(along - ladder).max() <= DRIFT_MM)
    return Stack(ordered, normal, along, shift, even)


@dataclass(frozen=True, slots=True)
class _Remark:
    reason: str
    detail: str
    fatal: bool


def _judged(stack: Stack, limits: Limits) -> Iterable[_Remark]:
    """Everything worth saying about a stack; fatal remarks first in each kind."""
    n = len(stack.slices)
    if n < limits.slices[0]:
        reason = "single_slice" if n == 1 else "too_few_slices"
        fatal = n < limits.slices[1]
        wanted = f"a volume needs {limits.slices[1]} or more" if fatal else f"fewer than {limits.slices[0]} show little of a body"
        yield _Remark(reason, f"{n} slice{'s' * (n > 1)}; {wanted}", fatal)
    if n < 2:
        return
    yield from _step_remarks(stack, limits)
    yield from _tilt_remarks(stack, limits)


def _step_remarks(stack: Stack, limits: Limits) -> Iterable[_Remark]:
    steps = np.diff(stack.along_mm)
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])  # the lower median: of one whole and one doubled step, the whole one
    wide = steps > steps.min() * (1 + limits.uneven[1]) + DRIFT_MM  # headers round positions
    gaps = [int(i) for i in np.flatnonzero(wide) if not _covered(stack.slices, int(i), float(steps[i]))]
    if gaps:
        yield _Remark("gap_in_series", _gap_sentence(stack, gaps, usual), True)
    if usual > limits.step_mm[0]:
        yield _Remark("thick_slices", f"slices are {usual:.2f} mm apart", usual > limits.step_mm[1])
    if not stack.even:
        narrow = bool(steps.min() < usual / _FINER)
        how = "too uneven to resample" if narrow else f"resampled every {stack.step_mm:.3f} mm"
        yield _Remark("uneven_spacing", f"steps of {steps.min():.3f} to {steps.max():.3f} mm; {how}", narrow)


def _covered(slices: Slices, i: int, step: float) -> bool:
    """Whether two neighbours are thick enough to leave nothing between them unseen."""
    below, above = slices[i].thickness_mm, slices[i + 1].thickness_mm
    return below is not None and above is not None and max(below, above) >= 0.95 * step


def _gap_sentence(stack: Stack, gaps: list[int], usual: float) -> str:
    steps = np.diff(stack.along_mm)
    base = float(np.asarray(stack.slices[0].position_mm) @ stack.normal)
    told = [f"{steps[i]:.2f} mm between {base + stack.along_mm[i]:.2f} and {base + stack.along_mm[i + 1]:.2f} mm" for i in gaps[:3]]
    missing = sum(max(1, round(steps[i] / usual) - 1) for i in gaps)
    more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
    lost = "1 slice" if missing == 1 else f"{missing} slices"
    return f"usual step {usual:.2f} mm, but {', '.join(told)}{more} along the normal: about {lost} missing"


def _tilt_remarks(stack: Stack, limits: Limits) -> Iterable[_Remark]:
    if not stack.shift_mm.any():
        return
    lean = stack.along_mm @ stack.shift_mm / (stack.along_mm @ stack.along_mm)
    angle = float(np.degrees(np.arctan(np.linalg.norm(lean))))
    stray = float(np.abs(stack.shift_mm - np.outer(stack.along_mm, lean)).max())
    if angle > limits.tilt_degrees[0]:
        yield _Remark("gantry_tilt", f"stacked {angle:.2f} degrees off the slice normal; sheared back", angle > limits.tilt_degrees[1])
    if stray > limits.shift_mm[0]:
        yield _Remark("shifted_slices", f"slices displaced by up to {stray:.1f} mm in their plane; put back", stray > limits.shift_mm[1])


def _normal(item: SliceFacts) -> FloatArray:
    return np.asarray(_unit_normal(item.orientation or ()))


@lru_cache
def _unit_normal(orientation: Sequence[float]) -> tuple[float, ...]:
    """The cross product of row and column direction, of length one: asked for with every slice, so remembered."""
    across, down = np.asarray(orientation, dtype=np.float64).reshape(2, 3)
    normal = np.cross(across, down)
    return tuple((normal / np.linalg.norm(normal)).tolist())


def _along(item: SliceFacts, other: SliceFacts) -> float:
    """Distance along the normal of `other`, mm."""
    here, there, normal = item.position_mm or (), other.position_mm or (), _unit_normal(other.orientation or ())
    return sum((a - b) * n for a, b, n in zip(here, there, normal, strict=True))


def _angle(item: SliceFacts, other: SliceFacts) -> float:
    return float(np.degrees(np.arccos(np.clip(_normal(item) @ _normal(other), -1, 1))))
