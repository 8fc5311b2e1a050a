"""A small axial picture of a volume for fast anatomy: block means, axes turned to (z up, y back, x left)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.prepare.resample import resample_mask
from cad.space import Grid
from cad.volume import Volume

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Coarse:
    """Block means of a volume: float32 (z, y, x), index 0 lowest, foremost, rightmost; `grid` says where in LPS."""

    voxels: NDArray[np.float32]
    grid: Grid

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Spacing along z, y, x (nearly, when the source is oblique)."""
        return self.grid.spacing_mm

    def ball(self, radius_mm: float) -> Mask:
        """A structuring element: the voxels within `radius_mm` of the middle one."""
        half = [int(radius_mm // s) for s in self.spacing_mm]
        grids = np.ogrid[tuple(slice(-h, h + 1) for h in half)]
        return np.asarray(sum((g * s) ** 2 for g, s in zip(grids, self.spacing_mm, strict=True)) <= radius_mm**2)

    def ml(self, mask: Mask) -> float:
        """Volume of a mask in millilitres."""
        return float(mask.sum()) * self.grid.voxel_mm3 / 1000

    def mask(self, voxels: Mask, like: Volume) -> Volume:
        """The mask at the full resolution of `like`: uint8 0/1, unit "1"."""
        small = Volume(voxels.astype(np.uint8), self.grid, "1", like.modality)
        return resample_mask(small, like.grid)


def coarsen(volume: Volume, spacing_mm: float) -> Coarse:
    """Block means with edges of about `spacing_mm`; remainders at the far border are left out."""
    factors = [max(1, min(round(spacing_mm / s), n)) for s, n in zip(volume.grid.spacing_mm, volume.grid.shape, strict=True)]
    small = _block_means(volume.voxels, factors)
    affine = volume.grid.affine.copy()
    affine[:3, :3] *= factors
    affine[:3, 3] = volume.grid.to_mm((np.asarray(factors) - 1) / 2)
    return _turned(small, affine)


def largest(mask: Mask, count: int = 1) -> Mask:
    """The `count` largest face-connected components."""
    labels, n = ndimage.label(mask)
    if n <= count:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.isin(labels, np.argsort(sizes)[-count:])


def fill_planes(mask: Mask) -> Mask:
    """Holes filled plane by plane, so that a cavity open at the scan's ends is filled too."""
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def close(mask: Mask, ball: Mask) -> Mask:
    """Binary closing that does not lose voxels at the border of the array."""
    pad = [(n // 2, n // 2) for n in ball.shape]
    closed = ~dilate(~dilate(np.pad(mask, pad), ball), ball)
    return np.asarray(closed[tuple(slice(p, p + n) for (p, _), n in zip(pad, mask.shape, strict=True))])


def opened(mask: Mask, ball: Mask) -> Mask:
    """Binary opening; beyond the border of the array nothing is set."""
    pad = [(n // 2, n // 2) for n in ball.shape]
    kept = dilate(~dilate(~np.pad(mask, pad), ball), ball)
    return np.asarray(kept[tuple(slice(p, p + n) for (p, _), n in zip(pad, mask.shape, strict=True))])


def dilate(mask: Mask, ball: Mask) -> Mask:
    """Binary dilation by a ball (symmetric, convex): runs along x are widened once a width and put together plane by plane.

    The same voxels as scipy's, in a fraction of the time: a ball 9 voxels across has 250 voxels but 60 runs.
    """
    deep, high, wide = (n // 2 for n in ball.shape)
    widened = _widened(np.pad(mask, ((0, 0), (high, high), (0, 0))), wide)
    planes = np.zeros((len(mask) + 2 * deep, *mask.shape[1:]), dtype=bool)
    for k in range(2 * deep + 1):
        target = planes[k : k + len(mask)]
        for j in range(2 * high + 1):
            run = int(ball[k, j].sum())
            if run:
                target |= widened[run // 2][:, j : j + mask.shape[1]]
    return planes[deep : deep + len(mask)]


def _widened(mask: Mask, most: int) -> list[Mask]:
    """The mask with every run along x longer by 0, 1, ... `most` voxels at both ends."""
    out = [mask]
    for _ in range(most):
        wider = out[-1].copy()
        wider[..., 1:] |= out[-1][..., :-1]
        wider[..., :-1] |= out[-1][..., 1:]
        out.append(wider)
    return out


def _block_means(voxels: NDArray[Any], factors: list[int]) -> NDArray[np.float32]:
    fk, fj, fi = factors
    nk, nj, ni = (n // f for n, f in zip(voxels.shape, factors, strict=True))
    out = np.zeros((nk, nj, ni), dtype=np.float32)
    for k in range(nk):
        for slab in voxels[k * fk : (k + 1) * fk, : nj * fj, : ni * fi]:
            rows = np.add.reduceat(slab, np.arange(0, nj * fj, fj), axis=0, dtype=np.float32)
            out[k] += np.add.reduceat(rows, np.arange(0, ni * fi, fi), axis=1)
    out /= np.float32(fk * fj * fi)
    return out


def _turned(voxels: NDArray[np.float32], affine: NDArray[np.float64]) -> Coarse:
    axes = affine[:3, :3]
    unit = np.abs(axes / np.linalg.norm(axes, axis=0))
    order = max(permutations((0, 1, 2)), key=lambda p: unit[2, p[0]] + unit[1, p[1]] + unit[0, p[2]])
    voxels, axes, origin = voxels.transpose(order), axes[:, order].copy(), affine[:3, 3].copy()
    for axis, world in zip(range(3), (2, 1, 0), strict=True):
        if axes[world, axis] < 0:
            origin += axes[:, axis] * (voxels.shape[axis] - 1)
            axes[:, axis] *= -1
            voxels = np.flip(voxels, axis)
    turned = np.eye(4)
    turned[:3, :3], turned[:3, 3] = axes, origin
    shape = (int(voxels.shape[0]), int(voxels.shape[1]), int(voxels.shape[2]))
    return Coarse(np.ascontiguousarray(voxels), Grid(shape, turned))
