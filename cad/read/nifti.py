"""NIfTI in and out: the one place where RAS becomes LPS and (x, y, z) becomes (slice, row, column)."""

from __future__ import annotations

import zlib
from math import prod
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from cad.errors import ShokenError
from cad.space import FloatArray, Grid
from cad.volume import Volume

_MOST_VALUES = 1 << 31
_BROKEN = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, TypeError, ArithmeticError, MemoryError, zlib.error)
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_nifti(path: Path, unit: str = "HU", modality: str = "CT", channel: int | None = None) -> Volume:
    """A 3D image (4D with one volume is accepted); integer data without scaling keep their dtype, others are float32.

    `channel` takes one volume of a 4D image. NIfTI does not say unit and modality; the caller does. Raises ShokenError for
    a file that is no 3D NIfTI image, is damaged or declares more than 2**31 values, and GridError for a sheared affine.
    """
    try:
        image: Any = nib.load(path)
        if prod(image.shape) > _MOST_VALUES:
            raise ShokenError("declares more than 2**31 values", subject=path.name, accepted="a NIfTI-1 or -2 image")
        array = np.asanyarray(image.dataobj)
    except _BROKEN as error:
        raise ShokenError(f"cannot be read ({type(error).__name__})", subject=path.name, accepted="a NIfTI-1 or -2 image") from error
    if array.ndim == 4 and (array.shape[3] == 1 or channel is not None):
        array = array[..., min(channel or 0, array.shape[3] - 1)]
    if array.ndim != 3:
        raise ShokenError(f"has {array.ndim} dimensions", subject=path.name, accepted="a 3D image")
    voxels = np.ascontiguousarray(array.T if array.dtype.kind in "iu" else array.T.astype(np.float32))
    return Volume(voxels, Grid((voxels.shape[0], voxels.shape[1], voxels.shape[2]), _turn(_LPS @ image.affine)), unit, modality)


def write_nifti(volume: Volume, path: Path) -> None:
    """One file, gzipped when the name says so; axes are (column, row, slice), qform and sform say "scanner"."""
    image = nib.Nifti1Image(_storable(volume.voxels).T, _LPS @ _turn(volume.grid.affine))
    image.set_qform(image.affine, code=1)
    image.set_sform(image.affine, code=1)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def _turn(affine: FloatArray) -> FloatArray:
    """Swaps the first and third axis of the index."""
    return np.asarray(affine, dtype=np.float64)[:, [2, 1, 0, 3]]


def _storable(voxels: NDArray[Any]) -> NDArray[Any]:
    """NIfTI has no bool and readers dislike float16 and 64-bit integers."""
    if voxels.dtype == bool:
        return voxels.astype(np.uint8)
    if voxels.dtype.kind in "iu" and voxels.dtype.itemsize == 8:
        return voxels.astype(np.int32)
    return voxels.astype(np.float32) if voxels.dtype == np.float16 else voxels
