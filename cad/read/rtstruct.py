"""RTSTRUCT contours as ground truth: each region of interest as a mask on the grid of the image it was drawn on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from cad.errors import ShokenError
from cad.read.facts import BROKEN, discreet
from cad.read.segmentation import Labels
from cad.space import FloatArray, Grid
from cad.volume import Volume

RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
_MOST_POINTS = 1 << 20


def read_rtstruct(path: Path, grid: Grid) -> Labels:
    """The closed planar contours of an RTSTRUCT (PS3.3 A.19) on `grid`, by ROI name.

    A voxel belongs to a region when its centre lies inside an odd number of its contours on that slice, so that a
    contour within another is a hole. Contours between slices count for the nearest slice within half a step.
    Raises ShokenError for another object or contours that do not lie in the slices' planes.
    """
    with discreet():
        try:
            dataset = dcmread(path)
            if dataset.get("SOPClassUID") != RTSTRUCT_CLASS:
                raise ShokenError("is not a structure set", subject=path.name, accepted="a DICOM RTSTRUCT")
            return _labels(path, dataset, grid)
        except ShokenError:
            raise
        except BROKEN as error:
            raise ShokenError(f"cannot be read ({type(error).__name__})", subject=path.name, accepted="a DICOM RTSTRUCT") from error


def _labels(path: Path, dataset: Dataset, grid: Grid) -> Labels:
    names = {int(roi.ROINumber): str(roi.get("ROIName") or f"roi {roi.ROINumber}") for roi in dataset.StructureSetROISequence}
    masks: dict[str, NDArray[np.uint8]] = {}
    outside = 0
    for region in dataset.ROIContourSequence:
        mask = masks.setdefault(names[int(region.ReferencedROINumber)], np.zeros(grid.shape, dtype=np.uint8))
        for contour in region.get("ContourSequence") or ():
            if contour.ContourGeometricType in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
                outside += _draw(path, mask, grid.to_index(np.reshape([float(v) for v in contour.ContourData], (-1, 3))))
    return Labels({name: Volume(mask, grid, "1") for name, mask in masks.items()}, outside)


def _draw(path: Path, mask: NDArray[np.uint8], corners: FloatArray) -> int:
    """Flips the voxels inside one contour given in index coordinates; 1 when it lies beyond the grid."""
    if np.ptp(corners[:, 0]) > 0.5 or len(corners) > _MOST_POINTS:
        raise ShokenError("has contours that do not lie in the slices", subject=path.name, accepted="contours drawn on this image's slices")
    k = int(np.rint(corners[:, 0].mean()))
    if not 0 <= k < mask.shape[0]:
        return 1
    mask[k] ^= _inside(mask.shape[1], mask.shape[2], corners[:, 1:])
    return 0


def _inside(rows: int, columns: int, corners: FloatArray) -> NDArray[np.uint8]:
    """Pixel centres inside a polygon, by counting the edges to their left (even-odd rule)."""
    inside = np.zeros((rows, columns), dtype=np.uint8)
    for (y0, x0), (y1, x1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        low, high = sorted((y0, y1))
        lines = np.arange(max(0, int(np.ceil(low))), min(rows, int(np.ceil(high))))
        crossing = x0 + (lines - y0) * (x1 - x0) / (y1 - y0)
        inside[lines] ^= (np.arange(columns) > crossing[:, None]).astype(np.uint8)
    return inside
