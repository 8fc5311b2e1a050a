"""A series to volumes: decode, rescale, one allocation; every instance ends in a volume or in a refusal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from cad.errors import Refusal
from cad.read.extent import size_problem
from cad.read.facts import BROKEN, TAGS, SliceFacts, discreet, facts_of
from cad.read.limits import Limits
from cad.read.pixels import PixelError, significant, stored_values
from cad.read.series import Arrangement, Stack, arrange, refuse
from cad.read.straighten import straightened
from cad.study import Series
from cad.volume import Volume

_AIR_HU = -1024
_PIXEL_TAGS = [*TAGS, "PixelData"]


@dataclass(frozen=True, slots=True)
class Assembled:
    """Volumes (sources[k] is the instance behind slice k), refusals by file, and warnings about the series.

    A slice that a resampled stack (uneven steps) needs more than once is named more than once.
    """

    volumes: tuple[Volume, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[Refusal, ...] = ()


def assemble(series: Series, limits: Limits | None = None) -> Assembled:
    """Read the pixels of a series.

    CT becomes int16 HU (float32 where the rescale has fractions or leaves int16), MR float32 in arbitrary units.
    Slices run along the normal of the image plane (cross product of row and column direction). Refusal paths and
    the reasons of `arrange`, plus: unreadable, no_pixels, truncated, undecodable, decoder_missing, size_refused,
    unsupported_bits, missing_rescale, colour_image. Never raises for bad data.
    """
    with discreet():
        facts, refusals = _all_facts(series)
        return _assembled(series, facts, refusals, limits or Limits())


def _assembled(series: Series, facts: list[SliceFacts], refusals: list[Refusal], limits: Limits) -> Assembled:
    """Arrange, decode; when slices fail to decode, refuse them and arrange what is left, so that a hole is seen."""
    while True:
        plan = arrange(facts, _same_pixels, limits, series.series_instance_uid)
        built = [_volume(stack, series.modality) for stack in plan.stacks]
        failed = [failure for outcome in built if isinstance(outcome, list) for failure in outcome]
        if not failed:
            volumes = tuple(v for v in built if isinstance(v, Volume))
            return Assembled(volumes, (*refusals, *plan.refusals), (*plan.warnings, *_unit_warnings(series, plan)))
        refusals = [*refusals, *(r for item, reason, detail in failed for r in refuse([item], reason, detail))]
        lost = {id(item) for item, _, _ in failed}
        facts = [item for item in facts if id(item) not in lost]


Failure = tuple[SliceFacts, str, str]


def _all_facts(series: Series) -> tuple[list[SliceFacts], list[Refusal]]:
    facts: list[SliceFacts] = []
    refusals: list[Refusal] = []
    for path, group in groupby(sorted(series.instances, key=lambda r: str(r.path)), key=lambda r: r.path):
        refs = list(group)
        try:
            dataset = dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS), force=True)
            problem = size_problem(dataset)
            found = () if problem else facts_of(dataset, refs)
        except BROKEN as error:
            problem = ("unreadable", f"the header cannot be read ({type(error).__name__})")
        problem = problem or _scale_problem(found[0], series.modality)
        if problem:
            refusals.append(Refusal(str(path), *problem))
        else:
            facts.extend(found)
    return facts, refusals


def _scale_problem(item: SliceFacts, modality: str) -> tuple[str, str] | None:
    if item.samples != 1:
        return "colour_image", f"{item.samples} samples a pixel; grey images are read"
    if modality == "CT" and (item.slope is None or item.intercept is None):
        return "missing_rescale", "RescaleSlope or RescaleIntercept is missing: the values are not known to be HU"
    if not np.isfinite([item.slope or 0, item.intercept or 0]).all() or item.slope == 0:
        return "missing_rescale", "RescaleSlope is zero or not finite"
    return None


def _unit_warnings(series: Series, plan: Arrangement) -> tuple[Refusal, ...]:
    slices = [item for stack in plan.stacks for item in stack.slices]
    said: list[tuple[str, str]] = []
    if any(item.inverted for item in slices):
        kept = "HU are kept as they are" if series.modality == "CT" else "values are mirrored so that more signal is brighter"
        said.append(("monochrome1", f"low values are meant to be shown bright; {kept}"))
    if series.modality == "CT" and any(unit_of(stack, "CT") != "HU" for stack in plan.stacks):
        said.append(("unit_not_hu", "RescaleType says that the values are not Hounsfield units"))
    return tuple(Refusal(series.series_instance_uid, *words) for words in said)


def unit_of(stack: Stack, modality: str) -> str:
    """ "HU" for CT unless RescaleType says otherwise, then that type; "a.u." for MR."""
    if modality != "CT":
        return "a.u."
    kinds = {item.unit for item in stack.slices} - {"", "HU", "HU_MOD"}
    return min(kinds) if kinds else "HU"


def _volume(stack: Stack, modality: str) -> Volume | list[Failure]:
    """The stack's volume, or every slice that could not be decoded."""
    shape = (len(stack.slices), stack.slices[0].rows, stack.slices[0].columns)
    try:
        voxels = np.empty(shape, dtype=np.int16 if modality == "CT" and _is_whole(stack.slices) else np.float32)
        failures = _fill(voxels, stack.slices, modality)
    except _LeavesInt16:
        voxels = np.empty(shape, dtype=np.float32)
        failures = _fill(voxels, stack.slices, modality)
    if failures:
        return failures
    if modality == "MR" and stack.slices[0].inverted:
        np.subtract(voxels.max() + voxels.min(), voxels, out=voxels)
    voxels, grid, owners = straightened(stack, voxels, fill=_AIR_HU if modality == "CT" else 0)
    return Volume(voxels, grid, unit_of(stack, modality), modality, tuple(stack.slices[i].ref for i in owners))


