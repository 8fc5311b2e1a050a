"""Paths of the aorta, pulmonary trunk, veins, windpipe and gullet, with radii, in the chest's own frame (mm)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cad.simulate.fields import Field, Lattice
from cad.simulate.tubes import Tubes, spline
from cad.space import FloatArray

Path = FloatArray  # (n, 4): x, y, z, outer radius, mm


@dataclass(frozen=True, slots=True, eq=False)
class GreatVessels:
    """Polylines (n, 4) of (x, y, z, outer radius) in mm. `pulmonary`, `veins` and `airways` hold several."""

    aorta: Path
    branches: tuple[Path, ...]
    pulmonary: tuple[Path, ...]
    veins: tuple[Path, ...]
    airways: tuple[Path, ...]
    gullet: Path

    def soft_distance(self, lattice: Lattice) -> Field:
        """Distance to the nearest of all tubes on a lattice, mm, cut at 30."""
        field = np.full(lattice.shape, 30, dtype=np.float32)
        for path in (self.aorta, *self.branches, *self.pulmonary, *self.veins, *self.airways, self.gullet):
            _lower_to(field, lattice, path[:: max(1, len(path) // 14)])
        return field

    def roots(self, side: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Where the lung trees of one side (-1 right, +1 left) start: artery, vein, airway."""
        index = 1 if side < 0 else 2
        vein = 3 if side < 0 else 4
        return self.pulmonary[index][-1, :3], self.veins[vein][-1, :3], self.airways[index][-1, :3]


def tubes_of(*paths: Path) -> Tubes:
    """Drawable pieces of several paths."""
    return Tubes.join(Tubes.along(p[:, :3], p[:, 3]) for p in paths)


def great_vessels(rng: np.random.Generator, scale: float, spine_y: float, ascending_mm: float) -> GreatVessels:
    """Random paths for a chest whose vertebrae lie at `spine_y`; `ascending_mm` is the widest outer diameter of the aorta."""
    aorta = _aorta(rng, scale, spine_y, ascending_mm)

    def path(*rows: tuple[float, float, float, float]) -> Path:
        table = np.array(rows, dtype=np.float64)
        table[:, :3] = table[:, :3] * scale + rng.normal(0, 1.2, (len(rows), 3))
        table[:, 3] *= scale * rng.uniform(0.9, 1.12)
        return spline(table, 4.0)

    trunk = path((18, -44, -52, 13), (20, -38, -30, 14), (16, -20, -14, 13.5), (8, -6, -10, 12))
    return GreatVessels(
        aorta=aorta,
        branches=(
            path((-8, -14, 44, 6.5), (-16, -12, 70, 6), (-24, -8, 110, 5)),
            path((2, -6, 47, 4.2), (6, -4, 75, 4), (14, 0, 115, 3.8)),
            path((10, 4, 46, 5.2), (20, 4, 75, 4.8), (34, 0, 112, 4.5)),
        ),
        pulmonary=(
            trunk,
            path((8, -8, -10, 11.5), (-14, -4, -12, 11), (-36, 4, -14, 9.5), (-48, 10, -22, 8)),
            path((16, -14, -10, 11.5), (28, 2, -2, 10.5), (42, 14, -4, 9.5), (50, 18, -16, 8)),
        ),
        veins=(
            path((-24, -22, 95, 6.5), (-24, -22, 40, 8.5), (-26, -20, 0, 9.5), (-28, -18, -35, 11)),
            path((-20, 2, -100, 11), (-18, 4, -125, 11), (-14, 8, -200, 11)),
            path((36, -30, 82, 6), (6, -38, 66, 6.5), (-22, -24, 48, 7)),
            path((-14, 12, -44, 7.5), (-34, 10, -42, 7), (-50, 8, -40, 6)),
            path((20, 14, -40, 7.5), (38, 16, -38, 7), (52, 16, -36, 6)),
        ),
        airways=(
            path((0, 4, 160, 9.5), (-2, 9, 80, 9.5), (-4, 12, 30, 9.5), (-1, 13, 2, 10.5)),
            path((0, 12, 4, 9.5), (-18, 13, -12, 8.5), (-32, 14, -24, 7.5), (-40, 15, -36, 6)),
            path((0, 12, 4, 9), (22, 16, -14, 7.5), (40, 20, -24, 7), (46, 22, -32, 5.8)),
        ),
        gullet=path((4, 22, 160, 7), (4, 28, 40, 8), (4, 32, -40, 8.5), (14, 26, -120, 9), (30, 10, -150, 10)),
    )


def _aorta(rng: np.random.Generator, scale: float, spine_y: float, ascending_mm: float) -> Path:
    """Root, ascending limb, arch and descending limb; the widest point is exactly `ascending_mm` across."""
    push = max(0.0, ascending_mm / 2 - 16)
    normal = min(ascending_mm, rng.uniform(28, 34)) / ascending_mm
    rows = np.array(
        [
            (6, -26 - 0.3 * push, -50, 0.93),
            (-8 - 0.3 * push, -30 - 0.4 * push, -30, 0.98),
            (-19 - 0.5 * push, -29 - 0.4 * push, -4, 1.0),
            (-15 - 0.3 * push, -20, 24, 0.985),
            (4, -14 - 0.6 * push, 40, 0.5 + 0.45 * normal),
            (20 + 0.3 * push, 6, 40, 0.9 * normal),
            (26, spine_y - 36, 24, 0.83 * normal),
            (24, spine_y - 30, -10, 0.78 * normal),
            (20, spine_y - 30, -90, 0.75 * normal),
            (8, spine_y - 36, -170, 0.7 * normal),
            (2, spine_y - 38, -290, 0.62 * normal),
        ]
    )
    rows[:, :2] += rng.normal(0, 1.5, (len(rows), 2))
    rows[:, 2] = rows[:, 2] * scale + rng.normal(0, 2)
    rows[:8, :2] *= scale
    path = spline(rows, 2.5)
    path[:, 3] *= ascending_mm / 2 / path[:, 3].max()
    return path


def _lower_to(field: Field, lattice: Lattice, path: Path) -> None:
    origin = np.asarray(lattice.origin_mm)
    for a, b in pairwise(path):
        reach = max(a[3], b[3]) + 24
        low = np.maximum(((np.minimum(a, b)[:3] - reach - origin) / lattice.step_mm).astype(int), 0)
        high = np.minimum(((np.maximum(a, b)[:3] + reach - origin) / lattice.step_mm).astype(int) + 1, lattice.shape[::-1])
        if (high <= low).any():
            continue
        x, y, z = (origin[i] + lattice.step_mm * np.arange(low[i], high[i]) for i in range(3))
        run = (b - a)[:3]
        dx, dy, dz = (x - a[0])[None, None, :], (y - a[1])[None, :, None], (z - a[2])[:, None, None]
        t = np.clip((dx * run[0] + dy * run[1] + dz * run[2]) / max(float(run @ run), 1e-9), 0, 1)
        away = np.sqrt((dx - t * run[0]) ** 2 + (dy - t * run[1]) ** 2 + (dz - t * run[2]) ** 2) - (a[3] + t * (b[3] - a[3]))
        view = field[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
        np.minimum(view, away, out=view)
