"""Prior to current: where a point of today's scan lies in an earlier one of the same patient.

First rigid (the patient lay differently), then a smooth displacement (breathing, posture), both by SimpleITK on pictures
of a few millimetres. What comes out is plain numbers: one rigid matrix and one displacement field.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cad.errors import GridError
from cad.prepare.regions import body, bounding_grid
from cad.prepare.resample import resample, resample_mask, to_itk
from cad.space import FloatArray, Grid
from cad.volume import Volume

SHIFT_MM, RIGID_MM = 8.0, 4.0
FREE_STEPS = ((12.0, 150), (6.0, 100), (3.0, 50))  # spacing in mm and iterations, coarse to fine
_SMOOTH_VOXELS = 1.5
_RIM_MM = 8.0  # what lies just outside the body guides as well: the skin
_GREY = {"CT": (-1000.0, 400.0)}
_SEED = 1
_LEAST_OVERLAP = 0.2
_INVERSE_STEPS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """A map from points of the current scan to points of the prior.

    `rigid` is 4x4, LPS mm to LPS mm. `field` is float32 (slices, rows, columns, 3), a displacement (x, y, z) in mm added
    after the rigid map, on `grid` in the current scan's frame, 0 beyond it; None when only rigid. `correlation` is Pearson's
    r of the two pictures in the region: as they lay, after the rigid step, at the end. `folded` is the share of
    the field's voxels where space would fold over itself (Jacobian <= 0): above some per mille the map is not to be trusted.
    """

    rigid: FloatArray
    field: NDArray[np.float32] | None
    grid: Grid
    correlation: tuple[float, float, float]
    folded: float

    def to_current(self, points_mm: ArrayLike) -> FloatArray:
        """LPS points (..., 3) of the prior to the current scan's: the inverse of `to_prior`, by iteration to a hundredth of a mm."""
        target = np.atleast_2d(np.asarray(points_mm, dtype=np.float64))
        back = np.linalg.inv(self.rigid[:3, :3])
        found = (target - self.rigid[:3, 3]) @ back.T
        for _ in range(_INVERSE_STEPS):
            found = found + (target - self.to_prior(found)) @ back.T
        return np.asarray(found).reshape(np.shape(points_mm))

    def to_prior(self, points_mm: ArrayLike) -> FloatArray:
        """LPS points (..., 3) of the current scan to the prior's LPS points (..., 3)."""
        points = np.atleast_2d(np.asarray(points_mm, dtype=np.float64))
        moved = points @ self.rigid[:3, :3].T + self.rigid[:3, 3]
        if self.field is None:
            return moved.reshape(np.shape(points_mm))
        at = np.moveaxis(self.grid.to_index(points), -1, 0)
        shifts = [ndimage.map_coordinates(self.field[..., a], at, order=1, mode="nearest") for a in range(3)]
        return np.asarray(moved + np.stack(shifts, axis=-1)).reshape(np.shape(points_mm))


def register(prior: Volume, current: Volume, *, deformable: bool = True) -> Registration:
    """Align a prior to the current scan: same modality, same part of the body, any orientation and spacing.

    The two may cover different stretches of the body. The same input gives the same map. Raises GridError when one of the
    two shows no body. Sources: Padfield 2012 (masked correlation, scikit-image), Mattes 2003 (mutual information) and
    Vercauteren 2007 (demons with symmetric forces), both by SimpleITK.
    """
    wheres = [_region(volume) for volume in (prior, current)]
    there, here = (grey_scan(volume, where, RIGID_MM) for volume, where in zip((prior, current), wheres, strict=True))
    as_they_lay, rigid = (
        Registration(matrix, None, here.grid, (0.0, 0.0, 0.0), 0.0)
        for matrix in (np.eye(4), rigid_between(there, here, _shift(there, here)))
    )
    start, middle = (_correlation(there, here, found) for found in (as_they_lay, rigid))
    rigid = replace(rigid, correlation=(start, middle, middle))
    return refined(prior, current, rigid) if deformable else rigid


