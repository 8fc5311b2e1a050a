"""Two scans of one place laid on one fine grid: the prior moved until what surrounds a lesion lies as it does today.

The registration of whole scans (cad.prepare.register) ends some millimetres off. Here a cube around one lesion is shifted, then
turned a little, until the surroundings agree; the lesion itself is hidden, so that its growth cannot pull the prior along. Nothing
but a rigid motion is allowed, since any other would change volumes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.prepare.inputs import near
from cad.prepare.register import Registration, affine_of, matrix_of, one_thread
from cad.prepare.resample import to_itk
from cad.space import FloatArray, Grid, Point, as_point
from cad.volume import Volume

VOXEL_MM = 0.8
AROUND_MM = 14.0  # of surroundings beyond the lesion's radius
LEAST_HALF_MM, MOST_HALF_MM = 22.0, 40.0
HIDDEN_MM = 3.0
FARTHEST_MM, LAST_MM, LAST_DEG = 8.0, 1.5, 4.0
OUTSIDE = -3000.0  # HU where a scan does not reach; nothing real is below -2000
_GREY = (-1000.0, 400.0)
_NO_MOTION = np.eye(4)


@dataclass(frozen=True, slots=True, eq=False)
class Alongside:
    """Both scans in HU (float32, `OUTSIDE` where there is none) and both outlines (0 to 1) on one grid; `slices_mm` are the
    distances of their slices (prior, current), `to_prior` the 4x4 from current to prior LPS mm."""

    prior: Volume
    current: Volume
    prior_outline: Volume
    current_outline: Volume
    slices_mm: tuple[float, float]
    to_prior: FloatArray


def alongside(
    scans: tuple[Volume, Volume], outlines: tuple[Volume, Volume], found: Registration, centre_mm: Point, radius_mm: float
) -> Alongside:
    """Prior and current CT (`scans`, each with its soft outline of the lesion) on one grid around `centre_mm` of the current scan."""
    half = min(MOST_HALF_MM, max(LEAST_HALF_MM, radius_mm + AROUND_MM))
    grid = _cube(centre_mm, half, VOXEL_MM)
    start = _start(found, centre_mm)
    there = as_point(found.to_prior([centre_mm])[0])
    prior = near(scans[0], _cube(there, 1.5 * half + FARTHEST_MM, 5.0))
    current = near(scans[1], _cube(centre_mm, half, 5.0))
    now = _moved(outlines[1], grid, _NO_MOTION, 0.0)
    hidden = np.maximum(now.voxels, _moved(outlines[0], grid, start, 0.0).voxels) >= 0.5
    here = _moved(current, grid, _NO_MOTION, OUTSIDE)
    placed = _placed(prior, here, hidden, start, centre_mm)
    return Alongside(
        prior=_moved(prior, grid, placed, OUTSIDE),
        current=here,
        prior_outline=_moved(outlines[0], grid, placed, 0.0),
        current_outline=now,
        slices_mm=(scans[0].grid.spacing_mm[0], scans[1].grid.spacing_mm[0]),
        to_prior=placed,
    )


def _start(found: Registration, centre_mm: Point) -> FloatArray:
    """The whole registration around one point: its turn, and where it takes the point."""
    start = np.eye(4)
    start[:3, :3] = found.rigid[:3, :3]
    start[:3, 3] = found.to_prior([centre_mm])[0] - start[:3, :3] @ np.asarray(centre_mm)
    return start


def _placed(prior: Volume, current: Volume, hidden: NDArray[np.bool_], start: FloatArray, centre_mm: Point) -> FloatArray:
    """`start` shifted, then also turned, until the surroundings agree (correlation). A step that goes too far is not taken."""
    import SimpleITK as sitk

    guide = _guide(current, hidden, centre_mm)
    if not guide.any():
        return start
    pictures = [to_itk(np.clip(v.voxels, *_GREY).astype(np.float32), v.grid) for v in (current, prior)]
    mask = to_itk(guide.astype(np.uint8), current.grid)
    shift = sitk.TranslationTransform(3)
    with one_thread():
        method = _method(shift, mask, 0.7, 40, ((3, 2.5), (2, 1.0)))
        method.SetMovingInitialTransform(_euler(start, centre_mm))
        method.Execute(*pictures)
        away = np.asarray(shift.GetOffset())
        shifted = start.copy()
        shifted[:3, 3] += start[:3, :3] @ away if np.linalg.norm(away) <= FARTHEST_MM else 0.0
        turned = _euler(shifted, centre_mm)
        _method(turned, mask, 0.3, 30, ((2, 1.0),)).Execute(*pictures)
    last = matrix_of(turned)
    return last if _little(last, shifted, centre_mm) else shifted


def _guide(current: Volume, hidden: NDArray[np.bool_], centre_mm: Point) -> NDArray[np.bool_]:
    """A ball around the lesion without the lesion and without what the scan does not hold."""
    apart = ndimage.distance_transform_edt(~hidden, sampling=current.grid.spacing_mm) if hidden.any() else np.full(hidden.shape, np.inf)
    middle = current.grid.to_index(centre_mm)
    radii = np.linalg.norm((np.indices(hidden.shape).T - middle) * current.grid.spacing_mm, axis=-1).T
    return np.asarray((apart > HIDDEN_MM) & (radii < VOXEL_MM * hidden.shape[0] / 2) & (current.voxels > OUTSIDE / 2))


def _method(transform: Any, mask: Any, step_mm: float, steps: int, levels: tuple[tuple[int, float], ...]) -> Any:
    """Correlation by gradient descent; `levels` are (shrink factor, smoothing in mm)."""
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetInitialTransform(transform, inPlace=True)
    method.SetMetricFixedMask(mask)
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetOptimizerAsRegularStepGradientDescent(step_mm, 0.01, steps, gradientMagnitudeTolerance=1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([shrink for shrink, _ in levels])
    method.SetSmoothingSigmasPerLevel([sigma for _, sigma in levels])
    return method


def _little(last: FloatArray, before: FloatArray, centre_mm: Point) -> bool:
    """Whether the turn moved the lesion and its surroundings by little: else it followed something else."""
    moved = np.linalg.norm((last - before) @ np.array([*centre_mm, 1.0]))
    cosine = (np.trace(last[:3, :3] @ before[:3, :3].T) - 1) / 2
    return bool(moved < LAST_MM and np.degrees(np.arccos(np.clip(cosine, -1, 1))) < LAST_DEG)


def _euler(matrix: FloatArray, centre_mm: Point) -> Any:
    import SimpleITK as sitk

    transform = sitk.Euler3DTransform()
    transform.SetCenter([float(x) for x in centre_mm])
    transform.SetMatrix([float(x) for x in matrix[:3, :3].ravel()], 1e-5)
    transform.SetTranslation([float(x) for x in (matrix @ np.array([*centre_mm, 1.0]))[:3] - np.asarray(centre_mm)])
    return transform


def _moved(volume: Volume, grid: Grid, to_volume: FloatArray, fill: float) -> Volume:
    """The volume on a grid of the current scan, linear, float32."""
    import SimpleITK as sitk

    like = to_itk(np.zeros(grid.shape, dtype=np.uint8), grid)
    image = to_itk(np.asarray(volume.voxels, dtype=np.float32), volume.grid)
    seen = sitk.Resample(image, like, affine_of(to_volume), sitk.sitkLinear, fill, sitk.sitkFloat32)
    return Volume(sitk.GetArrayFromImage(seen), grid, volume.unit, volume.modality)


def _cube(centre_mm: Point, half_mm: float, voxel_mm: float) -> Grid:
    count = round(2 * half_mm / voxel_mm) + 1
    return Grid.axial((count,) * 3, (voxel_mm,) * 3, [float(c) - voxel_mm * (count - 1) / 2 for c in centre_mm])
