"""Lesion shapes shared by every body part: a sphere stretched, waved, lobed and given spicules, with a known volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cad.simulate.fields import Field, axes_mm
from cad.simulate.tubes import Tubes
from cad.space import FloatArray, Grid

Inside = Callable[[FloatArray], FloatArray]  # points (n, 3) in mm -> signed distance of the region a lesion may fill


@dataclass(frozen=True, slots=True)
class LesionShape:
    """A closed surface around `centre_mm`: radius * (1 + waves(direction)), stretched by `frame` (3x3).

    `waves` rows are (kx, ky, kz, amplitude, phase) of cosines over the unit direction.
    """

    centre_mm: FloatArray
    radius_mm: float
    frame: FloatArray
    waves: FloatArray

    def distance(self, offset_mm: FloatArray) -> FloatArray:
        """Approximate signed distance at offsets (..., 3) from the centre, negative inside."""
        local = offset_mm.astype(np.float32) @ self.frame.T.astype(np.float32)
        length = np.maximum(np.linalg.norm(local, axis=-1), 1e-6)
        return np.asarray(length - self.radius_mm * self._relief(local / length[..., None]))

    def _relief(self, direction: FloatArray) -> FloatArray:
        waves = self.waves.astype(np.float32)
        swing = direction.astype(np.float32) @ waves[:, :3].T + waves[:, 4]
        return np.asarray(np.maximum(1 + np.cos(swing, out=swing) @ waves[:, 3], np.float32(0.35)))

    def reach_mm(self, direction: FloatArray) -> FloatArray:
        """How far the surface lies from the centre along unit vectors (n, 3)."""
        local = direction @ self.frame.T
        length = np.linalg.norm(local, axis=-1)
        return np.asarray(self.radius_mm * self._relief(local / length[:, None]) / length, dtype=np.float64)

    def scaled_to(self, diameter_mm: float) -> LesionShape:
        """The same form with the volume of a sphere of `diameter_mm`."""
        relief = self._relief(_directions(600))
        stretch = 1 / abs(np.linalg.det(self.frame))
        radius = diameter_mm / 2 / float(np.mean(relief**3) * stretch) ** (1 / 3)
        return replace(self, radius_mm=radius)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnLesion:
    """A lesion on a grid: `window` slices into it, `distance` (mm, negative inside) and `share` of each voxel filled there."""

    window: tuple[slice, slice, slice]
    distance: Field
    share: Field


def lesion_shape(
    rng: np.random.Generator, centre_mm: FloatArray, diameter_mm: float, roughness: float, stretch: tuple[float, float] = (0.8, 1.25)
) -> LesionShape:
    """A random form; `roughness` 0 is an ellipsoid, 0.1 wavy, 0.25 lobulated."""
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    frame = np.diag(1 / rng.uniform(*stretch, 3)) @ axes
    waves = np.array(
        [
            [*(rng.normal(size=3) * frequency), rng.uniform(0.3, 1) * roughness / frequency**0.6, rng.uniform(0, 2 * np.pi)]
            for frequency in (*rng.uniform(1.2, 4.5, 6), *rng.uniform(5, 10, 8))
        ]
    )
    return LesionShape(np.asarray(centre_mm, dtype=np.float64), diameter_mm / 2, frame, waves).scaled_to(diameter_mm)


def fitted_to(shape: LesionShape, diameter_mm: float, inside: Inside) -> LesionShape:
    """Scales a form until the part of it inside a region has the volume of a sphere of `diameter_mm`."""
    for _ in range(4):
        volume = true_extent(shape, inside)[0]
        factor = (np.pi / 6 * diameter_mm**3 / max(volume, 1e-3)) ** (1 / 3)
        shape = replace(shape, radius_mm=shape.radius_mm * float(np.clip(factor, 0.7, 1.5)))
    return shape


def true_extent(shape: LesionShape, inside: Inside) -> tuple[float, FloatArray]:
    """Volume (mm3) and centroid (x, y, z) of the part inside a region, counted in 1,200 cones of 24 shells of equal volume."""
    directions = _directions(1200)
    surface = shape.reach_mm(directions)
    shells = ((np.arange(24) + 0.5) / 24) ** (1 / 3)
    offset = directions[:, None] * (surface[:, None] * shells)[..., None]
    held = inside((shape.centre_mm + offset).reshape(-1, 3)).reshape(offset.shape[:2]) < 0
    piece = held * (surface**3)[:, None]
    total = float(piece.sum())
    if total == 0:
        return 0.0, shape.centre_mm
    return total * 4 * np.pi / 3 / held.size, shape.centre_mm + np.einsum("ds,dsx->x", piece, offset) / total


def draw_lesion(grid: Grid, shape: LesionShape, inside: Inside, edge_mm: float = 0.0, margin_mm: float = 4.0) -> DrawnLesion | None:
    """The lesion on an axial grid, thick slices averaged over their thickness; None where it misses the grid."""
    reach = 1.9 * shape.radius_mm + margin_mm
    axes = axes_mm(grid)
    spans = [np.flatnonzero(np.abs(a - c) <= reach + s) for a, c, s in zip(axes, shape.centre_mm, grid.spacing_mm[::-1], strict=True)]
    if any(len(s) == 0 for s in spans):
        return None
    x, y, z = (a[s] for a, s in zip(axes, spans, strict=True))
    thin = max(1, int(np.ceil(grid.spacing_mm[0] / 1.2)))
    soft = max(grid.spacing_mm[1:]) + edge_mm
    distance = np.zeros((len(z), len(y), len(x)))
    share = np.zeros_like(distance)
    for part in range(thin):
        step = ((part + 0.5) / thin - 0.5) * grid.spacing_mm[0]
        mesh = np.stack(np.meshgrid(z + step, y, x, indexing="ij")[::-1], axis=-1)
        here = shape.distance(mesh - shape.centre_mm)
        near = here < margin_mm + soft
        here[near] = np.maximum(here[near], inside(mesh[near]))
        distance += here / thin
        share += np.clip(0.5 - here / soft, 0, 1) / thin
    window = tuple(slice(int(s[0]), int(s[-1]) + 1) for s in reversed(spans))
    return DrawnLesion((window[0], window[1], window[2]), distance.astype(np.float32), share.astype(np.float32))


def mark(labels: NDArray[np.uint8], lesion: DrawnLesion, label: int) -> None:
    """Writes a label where a voxel is at least half filled, or into the fullest voxel of a lesion smaller than that."""
    view = labels[lesion.window]
    core = lesion.share >= min(0.5, float(lesion.share.max()))
    view[core & (lesion.share > 0)] = label


def spicules(rng: np.random.Generator, shape: LesionShape, count: int) -> Tubes:
    """Thin tapering strands that leave the surface in random directions."""
    parts = []
    for direction in _unit(rng.normal(size=(count, 3))):
        surface = shape.radius_mm / max(float(np.linalg.norm(shape.frame @ direction)), 1e-6)
        length = rng.uniform(0.25, 1.0) * shape.radius_mm + rng.exponential(3.5)
        kink = _unit(direction + rng.normal(0, 0.25, 3)[None])[0]
        points = shape.centre_mm + np.stack([0.8 * surface * direction, surface * direction + 0.3 * length * direction])
        points = np.vstack([points, points[-1] + 0.7 * length * kink])
        base = rng.uniform(0.5, 1.0) * (0.7 + 0.05 * shape.radius_mm)
        parts.append(Tubes.along(points, base * np.array([1.8, 0.65, 0.3])))
    return Tubes.join(parts)


def _directions(count: int) -> FloatArray:
    """Evenly spread unit vectors (a Fibonacci spiral)."""
    n = np.arange(count) + 0.5
    polar, around = np.arccos(1 - 2 * n / count), np.pi * (1 + 5**0.5) * n
    return np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], axis=1)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), dtype=np.float64)
