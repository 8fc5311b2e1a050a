"""The one deep entry: `deface`, a whole series of header-cleaned images in, the series without a face out - or why it must not pass.

Two looks at every image: the first makes a small picture and the plan, the second cuts and checks what was written, so a series on
disk is never held as a whole. The series passes when the checks hold on the pixels that leave, and in no other case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from anonymizer import reading
from anonymizer.defacing import anatomy, checks, header, pixels, view
from anonymizer.defacing.account import Defaced, FaceAccount, FaceVerdict, Status, not_needed, refused
from anonymizer.defacing.frames import Frame, frames_of, same_planes
from anonymizer.defacing.picture import Gathering, Mask, Picture, places_mm
from anonymizer.defacing.shear import Cut, cut_for, pose_of

_MODALITIES = ("CT", "MR")
_AIR_HU = -1000.0
_AROUND_CUBES = 8  # of air kept around the head: enough to tell what air is
_LEAST_PLACES, _LEAST_THICK_MM = 4, 15.0


class Source(Protocol):
    """The images of one series, each given anew whenever it is asked for."""

    def __len__(self) -> int:
        """How many images there are."""

    def image(self, index: int) -> FileDataset:
        """One image with its pixels; raises pixels.PixelsUnreadableError when it cannot be had."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What to cut and what to spare: all that the second look needs."""

    frames: tuple[Frame, ...]
    picture: Picture
    window: tuple[slice, slice, slice]
    head: Mask
    tissue_level: float
    brain: anatomy.Brain
    spared: Mask
    cut: Cut
    size: checks.Size
    fill: float


def deface(images: Sequence[FileDataset]) -> Defaced | FaceVerdict:
    """Take the face out of one series of CT or MR images: classic slices, or one enhanced multi-frame object.

    The images must be one series, header-cleaned, in LPS by their own position and orientation. Returns new data sets (Recognizable
    Visual Features NO) when a face was cut away, the ones given when there is none to cut, or a verdict `face_not_removed`. Pixels
    outside the cut are bit-identical; the brain within 3 mm never changes. Deterministic, and doing it twice changes nothing more.
    Source: PS3.15 E.3.2; see `shear` for the method.
    """
    outputs: dict[int, FileDataset] = {}
    outcome = deface_source(_Held(tuple(images)), outputs.__setitem__)
    if isinstance(outcome, FaceVerdict):
        return outcome
    return Defaced(tuple(outputs.get(k, image) for k, image in enumerate(images)), outcome)


def deface_source(source: Source, sink: Callable[[int, FileDataset], None]) -> FaceAccount | FaceVerdict:
    """The same for images that are fetched one at a time; `sink` gets every image of a series in which a face is being cut.

    What the sink got must be thrown away when the outcome is a verdict. It gets nothing when nothing needs to be done.
    """
    with reading.quietly():
        try:
            plan = plan_for(source)
            return apply(source, plan, sink) if isinstance(plan, Plan) else plan
        except pixels.PixelsUnreadableError:
            return refused("pixels_unreadable", "the pixels cannot be read, so a face in them cannot be removed")


@dataclass(frozen=True, slots=True)
class _Held:
    images: tuple[FileDataset, ...]

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int) -> FileDataset:
        return self.images[index]


def plan_for(source: Source) -> Plan | FaceAccount | FaceVerdict:
    """The first look: is there a face, and where; an account when there is none, a verdict when that cannot be told."""
    if not len(source):
        return not_needed("no_images", 0)
    first = source.image(0)
    part, modality = header.part_of(first), str(first.get("Modality") or "")
    if modality not in _MODALITIES:
        return _unless_head(part, "not_ct_or_mr", "no defacing for this modality")
    gathered = _gathered(source)
    if gathered is None:
        return _unless_other(part, "geometry_unknown", "position, orientation or spacing is missing", len(source))
    if isinstance(gathered, str):
        return _flat(part, source, gathered)
    frames = gathered.frames
    if _is_thin(frames) and not (modality == "CT" and abs(frames[0].normal[2]) > 0.9):
        return _flat(part, source, "single_views")
    return _plan(gathered, modality, part)