class _LeavesInt16(Exception):  # noqa: N818 - a signal within this module, not an error
    """A rescaled value does not fit int16; the volume is filled again as float32."""


def _is_whole(slices: Sequence[SliceFacts]) -> bool:
    return all(float(item.slope or 1).is_integer() and float(item.intercept or 0).is_integer() for item in slices)


def _fill(voxels: NDArray[Any], slices: Sequence[SliceFacts], modality: str) -> list[Failure]:
    """Decode every slice into its place; one object is read once, whatever number of frames it gives."""
    failures: list[Failure] = []
    places = sorted(enumerate(slices), key=lambda pair: (str(pair[1].ref.path), pair[1].ref.frame))
    for path, group in groupby(places, key=lambda pair: pair[1].ref.path):
        pairs = list(group)
        try:
            dataset = dcmread(path, specific_tags=_PIXEL_TAGS, force=True)
        except BROKEN as error:
            failures.extend((item, "unreadable", f"the object cannot be read ({type(error).__name__})") for _, item in pairs)
            continue
        for k, item in pairs:
            problem = _fill_slice(voxels[k], dataset, item, modality)
            if problem:
                failures.append((item, *problem))
    return failures


def _fill_slice(out: NDArray[Any], dataset: Dataset, item: SliceFacts, modality: str) -> tuple[str, str] | None:
    try:
        _rescale(out, stored_values(dataset, item), item, modality)
    except PixelError as error:
        return error.reason, error.problem
    except BROKEN as error:
        return "undecodable", f"the pixel data cannot be decoded ({type(error).__name__})"
    return None


def _rescale(out: NDArray[Any], stored: NDArray[Any], item: SliceFacts, modality: str) -> None:
    """Stored values to HU or signal, padding to air or zero. Raises PixelError and _LeavesInt16."""
    slope, intercept = item.slope or 1.0, item.intercept or 0.0
    outside = _padded(stored, item, slope, intercept, modality)
    kept = stored if outside is None else np.where(outside, 0, stored)
    _check_range(kept, item)
    values = significant(kept, item)
    if out.dtype == np.int16:
        low, high = sorted((int(values.min()) * slope + intercept, int(values.max()) * slope + intercept))
        if low < -32768 or high > 32767:
            raise _LeavesInt16
        np.multiply(values, int(slope), out=out, dtype=np.int64 if values.dtype.itemsize > 2 else np.int32, casting="unsafe")
        out += int(intercept)
    else:
        np.multiply(values, slope, out=out, dtype=np.float64, casting="unsafe")
        out += intercept
    if outside is not None:
        out[outside] = _AIR_HU if modality == "CT" else 0


def _padded(stored: NDArray[Any], item: SliceFacts, slope: float, intercept: float, modality: str) -> NDArray[np.bool_] | None:
    """Where the header says there is no image and the value would pass for tissue; padding that reads as air stays."""
    if item.padding is None or (modality == "CT" and item.padding[1] * slope + intercept < -900):
        return None
    outside = (stored >= item.padding[0]) & (stored <= item.padding[1])
    return outside if outside.any() else None


def _check_range(stored: NDArray[Any], item: SliceFacts) -> None:
    """Values must fit BitsStored; what lies above would be cut off silently."""
    top = (1 << item.bits_stored) - 1
    low, high = int(stored.min()), int(stored.max())
    if high > top or low < (-(top + 1) // 2 if item.signed else 0):
        raise PixelError("unsupported_bits", f"values from {low} to {high} do not fit the {item.bits_stored} bits declared")


def _same_pixels(one: SliceFacts, other: SliceFacts) -> bool:
    """Whether two slices hold the same stored bytes under the same rescale."""
    if (one.slope, one.intercept) != (other.slope, other.intercept):
        return False
    return _digest(one) == _digest(other) != ""


def _digest(item: SliceFacts) -> str:
    try:
        dataset = dcmread(item.ref.path, specific_tags=_PIXEL_TAGS, force=True)
        return hashlib.sha256(np.ascontiguousarray(stored_values(dataset, item)).tobytes()).hexdigest()
    except (PixelError, *BROKEN):
        return ""
