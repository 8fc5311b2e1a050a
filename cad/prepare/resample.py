"""Volumes on another grid: affine-exact through LPS millimetres, any orientation to any other.

Where source and target axes coincide (flipped or permuted at most) the work is separable and done
slice by slice; otherwise SimpleITK interpolates. Coarser targets are anti-aliased.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from cad.space import FloatArray, Grid
from cad.volume import Volume

Interpolation = Literal["linear", "nearest"]
_ALIGNED_MM = 1e-2  # two axes count as one when the grids part by less than this over the whole volume
_FWHM = 2.3548  # full width at half maximum of a Gaussian, in standard deviations


def resample(volume: Volume, grid: Grid, fill: float, interpolation: Interpolation = "linear") -> Volume:
    """`volume` on `grid`, float32; `fill` (in the volume's unit) where the source does not reach.

    The source reaches half a voxel beyond its outer centres and is constant there. With "linear",
    axes that become coarser are averaged over the new voxel's width (separable case) or with a
    Gaussian of that width (oblique case), so that noise and thin structures do not alias.
    """
    lattice = _Lattice.between(volume.grid, grid)
    if lattice is None:
        return _derived(volume, _oblique(volume, grid, fill, interpolation), grid)
    out = np.empty(grid.shape, dtype=np.float32)
    weigh = _nearest_weights if interpolation == "nearest" else _linear_weights
    for k, plane in enumerate(_planes(lattice.view(volume.voxels), lattice, grid.shape, weigh)):
        out[k] = plane
    _fill_outside(out, lattice, volume.grid.shape, fill)
    return _derived(volume, out, grid)


def resample_labels(volume: Volume, grid: Grid, fill: int = 0) -> Volume:
    """A mask or label map on `grid` by nearest neighbour; the dtype and the unit stay."""
    lattice = _Lattice.between(volume.grid, grid)
    if lattice is None:
        return _derived(volume, _oblique(volume, grid, fill, "nearest").astype(volume.voxels.dtype), grid)
    view = lattice.view(volume.voxels)
    index = [np.clip(np.floor(at + 0.5).astype(int), 0, n - 1) for at, n in zip(lattice.positions(grid.shape), view.shape, strict=True)]
    out = np.ascontiguousarray(view[np.ix_(*index)])
    _fill_outside(out, lattice, volume.grid.shape, fill)
    return _derived(volume, out, grid)


def resample_mask(mask: Volume, grid: Grid) -> Volume:
    """A 0/1 mask on `grid`, uint8, its border interpolated linearly and cut at one half (smoother than nearest)."""
    lattice = _Lattice.between(mask.grid, grid)
    if lattice is None:
        return _derived(mask, (_oblique(mask, grid, 0, "linear") > 0.5).astype(np.uint8), grid)
    out = np.empty(grid.shape, dtype=np.uint8)
    for k, plane in enumerate(_planes(lattice.view(mask.voxels), lattice, grid.shape, _linear_weights)):
        np.greater(plane, 0.5, out=out[k].view(bool))
    _fill_outside(out, lattice, mask.grid.shape, 0)
    return _derived(mask, out, grid)


class _Lattice:
    """Source and target share axes: target axis a runs along source axis order[a], start + step * index."""

    __slots__ = ("order", "start", "step")

    def __init__(self, order: tuple[int, int, int], start: FloatArray, step: FloatArray) -> None:
        self.order, self.start, self.step = order, start, step

    @classmethod
    def between(cls, source: Grid, target: Grid) -> _Lattice | None:
        """The shared lattice, or None when an axis is oblique to the other grid's by more than `_ALIGNED_MM` in all."""
        steps = np.linalg.inv(source.affine[:3, :3]) @ target.affine[:3, :3]
        order = max(permutations(range(3)), key=lambda p: sum(abs(steps[p[a], a]) * source.spacing_mm[p[a]] for a in range(3)))
        stray = steps.copy()
        stray[list(order), range(3)] = 0
        reach_mm = np.abs(stray) * np.asarray(source.spacing_mm)[:, None] * np.asarray(target.shape)
        if reach_mm.max() > _ALIGNED_MM:
            return None
        start = source.to_index(target.origin_mm)[list(order)]
        return cls((order[0], order[1], order[2]), start, steps[list(order), range(3)])

    def view(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """The source voxels with axes in the target's order (no copy)."""
        return voxels.transpose(self.order)

    def positions(self, shape: tuple[int, int, int]) -> list[FloatArray]:
        """For each target axis, the fractional source index of every target index."""
        return [self.start[a] + self.step[a] * np.arange(shape[a]) for a in range(3)]


def _planes(source: NDArray[Any], lattice: _Lattice, shape: tuple[int, int, int], weigh: Any) -> Iterator[NDArray[np.float32]]:
    """Target planes one by one, so that only one plane is ever float at source size."""
    along, down, across = (
        weigh(at, abs(step), n) for at, step, n in zip(lattice.positions(shape), lattice.step, source.shape, strict=True)
    )
    for k in range(shape[0]):
        low, high = along.indptr[k], along.indptr[k + 1]
        plane = np.zeros(source.shape[1:], dtype=np.float32)
        for j, weight in zip(along.indices[low:high], along.data[low:high], strict=True):
            plane += weight * source[j].astype(np.float32)
        yield (across @ (down @ plane).T).T


def _linear_weights(at: FloatArray, step: float, n: int) -> sparse.csr_matrix:
    """Mean of the linear interpolant over a box: width 0 for step <= 1, then what turns one old voxel's width into a new one's.

    float32 (len(at), n). Exact for linear fields; edges repeat. Widths add in quadrature, so nothing jumps at step 1.
    """
    at = np.clip(at, 0, n - 1)
    half = np.sqrt(max(0.0, step**2 - 1)) / 2
    reach = int(np.ceil(half)) + 1
    index = np.floor(at).astype(int)[:, None] + np.arange(-reach, reach + 2)
    away = index - at[:, None]
    weight = np.maximum(0, 1 - np.abs(away)) if half < 1e-3 else (_hat_integral(half - away) - _hat_integral(-half - away)) / (2 * half)
    return _rows(np.clip(index, 0, n - 1), weight, n)


def _hat_integral(x: FloatArray) -> FloatArray:
    """Integral from minus infinity to x of the hat function of half-width 1."""
    x = np.clip(x, -1, 1)
    return np.asarray(np.where(x < 0, (1 + x) ** 2 / 2, 1 - (1 - x) ** 2 / 2))


def _nearest_weights(at: FloatArray, step: float, n: int) -> sparse.csr_matrix:
    """Rows with a single one at the nearest index."""
    index = np.clip(np.floor(at + 0.5).astype(int), 0, n - 1)[:, None]
    return _rows(index, np.ones(index.shape), n)


def _rows(index: NDArray[np.int_], weight: FloatArray, n: int) -> sparse.csr_matrix:
    used = weight > 1e-7
    rows = np.broadcast_to(np.arange(len(index))[:, None], index.shape)[used]
    return sparse.csr_matrix((weight[used].astype(np.float32), (rows, index[used])), shape=(len(index), n))


def _fill_outside(out: NDArray[Any], lattice: _Lattice, source_shape: tuple[int, int, int], fill: float) -> None:
    for axis, at in enumerate(lattice.positions((out.shape[0], out.shape[1], out.shape[2]))):
        n = source_shape[lattice.order[axis]]
        outside = (at < -0.5 - 1e-6) | (at > n - 0.5 + 1e-6)
        if outside.any():
            out[(slice(None),) * axis + (outside,)] = fill


def _oblique(volume: Volume, grid: Grid, fill: float, interpolation: Interpolation) -> NDArray[np.float32]:
    import SimpleITK as sitk

    voxels = volume.voxels.astype(np.float32)
    if interpolation == "linear":
        voxels = _blurred(voxels, volume.grid, grid)
    reference = sitk.ResampleImageFilter()
    reference.SetSize([int(n) for n in reversed(grid.shape)])
    spacing, direction = _itk_frame(grid)
    reference.SetOutputSpacing(spacing)
    reference.SetOutputDirection(direction)
    reference.SetOutputOrigin(grid.origin_mm)
    reference.SetDefaultPixelValue(float(fill))
    reference.SetInterpolator(sitk.sitkNearestNeighbor if interpolation == "nearest" else sitk.sitkLinear)
    return np.asarray(sitk.GetArrayFromImage(reference.Execute(to_itk(voxels, volume.grid))), dtype=np.float32)


def to_itk(voxels: NDArray[Any], grid: Grid) -> Any:
    """A SimpleITK image of the voxels at their LPS place."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(voxels)
    spacing, direction = _itk_frame(grid)
    image.SetSpacing(spacing)
    image.SetDirection(direction)
    image.SetOrigin(grid.origin_mm)
    return image


def _itk_frame(grid: Grid) -> tuple[list[float], list[float]]:
    """Spacing and row-major direction cosines in ITK's (column, row, slice) order."""
    spacing = np.asarray(grid.spacing_mm)
    axes = (grid.affine[:3, :3] / spacing)[:, ::-1]
    return [float(s) for s in spacing[::-1]], [float(c) for c in axes.ravel()]


def _blurred(voxels: NDArray[np.float32], source: Grid, target: Grid) -> NDArray[np.float32]:
    """Gaussian along each source axis whose new voxels are wider than the old ones."""
    steps = np.abs(np.linalg.inv(source.affine[:3, :3]) @ target.affine[:3, :3]).max(axis=1)
    for axis, ratio in enumerate(steps):
        if ratio > 1.05 and voxels.shape[axis] > 1:
            voxels = ndimage.gaussian_filter1d(voxels, np.sqrt(ratio**2 - 1) / _FWHM, axis=axis, mode="nearest")
    return voxels


def _derived(volume: Volume, voxels: NDArray[Any], grid: Grid) -> Volume:
    return Volume(voxels, grid, volume.unit, volume.modality)
