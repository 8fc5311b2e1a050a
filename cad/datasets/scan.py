"""A labelled scan, every reader kept apart: Patch, Mark, Lesion, LabelledScan."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.space import Grid, Point
from cad.volume import Volume

OUTLINED, SMALL, NOT_A_LESION, NOT_MARKED = "lesion", "small", "not_a_lesion", "not_marked"
ANSWERS = (OUTLINED, SMALL, NOT_A_LESION, NOT_MARKED)
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """The part of a mask that is not empty: uint8 0/1 `voxels` whose first is `start` (slice, row, column) of the scan."""

    start: tuple[int, int, int]
    voxels: NDArray[np.uint8]

    @property
    def window(self) -> tuple[slice, slice, slice]:
        """Where the patch lies in its scan."""
        k, j, i = (slice(s, s + n) for s, n in zip(self.start, self.voxels.shape, strict=True))
        return k, j, i

    def centre_mm(self, grid: Grid) -> Point:
        """The centroid in LPS millimetres."""
        x, y, z = grid.to_mm(np.argwhere(self.voxels).mean(axis=0) + self.start)
        return float(x), float(y), float(z)

    def diameter_mm(self, grid: Grid) -> float:
        """The diameter of the sphere of equal volume."""
        return float((6 / np.pi * int(self.voxels.sum()) * grid.voxel_mm3) ** (1 / 3))

    def shared(self, other: Patch) -> int:
        """How many voxels both hold."""
        low = np.maximum(self.start, other.start)
        high = np.minimum(np.add(self.start, self.voxels.shape), np.add(other.start, other.voxels.shape))
        if (high <= low).any():
            return 0
        cut = [each.voxels[tuple(slice(a, b) for a, b in zip(low - each.start, high - each.start, strict=True))] for each in (self, other)]
        return int(np.count_nonzero(cut[0] & cut[1]))


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """What one reader said of one place.

    `answer` is one of ANSWERS but "not_marked"; `diameter_mm` of a mark without size is 0. `traits` are the reader's
    ratings by name, as the data set defines them. `patch` is None where only a point was given.
    """

    reader: str
    answer: str
    centre_mm: Point
    diameter_mm: float = 0.0
    traits: tuple[tuple[str, int], ...] = ()
    patch: Patch | None = None

    def trait(self, name: str) -> int | None:
        """One rating, or None."""
        return dict(self.traits).get(name)


@dataclass(frozen=True, slots=True, eq=False)
class Lesion:
    """Marks of one place, at most one a reader; `kind` one of solid, part_solid, ground_glass, calcified, unknown, or a class name.

    `agreed` is how many readers are known to agree where a data set gives their consensus without their marks, else 0.
    """

    number: int
    marks: tuple[Mark, ...]
    kind: str = UNKNOWN
    agreed: int = 0

    @property
    def agreement(self) -> int:
        """How many readers called it a lesion of full size."""
        return max(self.agreed, sum(mark.answer == OUTLINED for mark in self.marks))

    @property
    def outlined(self) -> tuple[Mark, ...]:
        """The marks that call it a lesion of full size."""
        return tuple(mark for mark in self.marks if mark.answer == OUTLINED)

    @property
    def diameter_mm(self) -> float:
        """The median of the readers' diameters; 0 where nobody gave a size."""
        return float(median([mark.diameter_mm for mark in self.outlined] or [0.0]))

    @property
    def centre_mm(self) -> Point:
        """The mean of the readers' centres."""
        x, y, z = np.mean([mark.centre_mm for mark in self.outlined or self.marks], axis=0)
        return float(x), float(y), float(z)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledScan:
    """One scan with its truth. `patient`, `study` and `series` are handles (`handle`), never values of a header.

    `labelled` says whether somebody looked for lesions: without it, no lesion does not mean that there is none.
    `readers` looked at the scan, whether they marked anything or not. `outlines` says what the masks are made from:
    contours, mask, sphere or boxes. `structures` is a uint8 label volume with names by value, or None; `look_alikes_mm`
    (n, 3) are places (x, y, z) that a data set lists as no lesions. `notes` are sentences on what was lost, with counts.
    """

    patient: str
    study: str
    series: str
    volume: Volume
    lesions: tuple[Lesion, ...]
    readers: tuple[str, ...]
    outlines: str
    labelled: bool = True
    structures: Volume | None = None
    structure_names: tuple[str, ...] = ()
    look_alikes_mm: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()


def handle(level: str, value: str) -> str:
    """16 hexadecimal digits for a UID or patient ID: the same value, the same handle, in every data set.

    Values must be public or pseudonyms already: a digest hides nothing that can be guessed.
    """
    return hashlib.sha256(f"{level}\0{value}".encode()).hexdigest()[:16]


def patch_of(mask: NDArray[Any]) -> Patch | None:
    """The non-empty part of a 3D mask, or None."""
    occupied = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    if not occupied[0].size:
        return None
    k, j, i = (slice(int(at[0]), int(at[-1]) + 1) for at in occupied)
    return Patch((k.start, j.start, i.start), np.ascontiguousarray(mask[k, j, i] > 0, dtype=np.uint8))
