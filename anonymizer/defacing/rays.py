"""A brain by rays, the second, unlike estimate: from the middle of the cranium out to the dark of the skull or the bright of the scalp.

Nothing of it depends on pieces hanging together, so it fails elsewhere than the first estimate does. The idea of judging a boundary
by the intensities behind it is that of Smith, Human Brain Mapping 17:143-155 (2002).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anonymizer.defacing.frames import Vector
from anonymizer.defacing.picture import Mask, Picture, Values

_TURNS, _TILTS = 96, 48
_NEAR_MM, _FAR_MM, _PACE_MM = 35.0, 115.0, 1.25
_DARK, _BEHIND_MM = 0.62, 20.0  # a fall to this share of the mean of so much of the ray behind: coil shading does not stop a ray
_SCALP_MM = 10.0
_BRIGHT, _BRIGHT_MM = 1.5, 5.0  # fat: so much brighter than usual over so much of a ray; a sulcus is thinner
_SKULL_MM = 5.0  # before the fat when thick slices hide the skull's own dark
_CT_BRAIN = (-15.0, 110.0)


def brain_by_rays(picture: Picture, head: Mask, modality: str, middle: Vector) -> Mask:
    """The cubes between `middle` (LPS mm) and where each ray first gets dark; bool (z, y, x)."""
    values = _evened(picture.values) if modality == "CT" else picture.values
    reach = _smooth(_reach_mm(picture, values, head, middle))
    offset = [
        (np.arange(n) * picture.step_mm + picture.origin[2 - a] - middle[2 - a]).reshape([-1 if a == b else 1 for b in range(3)])
        for a, n in enumerate(values.shape)
    ]
    z, y, x = (o.astype(np.float32) for o in offset)
    distance = np.sqrt(x * x + y * y + z * z)
    tilt = np.arccos(np.clip(z / np.maximum(distance, 1e-3), -1, 1)) / np.pi * _TILTS
    turn = (np.arctan2(y, x) / (2 * np.pi) % 1) * _TURNS
    limit = reach[np.clip(tilt.astype(np.int32), 0, _TILTS - 1), turn.astype(np.int32)[0] % _TURNS]
    return np.asarray((distance < limit) & head)


def _evened(values: Values) -> Values:
    """CT with brain tissue at one level and all else dark, so that bone stops a ray as air does."""
    return np.where((values > _CT_BRAIN[0]) & (values < _CT_BRAIN[1]), np.float32(100), np.float32(0))


def _reach_mm(picture: Picture, values: Values, head: Mask, middle: Vector) -> NDArray[np.float32]:
    """How far each ray (tilt, turn) goes before it gets dark, comes into fat, or nears the skin."""
    tilt = (np.arange(_TILTS) + 0.5) / _TILTS * np.pi
    turn = (np.arange(_TURNS) + 0.5) / _TURNS * 2 * np.pi
    radius = np.arange(5.0, _FAR_MM, _PACE_MM)
    ring = np.sin(tilt)[:, None]
    ray = np.stack([np.broadcast_to(np.cos(tilt)[:, None], (_TILTS, _TURNS)), ring * np.sin(turn), ring * np.cos(turn)], axis=-1)
    start = (middle - picture.origin)[::-1] / picture.step_mm
    index = np.rint(start + ray[:, :, None, :] * radius[:, None] / picture.step_mm).astype(np.int64)
    shape = np.array(values.shape)
    inside = ((index >= 0) & (index < shape)).all(axis=-1)
    z, y, x = np.moveaxis(np.clip(index, 0, shape - 1), -1, 0)
    signal, tissue = values[z, y, x], head[z, y, x] & inside
    usual = float(np.median(signal[..., radius < _NEAR_MM]))
    mean = (signal[..., :-1] + signal[..., 1:]) / 2
    dark = (mean < _DARK * np.clip(_behind(signal)[..., :-1], 0.5 * usual, 1.2 * usual)) & (radius[:-1] > _NEAR_MM)
    first_dark = np.where(dark.any(axis=-1), radius[np.argmax(dark, axis=-1)], _FAR_MM)
    fat = _lasting(signal > _BRIGHT * usual, round(_BRIGHT_MM / _PACE_MM)) & (radius > _NEAR_MM)
    first_fat = np.where(fat.any(axis=-1), radius[np.argmax(fat, axis=-1)], _FAR_MM) - _SKULL_MM
    leaves = ~tissue
    skin = np.where(leaves.any(axis=-1), radius[np.argmax(leaves, axis=-1)], _FAR_MM) - _SCALP_MM
    return np.asarray(np.minimum(np.minimum(first_dark, first_fat), skin), dtype=np.float32)


def _behind(signal: Values) -> Values:
    """The mean over the stretch of each ray that lies behind every one of its places."""
    count = round(_BEHIND_MM / _PACE_MM)
    total = np.cumsum(np.pad(signal, ((0, 0), (0, 0), (count, 0)), mode="edge"), axis=-1, dtype=np.float32)
    return np.asarray((total[..., count:] - total[..., :-count]) / count, dtype=np.float32)


def _lasting(flags: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Where a run of at least `count` set flags begins, along the last axis."""
    runs = np.stack([np.roll(flags, -k, axis=-1) for k in range(count)])
    runs[:, ..., flags.shape[-1] - count :] &= flags[..., flags.shape[-1] - count :]
    return np.asarray(runs.all(axis=0))


def _smooth(reach: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sulci and ventricles that stop single rays filled from their neighbours, and rays that slip out called back."""
    from scipy.ndimage import percentile_filter

    wide = np.pad(np.pad(reach, ((0, 0), (12, 12)), mode="wrap"), ((6, 6), (0, 0)), mode="reflect")
    return np.asarray(percentile_filter(wide, 65, size=(7, 11))[6:-6, 12:-12], dtype=np.float32)