def refined(prior: Volume, current: Volume, rigid: Registration) -> Registration:
    """A rigid alignment followed by the smooth displacement that is left; for what `register(..., deformable=False)` gave."""
    wheres = [_region(volume) for volume in (prior, current)]
    there, here = (grey_scan(volume, where, RIGID_MM) for volume, where in zip((prior, current), wheres, strict=True))
    field, grid = _free(prior, current, wheres, rigid.rigid)
    free = Registration(rigid.rigid, field, grid, (0.0, 0.0, 0.0), _folded(field, grid))
    return replace(free, correlation=(*rigid.correlation[:2], _correlation(there, here, free)))


def on_current(prior: Volume, found: Registration, grid: Grid, fill: float) -> Volume:
    """The prior as it would look on a grid of the current scan, float32, linear; `fill` where the prior does not reach."""
    out = np.empty(grid.shape, dtype=np.float32)
    voxels = prior.voxels.astype(np.float32)
    rows, columns = np.meshgrid(np.arange(grid.shape[1]), np.arange(grid.shape[2]), indexing="ij")
    for k in range(grid.shape[0]):
        points = grid.to_mm(np.stack([np.full_like(rows, k), rows, columns], axis=-1))
        at = np.moveaxis(prior.grid.to_index(found.to_prior(points)), -1, 0)
        out[k] = ndimage.map_coordinates(voxels, at, order=1, mode="constant", cval=fill)
    return Volume(out, grid, prior.unit, prior.modality)


@dataclass(frozen=True, slots=True, eq=False)
class GreyScan:
    """A scan made coarse: grey values in [0, 1] and the region that guides, on an axial grid."""

    grey: NDArray[np.float32]
    region: NDArray[np.bool_]
    grid: Grid


def _region(volume: Volume) -> Volume:
    found = body(volume)
    if not found.voxels.any():
        raise GridError("there is no body in the picture", subject="register", accepted="two scans of one part of the body")
    return found


def grey_scan(volume: Volume, where: Volume, spacing_mm: float) -> GreyScan:
    """A volume around the mask `where`, coarse, in shades of grey."""
    box = bounding_grid(where, 20.0).box()
    shape = [max(1, int(np.ceil(size / spacing_mm))) for size in reversed(box.size_mm)]
    grid = Grid.axial(shape, (spacing_mm,) * 3, [low + spacing_mm / 2 for low in box.low_mm])
    grey = resample(volume, grid, float(volume.voxels.min())).voxels
    low, high = _GREY.get(volume.modality) or np.percentile(grey, (1, 99))
    region = resample_mask(where, grid).voxels > 0
    wide = ndimage.distance_transform_edt(~region) * spacing_mm <= _RIM_MM
    return GreyScan(np.clip((grey - low) / max(high - low, 1e-6), 0, 1).astype(np.float32), wide, grid)


def rigid_between(prior: GreyScan, current: GreyScan, shift_mm: FloatArray) -> FloatArray:
    """The 4x4 that takes current points to prior points, by mutual information from a first shift (x, y, z) on."""
    import SimpleITK as sitk

    start = sitk.Euler3DTransform()
    start.SetCenter([float(x) for x in current.grid.to_mm(np.argwhere(current.region).mean(axis=0))])
    start.SetTranslation([float(x) for x in shift_mm])
    method = sitk.ImageRegistrationMethod()
    method.SetInitialTransform(start, inPlace=True)
    method.SetMetricFixedMask(to_itk(current.region.astype(np.uint8), current.grid))
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.25, _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, 150, gradientMagnitudeTolerance=1e-5)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([3, 1])
    method.SetSmoothingSigmasPerLevel([6, 2])
    with one_thread():
        method.Execute(_itk(current), _itk(prior))
    return matrix_of(start)


