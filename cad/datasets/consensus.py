"""From several outlines to one: STAPLE, majority, union, intersection; and which lesions enough readers agree on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.datasets.scan import LabelledScan, Lesion, Patch, patch_of
from cad.errors import ShokenError

OUTLINES = ("staple", "majority", "union", "intersection")
_MARGIN = 2
_LEAST_FOR_STAPLE = 3


@dataclass(frozen=True, slots=True)
class Agreement:
    """How readers become one truth: a lesion needs `at_least` readers (1 to 4), its mask is made by `outline`.

    Raises ShokenError for other values.
    """

    at_least: int = 1
    outline: str = "staple"

    def __post_init__(self) -> None:
        if not 1 <= self.at_least <= 4 or self.outline not in OUTLINES:
            raise ShokenError("is no agreement", subject="agreement", accepted=f"1 to 4 readers; {', '.join(OUTLINES)}")


@dataclass(frozen=True, slots=True, eq=False)
class Staple:
    """`probability` float64 that a voxel belongs; sensitivity and specificity of each reader against that."""

    probability: NDArray[np.float64]
    sensitivity: tuple[float, ...]
    specificity: tuple[float, ...]


def agreed(scan: LabelledScan, rule: Agreement) -> tuple[Lesion, ...]:
    """The lesions that enough readers outlined; a scan that fewer have read asks for all of those."""
    needed = least_agreement(len(scan.readers), [lesion.agreement for lesion in scan.lesions], rule.at_least)
    return tuple(lesion for lesion in scan.lesions if lesion.agreement >= needed)


def least_agreement(readers: int, agreements: Iterable[int], at_least: int) -> int:
    """How many readers a lesion of a scan needs: as asked, but never more than are known to have read it."""
    return min(at_least, max([readers, *agreements]))


def outline(lesion: Lesion, rule: Agreement) -> Patch | None:
    """One mask from the marks of a lesion, or None where nobody outlined it.

    STAPLE and majority count readers who outlined the lesion; with fewer than three of them STAPLE cannot tell who errs and
    the majority decides (for two: what both hold, or all where they share nothing).
    """
    patches = [mark.patch for mark in lesion.outlined if mark.patch is not None]
    if not patches:
        return None
    start, stack = _stacked(patches)
    chosen = _chosen(stack, rule.outline)
    found = patch_of(chosen if chosen.any() else np.asarray(stack.any(axis=0)))
    return found and Patch(_moved(found.start, start), found.voxels)


def staple(masks: NDArray[np.uint8]) -> Staple:
    """Warfield's STAPLE (IEEE TMI 23(7), 2004) over (readers, slices, rows, columns) of 0/1, by SimpleITK.

    Specificity depends on how much background there is: give masks in a close box.
    """
    import SimpleITK as sitk

    method = sitk.STAPLEImageFilter()
    method.SetForegroundValue(1.0)
    probability = sitk.GetArrayFromImage(method.Execute([sitk.GetImageFromArray(np.ascontiguousarray(mask)) for mask in masks]))
    return Staple(np.asarray(probability, dtype=np.float64), tuple(method.GetSensitivity()), tuple(method.GetSpecificity()))


def consensus_of(masks: Sequence[NDArray[np.uint8]], method: str = "staple") -> NDArray[np.uint8]:
    """Whole 0/1 masks of several readers on one grid to one: as `outline` does for patches, in a close box; empty where all are."""
    stack = np.stack(masks)
    held = patch_of(np.asarray(stack.any(axis=0)))
    agreed = np.zeros(stack.shape[1:], dtype=np.uint8)
    if held is not None:
        _, box = _stacked([Patch(held.start, np.ascontiguousarray(mask[held.window])) for mask in stack])
        inner = tuple(slice(_MARGIN, -_MARGIN) for _ in held.start)
        agreed[held.window] = _chosen(box, method)[inner]
    return agreed


def _chosen(stack: NDArray[np.uint8], method: str) -> NDArray[np.bool_]:
    if method == "union":
        return np.asarray(stack.any(axis=0))
    if method == "intersection":
        return np.asarray(stack.all(axis=0))
    if method == "staple" and len(stack) >= _LEAST_FOR_STAPLE:
        return np.asarray(staple(stack).probability >= 0.5)
    return np.asarray(stack.sum(axis=0) * 2 > len(stack))


def _stacked(patches: Sequence[Patch]) -> tuple[tuple[int, int, int], NDArray[np.uint8]]:
    """All masks in one box with a margin of background: its first voxel and (readers, slices, rows, columns)."""
    low = np.min([patch.start for patch in patches], axis=0) - _MARGIN
    high = np.max([np.add(patch.start, patch.voxels.shape) for patch in patches], axis=0) + _MARGIN
    stack = np.zeros((len(patches), *(high - low)), dtype=np.uint8)
    for box, patch in zip(stack, patches, strict=True):
        at = np.subtract(patch.start, low)
        box[tuple(slice(a, a + n) for a, n in zip(at, patch.voxels.shape, strict=True))] = patch.voxels
    return (int(low[0]), int(low[1]), int(low[2])), stack


def _moved(start: tuple[int, int, int], by: tuple[int, int, int]) -> tuple[int, int, int]:
    return start[0] + by[0], start[1] + by[1], start[2] + by[2]