def _gathered(source: Source) -> Gathering | str | None:
    """Every frame, reduced; None without geometry, a code when the frames are no stack of planes."""
    gathering = Gathering()
    for k in range(len(source)):
        image = source.image(k)
        if header.is_localizer(image):
            return "localizer"
        frames = frames_of(image, k)
        if frames is None:
            return None
        if not same_planes((*gathering.frames[:1], *frames)):
            return "mixed_planes"
        held = pixels.stored(image)
        for frame in frames:
            gathering.add(frame, pixels.values(image, held[frame.number]) * np.float32(frame.slope) + np.float32(frame.intercept))
    return gathering


def _is_thin(frames: Sequence[Frame]) -> bool:
    places = places_mm(frames)
    return len(places) < _LEAST_PLACES or float(np.ptp(places)) < _LEAST_THICK_MM


def _plan(gathered: Gathering, modality: str, part: header.Part) -> Plan | FaceAccount | FaceVerdict:
    picture, count = gathered.picture(), len(gathered.frames)
    body = anatomy.head_mask(picture, modality)
    seen = view.ct_view(picture, body) if modality == "CT" else view.mr_view(picture, body)
    if not seen.face:
        if part is header.Part.HEAD and not seen.head:
            return refused("head_named_not_found", "the header names a head that the pixels do not show")
        return not_needed(seen.evidence, count)
    look = _Look(gathered.frames, picture, picture.around(body, _AROUND_CUBES), body, modality)
    brain = anatomy.brain_of(*look.near(), modality) if body.any() and not _is_thin(gathered.frames) else None
    weak = seen.evidence in ("outline_of_a_head", "nothing_found", "field_too_narrow")
    if part is header.Part.OTHER and weak and (brain is None or not seen.vertex):
        return not_needed("other_part_and_no_brain", count)
    if brain is not None:
        return _planned(look, brain)
    return refused("brain_not_found", "a head may be in view, but no brain that could be spared was found")


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """The first look: the whole picture, and the window of it that holds the head."""

    frames: tuple[Frame, ...]
    picture: Picture
    window: tuple[slice, slice, slice]
    body: Mask
    modality: str

    def near(self) -> tuple[Picture, Mask]:
        """Picture and head within the window."""
        return self.picture.part(self.window), self.body[self.window]


def _planned(look: _Look, brain: anatomy.Brain) -> Plan | FaceAccount | FaceVerdict:
    picture, head = look.near()
    pose = pose_of(picture, brain.mask)
    size = checks.size_of(picture, head, pose)
    fault = checks.brain_fault(picture, brain, pose, size)
    if fault is not None:
        return refused(fault, "the brain that was found is not whole or not where a brain is")
    cut = cut_for(picture, brain, pose, size.top_mm, size.length_mm)
    level = anatomy.skin_level(look.picture, look.modality)
    tissue = head & (picture.values > level)
    if checks.face_ml(picture, tissue, cut) < checks.LEAST_FACE_ML:
        if checks.has_profile(picture, tissue, pose, size):
            return refused("brain_doubtful", "a face is in view, but what was found as brain reaches into it")
        return replace(not_needed("no_face_in_view", len(look.frames)), brain_ml=picture.ml(brain.mask))
    fill = _AIR_HU if look.modality == "CT" else anatomy.air_level(look.picture, look.body)
    return Plan(look.frames, picture, look.window, head, level, brain, checks.protected(picture, brain), cut, size, fill)


def apply(source: Source, plan: Plan, sink: Callable[[int, FileDataset], None]) -> FaceAccount | FaceVerdict:
    """The second look: cut every image, hand it to the sink, and measure what the cut did to brain and face."""
    tally, after = _Tally(plan), Gathering()
    for k in range(len(source)):
        image = source.image(k)
        held = pixels.stored(image)
        frames = [frame for frame in plan.frames if frame.image == k]
        changed = [tally.cut(image, held[frame.number], frame, after) for frame in frames]
        result = pixels.replaced(image, held) if any(changed) else pixels.twin(image)
        result.RecognizableVisualFeatures = "NO"
        sink(k, result)
    return _judged(plan, tally, after.picture())


