"""Voxels that cannot be written to, on a Grid, with the instances they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.errors import GridError
from cad.space import Grid, Point
from cad.study import InstanceRef


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Scalar voxels (slices, rows, columns) in `unit` on `grid`.

    `voxels` is read-only; HU for CT (int16 or float32), arbitrary for MR, 0/1 uint8 for a mask.
    `sources[k]` is the instance behind slice k, or empty for a derived volume. `sequence` is what an MR is weighted for, where that is
    known; `beside` are other sequences of the same study, each on its own grid in this volume's frame. What is derived has neither.
    Raises GridError when the voxels do not fit the grid.
    """

    voxels: NDArray[Any]
    grid: Grid
    unit: str = "HU"
    modality: str = "CT"
    sources: tuple[InstanceRef, ...] = ()
    sequence: str = ""
    beside: tuple[Volume, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.shape != self.grid.shape:
            raise GridError(
                f"voxels are {self.voxels.shape}, the grid is {self.grid.shape}", subject="Volume.voxels", accepted="equal shapes"
            )
        self.voxels.setflags(write=False)

    def __setstate__(self, state: list[Any]) -> None:
        for name, value in zip(self.__slots__, state, strict=True):
            object.__setattr__(self, name, value)
        self.voxels.setflags(write=False)  # pickling between processes forgets the flag

    def __getstate__(self) -> list[Any]:
        return [getattr(self, name) for name in self.__slots__]

    def like(self, voxels: NDArray[Any], unit: str | None = None) -> Volume:
        """The same place and sources with other voxels."""
        return Volume(voxels, self.grid, unit or self.unit, self.modality, self.sources)

    def only(self, sequences: Sequence[str]) -> Volume:
        """These sequences alone, as far as they are there, the first of them as the reference. Raises GridError when none is."""
        there = {part.sequence: part for part in (*self.beside, self)}
        chosen = [there[name] for name in sequences if name in there]
        if not chosen:
            raise GridError("none of the sequences is there", subject=", ".join(sequences), accepted=", ".join(sorted(there)))
        return replace(chosen[0], beside=tuple(replace(part, beside=()) for part in chosen[1:]))

    def slice_at(self, point_mm: Point) -> tuple[str, ...]:
        """The SOP Instance UID of the slice nearest to an LPS point (x, y, z), as one; none where the sources are not known."""
        if not self.sources:
            return ()
        k = int(np.clip(np.rint(self.grid.to_index(point_mm)[0]), 0, self.grid.shape[0] - 1))
        return (self.sources[k].sop_instance_uid,)

    def digest(self) -> str:
        """sha256 over shape, affine and voxel bytes: equal volumes, equal digests."""
        state = hashlib.sha256(repr((self.grid.shape, str(self.voxels.dtype))).encode())
        state.update(self.grid.affine.tobytes())
        state.update(np.ascontiguousarray(self.voxels).tobytes())
        return state.hexdigest()
