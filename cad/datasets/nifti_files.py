"""NIfTI images and their label images: read, or refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cad.datasets.scan import OUTLINED, Lesion, Mark
from cad.datasets.shapes import pieces
from cad.errors import Refusal, ShokenError
from cad.prepare.resample import resample_labels
from cad.read.nifti import read_nifti
from cad.space import Grid
from cad.volume import Volume

NIFTI = (".nii", ".nii.gz")
LESION_WORDS = ("lesion", "nodule", "tumor", "tumour", "cancer", "metasta", "carcinoma", "mass", "gtv")
_SAME_PLACE_MM = 0.1


def is_nifti(path: Path) -> bool:
    """By its name; `._name` files that some archivers leave beside it are none."""
    return path.name.endswith(NIFTI) and not path.name.startswith("._")


def stem(path: Path) -> str:
    """The name without .nii or .nii.gz."""
    return path.name.removesuffix(".gz").removesuffix(".nii")


def image(path: Path, modality: str, channel: int | None = None) -> Volume | Refusal:
    """CT as int16 HU where it is whole numbers; MR as float32; `channel` is one volume of a 4D image."""
    try:
        volume = read_nifti(path, "HU" if modality == "CT" else "a.u.", modality, channel)
    except ShokenError as error:
        return Refusal("", "unreadable", error.problem)
    voxels = np.asarray(volume.voxels)
    if not np.isfinite(voxels).all():
        return Refusal("", "not_finite", "the image holds values that are no numbers")
    whole = modality == "CT" and (voxels.dtype.kind in "iu" or np.array_equal(voxels, np.rint(voxels)))
    if whole and voxels.min() >= -32768 and voxels.max() <= 32767:
        return volume.like(voxels.astype(np.int16))
    return volume.like(voxels.astype(np.float32))


def labels(path: Path, grid: Grid) -> Volume | Refusal:
    """A label image (uint8) on the grid of its image; voxels must be the image's, in any order of axes."""
    try:
        volume = read_nifti(path, "1")
    except ShokenError as error:
        return Refusal("", "unreadable", error.problem)
    voxels = np.asarray(volume.voxels)
    if not np.isfinite(voxels).all() or voxels.min() < 0 or voxels.max() > 255 or not np.array_equal(voxels, np.rint(voxels)):
        return Refusal("", "not_labels", "the image holds other values than whole numbers from 0 to 255")
    if not same_voxels(volume.grid, grid):
        return Refusal("", "other_grid", "the labels do not lie on the voxels of their image")
    return resample_labels(volume.like(voxels.astype(np.uint8)), grid)


def same_voxels(one: Grid, other: Grid) -> bool:
    """Whether two grids have the same voxel centres within 0.1 mm, whichever way their axes run."""
    if sorted(one.shape) != sorted(other.shape):
        return False
    corners = np.array([[(0, n - 1)[bit >> a & 1] for a, n in enumerate(one.shape)] for bit in range(8)])
    index = other.to_index(one.to_mm(corners))
    rounded = np.rint(index)
    held = ((rounded >= 0) & (rounded < other.shape)).all()
    return bool(held and (np.abs(index - rounded) * other.spacing_mm).max() <= _SAME_PLACE_MM)


def is_lesion(name: str, regions: Sequence[str]) -> bool:
    """Whether a label of this name is a lesion: one of `regions` where there are any, else by the words in it."""
    if regions:
        return name.lower() in {region.lower() for region in regions}
    return any(word in name.lower() for word in LESION_WORDS)


def lesions_in(masks: Mapping[str, Volume], reader: str = "reference") -> tuple[Lesion, ...]:
    """One lesion a connected part of each mask; `kind` is the mask's name."""
    found = []
    for name, mask in sorted(masks.items()):
        for patch in pieces(mask.voxels):
            mark = Mark(reader, OUTLINED, patch.centre_mm(mask.grid), patch.diameter_mm(mask.grid), (), patch)
            found.append((name, mark))
    ordered = sorted(found, key=lambda pair: pair[1].centre_mm[::-1])
    return tuple(Lesion(number, (mark,), name) for number, (name, mark) in enumerate(ordered, start=1))