class _Tally:
    """Cuts frames in place and counts what that changed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.removed_mm3, self.frames_changed, self.checked, self.harmed = 0.0, 0, 0, 0

    def cut(self, image: FileDataset, held: pixels.Stored, frame: Frame, after: Gathering) -> bool:
        """Cut one frame; whether any pixel of it changed."""
        plan, pose = self.plan, self.plan.cut.pose
        gone = plan.cut.takes(frame.along(pose.front, pose.middle), frame.along(pose.down, pose.middle))
        low, high = pixels.limits(image)
        fill = held.dtype.type(int(np.clip(round((plan.fill - frame.intercept) / frame.slope), low, high)))
        gone &= held != fill
        spared = plan.picture.at(plan.spared, frame)
        self.checked += int(np.count_nonzero(spared))
        self.harmed += int(np.count_nonzero(spared & gone))
        held[gone] = fill
        after.add(frame, pixels.values(image, held) * np.float32(frame.slope) + np.float32(frame.intercept))
        self.frames_changed += int(gone.any())
        self.removed_mm3 += float(np.count_nonzero(gone)) * float(np.prod(frame.steps_mm)) * plan.picture.slice_gap_mm
        return bool(gone.any())


def _judged(plan: Plan, tally: _Tally, after: Picture) -> FaceAccount | FaceVerdict:
    left: NDArray[np.bool_] = plan.head & (after.part(plan.window).values > plan.tissue_level)
    was: NDArray[np.bool_] = plan.head & (plan.picture.values > plan.tissue_level)
    area, share = checks.face_moved(plan.picture, was, left, plan.cut, plan.size)
    account = FaceAccount(
        status=Status.APPLIED,
        evidence="face_cut",
        frames=len(plan.frames),
        frames_changed=tally.frames_changed,
        removed_mm3=tally.removed_mm3,
        face_area_mm2=area,
        face_moved_share=share,
        brain_ml=plan.picture.ml(plan.brain.mask),
        brain_voxels_checked=tally.checked,
        brain_voxels_changed=tally.harmed,
        margin_mm=checks.CHECK_MARGIN_MM,
    )
    if tally.harmed or not tally.checked:
        return refused("brain_would_change", "the cut would have changed pixels at the brain", account)
    profile = checks.has_profile(plan.picture, left, plan.cut.pose, plan.size)
    if profile or checks.face_ml(plan.picture, left, plan.cut) > 0 or (share is not None and share < checks.LEAST_SHARE):
        return refused("face_still_there", "too little of the face could be cut away", account)
    return account


def _flat(part: header.Part, source: Source, evidence: str) -> FaceAccount | FaceVerdict:
    """Views without depth: a face in them cannot be cut. Harmless when another part is named and no view is from the side."""
    if part is not header.Part.OTHER or any(_is_from_side(source.image(k)) for k in range(len(source))):
        return refused(evidence, "single views may show a profile, which cannot be removed from them")
    return not_needed(f"{evidence}_of_another_part", len(source))


def _is_from_side(image: FileDataset) -> bool:
    frames = frames_of(image, 0)
    return frames is None or any(abs(frame.normal[0]) > 0.5 for frame in frames)


def _unless_head(part: header.Part, evidence: str, why: str) -> FaceAccount | FaceVerdict:
    return refused(evidence, why) if part is header.Part.HEAD else not_needed(evidence, 0)


def _unless_other(part: header.Part, evidence: str, why: str, frames: int) -> FaceAccount | FaceVerdict:
    return not_needed(f"{evidence}_of_another_part", frames) if part is header.Part.OTHER else refused(evidence, why)
