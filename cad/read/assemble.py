"""A series to volumes: decode, rescale, one allocation; every instance ends in a volume or in a refusal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.errors import Refusal
from cad.read.abreast import each
from cad.read.element_walk import HeaderError
from cad.read.extent import size_problem
from cad.read.facts import BROKEN, TAGS, SliceFacts, discreet, facts_of
from cad.read.frame_bytes import FrameFile
from cad.read.header import read_header
from cad.read.limits import Limits
from cad.read.pixels import PixelError, expect, significant, stored_values
from cad.read.series import Arrangement, Stack, arrange, refuse
from cad.read.straighten import straightened
from cad.study import Series
from cad.volume import Volume

_AIR_HU = -1024


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
        files: Files = {}
        facts, refusals = _all_facts(series, files)
        return _assembled(series, files, facts, refusals, limits or Limits())


Files = dict[Path, FrameFile]
Failure = tuple[SliceFacts, str, str]


def _assembled(series: Series, files: Files, facts: list[SliceFacts], refusals: list[Refusal], limits: Limits) -> Assembled:
    """Arrange, decode; when slices fail to decode, refuse them and arrange what is left, so that a hole is seen."""
    while True:
        plan = arrange(facts, partial(_same_pixels, files), limits, series.series_instance_uid)
        built = [_volume(stack, files, series.modality) for stack in plan.stacks]
        failed = [failure for outcome in built if isinstance(outcome, list) for failure in outcome]
        if not failed:
            volumes = tuple(v for v in built if isinstance(v, Volume))
            return Assembled(volumes, (*refusals, *plan.refusals), (*plan.warnings, *_unit_warnings(series, plan)))
        refusals = [*refusals, *_lost(failed)]
        lost = {id(item) for item, _, _ in failed}
        facts = [item for item in facts if id(item) not in lost]


def _lost(failed: Sequence[Failure]) -> list[Refusal]:
    """One refusal a file, with the reason of its first frame that failed."""
    by_file: dict[Path, list[Failure]] = {}
    for failure in failed:
        by_file.setdefault(failure[0].ref.path, []).append(failure)
    return [r for group in by_file.values() for r in refuse([item for item, _, _ in group], *group[0][1:])]


def _all_facts(series: Series, files: Files) -> tuple[list[SliceFacts], list[Refusal]]:
    facts: list[SliceFacts] = []
    refusals: list[Refusal] = []
    for path, group in groupby(sorted(series.instances, key=lambda r: str(r.path)), key=lambda r: r.path):
        refs = list(group)
        try:
            header = read_header(path, TAGS)
            problem = size_problem(header)
            found = () if problem else facts_of(header, refs)
        except HeaderError as error:
            problem = (error.reason, error.problem)
        except BROKEN as error:
            problem = ("unreadable", f"the header cannot be read ({type(error).__name__})")
        problem = problem or _scale_problem(found[0], series.modality)
        if problem:
            refusals.append(Refusal(str(path), *problem))
        else:
            files[path] = FrameFile(path, header)
            facts.extend(found)
            if len(files) == 1:
                expect(files[path], len(series.instances))
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


def _volume(stack: Stack, files: Files, modality: str) -> Volume | list[Failure]:
    """The stack's volume, or every slice that could not be decoded."""
    shape = (len(stack.slices), stack.slices[0].rows, stack.slices[0].columns)
    try:
        voxels = np.empty(shape, dtype=np.int16 if modality == "CT" and _is_whole(stack.slices) else np.float32)
        failures = _fill(voxels, stack.slices, files, modality)
    except _LeavesInt16:
        voxels = np.empty(shape, dtype=np.float32)
        failures = _fill(voxels, stack.slices, files, modality)
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


def _fill(voxels: NDArray[Any], slices: Sequence[SliceFacts], files: Files, modality: str) -> list[Failure]:
    """Decode every slice into its place, several at a time."""

    def fill(k: int) -> tuple[str, str] | None:
        return _fill_slice(voxels[k], files[slices[k].ref.path], slices[k], modality)

    return [(slices[k], *problem) for k, problem in enumerate(each(fill, range(len(slices)))) if problem]


def _fill_slice(out: NDArray[Any], source: FrameFile, item: SliceFacts, modality: str) -> tuple[str, str] | None:
    try:
        _rescale(out, stored_values(source, item, out), item, modality)
    except PixelError as error:
        return error.reason, error.problem
    except OSError as error:
        return "unreadable", f"the object cannot be read ({type(error).__name__})"
    return None


def _rescale(out: NDArray[Any], stored: NDArray[Any], item: SliceFacts, modality: str) -> None:
    """Stored values, which may lie in `out` itself, to HU or signal, padding to air or zero. Raises PixelError and _LeavesInt16."""
    slope, intercept = item.slope or 1.0, item.intercept or 0.0
    outside = _padded(stored, item, slope, intercept, modality)
    kept = stored if outside is None else np.where(outside, 0, stored)
    low, high = _checked_range(kept, item)
    values = significant(kept, item)
    if item.signed and high >= 1 << (item.bits_stored - 1):  # signs were not extended: other extremes
        low, high = int(values.min()), int(values.max())
    if out.dtype == np.int16:
        ends = sorted((low * slope + intercept, high * slope + intercept))
        if ends[0] < -32768 or ends[1] > 32767:
            raise _LeavesInt16
        _into_int16(out, values, int(slope), int(intercept))
    else:
        np.multiply(values, slope, out=out, dtype=np.float64, casting="unsafe")
        out += intercept
    if outside is not None:
        out[outside] = _AIR_HU if modality == "CT" else 0


def _into_int16(out: NDArray[Any], values: NDArray[Any], slope: int, intercept: int) -> None:
    """The result fits int16; sums and products modulo 2**16 give it without a wider copy."""
    if values.dtype.itemsize > 2:
        np.multiply(values, slope, out=out, dtype=np.int64, casting="unsafe")
    elif slope == 1:
        if not np.may_share_memory(out, values):
            np.copyto(out, values, casting="unsafe")
    else:
        np.multiply(values, slope, out=out, dtype=np.int32, casting="unsafe")
    with np.errstate(over="ignore"):
        out += np.int64(intercept).astype(np.int16)


def _padded(stored: NDArray[Any], item: SliceFacts, slope: float, intercept: float, modality: str) -> NDArray[np.bool_] | None:
    """Where the header says there is no image and the value would pass for tissue; padding that reads as air stays."""
    if item.padding is None or (modality == "CT" and item.padding[1] * slope + intercept < -900):
        return None
    outside = (stored >= item.padding[0]) & (stored <= item.padding[1])
    return outside if outside.any() else None


def _checked_range(stored: NDArray[Any], item: SliceFacts) -> tuple[int, int]:
    """Least and greatest value. They must fit BitsStored: what lies above would be cut off silently."""
    top = (1 << item.bits_stored) - 1
    low, high = int(stored.min()), int(stored.max())
    if high > top or low < (-(top + 1) // 2 if item.signed else 0):
        raise PixelError("unsupported_bits", f"values from {low} to {high} do not fit the {item.bits_stored} bits declared")
    return low, high


def _same_pixels(files: Files, one: SliceFacts, other: SliceFacts) -> bool:
    """Whether two slices hold the same stored bytes under the same rescale."""
    if (one.slope, one.intercept) != (other.slope, other.intercept):
        return False
    return _digest(files, one) == _digest(files, other) != ""


def _digest(files: Files, item: SliceFacts) -> str:
    try:
        return hashlib.sha256(stored_values(files[item.ref.path], item).tobytes()).hexdigest()
    except (PixelError, OSError):
        return ""
