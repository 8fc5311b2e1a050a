"""DICOM segmentations as ground truth: binary, fractional and label-map objects onto the grid of the image they describe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from cad.errors import ShokenError
from cad.read.extent import MOST_FRAME_PIXELS
from cad.read.facts import BROKEN, discreet
from cad.space import Grid
from cad.volume import Volume

SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_OFF_PLANE_MM = 0.1
_FRACTION = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """`masks[name]` is uint8 0/1 on the image's grid; `outside` counts labelled voxels that lie beyond that grid."""

    masks: dict[str, Volume]
    outside: int = 0


def read_segmentation(path: Path, grid: Grid) -> Labels:
    """The segments of a DICOM SEG (PS3.3 A.51, A.85) on `grid`, by their label ("Nodule"; a second one becomes "Nodule 2").

    Frames may come in any order and be fewer than the slices; their in-plane axes may be flipped or swapped against the
    grid, their pixels must be its pixels. A fractional segment counts from one half. Raises ShokenError for another
    object, another spacing, or frames between the slices.
    """
    with discreet():
        try:
            return _labels(path, _opened(path), grid)
        except ShokenError:
            raise
        except BROKEN as error:
            raise _refused(path, f"cannot be read ({type(error).__name__})") from error


def read_segment(path: Path, label: str = "") -> Volume:
    """One segment of a DICOM SEG on the grid that its own frames span, 0/1 uint8; `label` may be left out where there is only one.

    Raises ShokenError for another object, frames that make no even stack, and a label that is not there.
    """
    with discreet():
        try:
            dataset = _opened(path)
            names = _names(dataset)
            chosen = [number for number, name in names.items() if not label or name == label]
            if len(chosen) != 1:
                raise _refused(path, f"holds {len(chosen)} such segments of {len(names)}", "--label with the label of one segment")
            return _stacked(path, list(_frames(dataset)), chosen[0])
        except ShokenError:
            raise
        except BROKEN as error:
            raise _refused(path, f"cannot be read ({type(error).__name__})") from error


def _opened(path: Path) -> Dataset:
    dataset = dcmread(path)
    if dataset.get("SOPClassUID") not in SEGMENTATION_CLASSES:
        raise _refused(path, "is not a segmentation")
    if int(dataset.Rows) * int(dataset.Columns) > MOST_FRAME_PIXELS:
        raise _refused(path, "declares frames beyond any image")
    return dataset


def _stacked(path: Path, frames: list[tuple[int, NDArray[Any], NDArray[np.float64]]], segment: int) -> Volume:
    """All frames by their place along the normal; a slice that no frame covers is empty."""
    down, across, first = frames[0][2]
    normal = np.cross(across, down) / np.linalg.norm(np.cross(across, down))
    offsets = np.array([corner - first for _, _, (_, _, corner) in frames])
    height = offsets @ normal
    if np.ptp(height) <= _OFF_PLANE_MM:
        raise _refused(path, "holds one slice only", "a segmentation of several slices")
    low = float(height.min())
    gap = np.diff(np.sort(height))
    finest = gap[gap > _OFF_PLANE_MM].min()
    step = (height.max() - low) / np.rint((height.max() - low) / finest)
    index = (height - low) / step
    tilted = np.abs(offsets - np.outer(height, normal)).max() > _OFF_PLANE_MM
    if tilted or np.abs(index - np.rint(index)).max() * step > _OFF_PLANE_MM:
        raise _refused(path, "has frames that make no even stack", "frames one above the other at even steps")
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([normal * step, down, across])
    affine[:3, 3] = first + normal * low
    shape = (int(np.rint(index.max())) + 1, *frames[0][1].shape)
    voxels = np.zeros(shape, dtype=np.uint8)
    for (number, plane, _), k in zip(frames, np.rint(index).astype(int), strict=True):
        if number in {0, segment}:
            voxels[k] |= np.asarray(plane == segment if number == 0 else plane, dtype=np.uint8)
    return Volume(voxels, Grid((shape[0], shape[1], shape[2]), affine), "1", "SEG")


def _labels(path: Path, dataset: Dataset, grid: Grid) -> Labels:
    names = _names(dataset)
    masks = {number: np.zeros(grid.shape, dtype=np.uint8) for number in names}
    outside = 0
    for number, plane, affine in _frames(dataset):
        index, there = _indices(path, grid, plane, affine)
        inside = ((index >= 0) & (index < grid.shape)).all(axis=1)
        outside += int((~inside).sum())
        for segment in (number,) if number else tuple(masks):
            chosen = inside & (there == segment) if not number else inside
            masks[segment][tuple(index[chosen].T)] = 1
    return Labels({names[n]: Volume(mask, grid, "1") for n, mask in masks.items()}, outside)


def _names(dataset: Dataset) -> dict[int, str]:
    """Segment number to a label that no other segment has."""
    names: dict[int, str] = {}
    for segment in dataset.SegmentSequence:
        label = str(segment.get("SegmentLabel") or f"segment {segment.SegmentNumber}")
        again = sum(name.rsplit(" ", 1)[0] == label or name == label for name in names.values())
        names[int(segment.SegmentNumber)] = f"{label} {again + 1}" if again else label
    return names


def _frames(dataset: Dataset) -> Iterator[tuple[int, NDArray[Any], NDArray[np.float64]]]:
    """(segment number, values, 3x3 of (row step, column step, corner) in mm) of each frame; number 0: the values are segments."""
    pixels = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    kind = dataset.get("SegmentationType", "BINARY")
    threshold = _FRACTION * int(dataset.get("MaximumFractionalValue") or 1) if kind == "FRACTIONAL" else 0.5
    for own, plane in zip(dataset.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        across, down = np.reshape([float(v) for v in _macro(own, shared, "PlaneOrientationSequence").ImageOrientationPatient], (2, 3))
        rows_mm, columns_mm = (float(v) for v in _macro(own, shared, "PixelMeasuresSequence").PixelSpacing)
        corner = [float(v) for v in _macro(own, shared, "PlanePositionSequence").ImagePositionPatient]
        affine = np.array([down * rows_mm, across * columns_mm, corner])
        if kind == "LABELMAP":
            yield 0, plane, affine
        else:
            yield int(_macro(own, shared, "SegmentIdentificationSequence").ReferencedSegmentNumber), plane >= threshold, affine


def _macro(own: Dataset, shared: Dataset, name: str) -> Dataset:
    item: Dataset = (own.get(name) or shared[name].value)[0]
    return item


def _indices(path: Path, grid: Grid, plane: NDArray[Any], affine: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Where in the grid the labelled pixels of a frame lie, and their values."""
    where = np.argwhere(plane)
    exact = grid.to_index(np.c_[where, np.ones(len(where))] @ affine) if len(where) else np.zeros((0, 3))
    index = np.rint(exact).astype(np.int64)
    off = np.abs((exact - index) * grid.spacing_mm).max(initial=0)
    if off > _OFF_PLANE_MM:
        raise _refused(path, f"has pixels {off:.2f} mm off the image's", "a segmentation made on this image's own pixels")
    return index, plane[tuple(where.T)]


def _refused(path: Path, problem: str, accepted: str = "a DICOM segmentation") -> ShokenError:
    return ShokenError(problem, subject=path.name, accepted=accepted)