def matrix_of(rigid: Any) -> FloatArray:
    """A SimpleITK rigid transform as a 4x4."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(rigid.GetMatrix(), (3, 3))
    matrix[:3, 3] = rigid.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def affine_of(matrix: FloatArray) -> Any:
    """A 4x4 as a SimpleITK transform."""
    import SimpleITK as sitk

    placed = sitk.AffineTransform(3)
    placed.SetMatrix([float(x) for x in matrix[:3, :3].ravel()])
    placed.SetTranslation([float(x) for x in matrix[:3, 3]])
    return placed


@contextmanager
def one_thread() -> Iterator[None]:
    """The metric's sums in one order: with several threads the last digits are left to chance, and so would be the map's."""
    import SimpleITK as sitk

    usual = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(usual)


def _shift(prior: GreyScan, current: GreyScan) -> FloatArray:
    """The translation (x, y, z) in mm, current to prior, at which the two agree best where both reach."""
    from skimage.registration import phase_cross_correlation

    step = round(SHIFT_MM / RIGID_MM)
    there, here = (picture.grey[::step, ::step, ::step] for picture in (prior, current))
    within = [picture.region[::step, ::step, ::step] for picture in (prior, current)]
    steps = phase_cross_correlation(here, there, reference_mask=within[1], moving_mask=within[0], overlap_ratio=_LEAST_OVERLAP)[0]
    apart = np.subtract(prior.grid.origin_mm, current.grid.origin_mm)
    return np.asarray(apart - np.asarray(steps, dtype=np.float64)[::-1] * SHIFT_MM)


def _free(prior: Volume, current: Volume, wheres: Sequence[Volume], rigid: FloatArray) -> tuple[NDArray[np.float32], Grid]:
    """The displacement left after the rigid step, in the prior's frame, on the grid of the finest picture."""
    import SimpleITK as sitk

    placed = affine_of(rigid)
    field, grid = None, current.grid
    for spacing_mm, iterations in FREE_STEPS:
        there, here = (grey_scan(volume, where, spacing_mm) for volume, where in zip((prior, current), wheres, strict=True))
        fixed, grid = _itk(here), here.grid
        moving = sitk.Resample(_itk(there), fixed, placed, sitk.sitkLinear, 0.0)
        demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfIterations(iterations)
        demons.SetStandardDeviations(_SMOOTH_VOXELS)
        start: list[Any] = [sitk.Resample(field, fixed, sitk.Transform(), sitk.sitkLinear, 0.0)] if field is not None else []
        field = demons.Execute(fixed, moving, *start)
    return np.asarray(sitk.GetArrayFromImage(field) @ rigid[:3, :3].T, dtype=np.float32), grid


def _itk(picture: GreyScan) -> Any:
    return to_itk(picture.grey, picture.grid)


def _correlation(prior: GreyScan, current: GreyScan, found: Registration) -> float:
    """Pearson's r of the grey values in the current region, where the prior reaches."""
    points = current.grid.to_mm(np.argwhere(current.region))
    at = prior.grid.to_index(found.to_prior(points))
    inside = ((at >= 0) & (at <= np.asarray(prior.grid.shape) - 1)).all(axis=1)
    if inside.mean() < _LEAST_OVERLAP:
        return 0.0
    before = ndimage.map_coordinates(prior.grey, at[inside].T, order=1)
    after = current.grey[current.region][inside]
    return float(np.corrcoef(before, after)[0, 1]) if before.std() > 0 and after.std() > 0 else 0.0


def _folded(field: NDArray[np.float32], grid: Grid) -> float:
    """Share of voxels whose neighbourhood is turned inside out."""
    if min(grid.shape) < 2:
        return 0.0
    axes = grid.affine[:3, :3]
    slopes = np.stack([np.stack([np.gradient(field[..., a], axis=b) for b in range(3)], axis=-1) for a in range(3)], axis=-2)
    jacobian = np.linalg.det(np.eye(3) + slopes @ np.linalg.inv(axes))
    return float((jacobian <= 0).mean())
