"""The form of one chest: smooth fields of the body wall, lungs, heart and upper abdomen, and the great vessels' paths.

Patient frame: LPS mm with the carina near (0, 10, 0), the lung tops near z = +100 and the deepest lung near z = -190.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cad.simulate.fields import Field, Lattice, as_distance, ellipsoid, smooth_max, smooth_min, smooth_noise
from cad.simulate.great_vessels import GreatVessels

LATTICE = Lattice.spanning((-216, -184, -290), (216, 172, 160), 4.0)
Mesh = tuple[Field, Field, Field]


@dataclass(frozen=True, slots=True)
class Build:
    """One person's proportions, mm. `fat_mm` under the skin, `wall_mm` of muscle and ribs, `breasts` 0 to 1."""

    half_width: float
    half_depth: float
    fat_mm: float
    wall_mm: float
    breasts: float
    top_z: float
    right_dome_z: float
    left_dome_z: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Build:
        """A random adult."""
        size = rng.normal(1, 0.06)
        dome = rng.normal(-98, 14)
        return cls(
            half_width=float(np.clip(127 * size * rng.normal(1, 0.04), 106, 150)),
            half_depth=float(np.clip(86 * size * rng.normal(1, 0.07), 66, 110)),
            fat_mm=float(rng.uniform(6, 34)),
            wall_mm=float(rng.uniform(15, 23)),
            breasts=float(rng.choice([0.0, rng.uniform(0.4, 1.0)])),
            top_z=float(rng.normal(102, 6)),
            right_dome_z=float(dome),
            left_dome_z=float(dome - rng.uniform(2, 18)),
        )

    @property
    def spine_y(self) -> float:
        """y of the middle of the vertebral bodies at the level of the carina."""
        return self.half_depth - 26


@dataclass(frozen=True, slots=True, eq=False)
class ChestForm:
    """Fields on `LATTICE`, signed mm unless said otherwise; negative inside."""

    build: Build
    body: Field
    wall: Field
    thorax: Field
    lung: Field
    heart: Field
    chambers: Field
    below_diaphragm: Field
    liver: Field
    spleen: Field
    stomach: Field
    oblique: Field
    minor: Field
    texture: Field
    lobules: Field
    midline_mm: tuple[float, float]

    def midline_x(self, z: float | Field) -> float | Field:
        """x of the plane between the lungs at height z."""
        return self.midline_mm[0] + self.midline_mm[1] * z


def chest_form(rng: np.random.Generator, build: Build, vessels: GreatVessels) -> ChestForm:
    """Every field of one chest; about a third of a second."""
    mesh = LATTICE.mesh()
    wobble = smooth_noise(rng, LATTICE, 55)
    thorax = _thorax(mesh, build) + 2.2 * wobble + 0.5 * smooth_noise(rng, LATTICE, 14)
    dome = _diaphragm(rng, mesh, build)
    heart, chambers = _heart(rng, mesh, build)
    oblique, minor = _fissures(rng, mesh)
    midline = (float(rng.normal(0, 2)), float(rng.normal(0, 0.02)))
    mediastinum = _mediastinum(rng, mesh, build, heart, vessels.soft_distance(LATTICE), midline)
    lung = smooth_max(smooth_max(thorax + 1.0 + _apical_cap(rng, mesh, build), dome, 5), -mediastinum - 1.5 * wobble, 6)
    return ChestForm(
        build=build,
        body=_body(rng, mesh, build),
        wall=_wall(rng, mesh, build, thorax),
        thorax=thorax,
        lung=lung,
        heart=heart,
        chambers=chambers,
        below_diaphragm=-dome,
        liver=_organ(rng, mesh, thorax, dome, (-52, -12, build.right_dome_z - 62), (105, 82, 72)),
        spleen=_organ(rng, mesh, thorax, dome, (88, 42, build.left_dome_z - 50), (34, 44, 52)),
        stomach=_organ(rng, mesh, thorax, dome, (62, -18, build.left_dome_z - 48), (40, 46, 42)),
        oblique=oblique,
        minor=minor,
        texture=smooth_noise(rng, LATTICE, 22),
        lobules=smooth_noise(rng, LATTICE, 9),
        midline_mm=midline,
    )


def _thorax(mesh: Mesh, build: Build) -> Field:
    x, y, z = mesh
    rise = np.clip((z + 60) / (build.top_z + 60), 0, 0.995)
    width = build.half_width * (1 - rise**2.4) ** 0.62 * (1 - 0.03 * np.clip((-60 - z) / 100, 0, 1))
    depth = build.half_depth * (1 - rise**2.8) ** 0.5
    gutter = np.exp(-(((np.abs(x) - 62) / 34) ** 2))
    back = y - (-6 + 14 * rise)
    back = back / np.where(back > 0, 1 + 0.16 * gutter, 1.0 + 0.04 * gutter)
    level = ((np.abs(x) / width) ** 2.35 + (np.abs(back) / depth) ** 2.35) ** (1 / 2.35) - 1
    distance = np.clip(as_distance(level.astype(np.float32), LATTICE.step_mm), -90, 90)
    return np.asarray(np.maximum(distance, z - build.top_z), dtype=np.float32)


def _diaphragm(rng: np.random.Generator, mesh: Mesh, build: Build) -> Field:
    """Positive below the diaphragm: two domes that fall to the costophrenic recesses."""
    x, y, z = mesh

    def dome(cx: float, top: float) -> Field:
        across = np.where((x - cx) * np.sign(cx) > 0, (x - cx) / 68, (x - cx) / 105)
        along = np.where(y > -8, (y + 8) / 82, (y + 8) / 100)
        return np.asarray(top - rng.uniform(62, 80) * (across**2 + along**2) ** 1.15, dtype=np.float32)

    surface = -smooth_min(-dome(-66 + rng.normal(0, 4), build.right_dome_z), -dome(68 + rng.normal(0, 4), build.left_dome_z), 14)
    surface = np.maximum(surface, build.right_dome_z - 100)
    slope_y, slope_x = np.gradient(surface[0], LATTICE.step_mm)
    return np.asarray((surface - z) / np.sqrt(1 + slope_y**2 + slope_x**2)[None], dtype=np.float32)


def _heart(rng: np.random.Generator, mesh: Mesh, build: Build) -> tuple[Field, Field]:
    """The outer surface of the heart, and the four chambers (with outflow) as one field."""
    size = build.half_width / 133 * rng.uniform(0.92, 1.12)
    base = np.array(
        [14 + rng.normal(0, 4), -31 - 0.4 * (build.half_depth - 88) + rng.normal(0, 3), 0.55 * build.right_dome_z + rng.normal(0, 4)]
    )
    apexward = np.array([0.74, -0.46, -0.5]) + rng.normal(0, 0.06, 3)
    apexward /= np.linalg.norm(apexward)
    side = np.cross(apexward, [0, 0, 1])
    side /= np.linalg.norm(side)
    frame = np.stack([apexward, side, np.cross(apexward, side)])
    outer = ellipsoid(mesh, base, np.array([66, 50, 49]) * size, frame) + 1.5 * smooth_noise(rng, LATTICE, 30)
    offsets = ((22, 12, 4, 33, 19, 20), (14, -24, 4, 33, 14, 24), (-38, -16, 4, 21, 20, 29), (-30, 24, 12, 26, 17, 21))
    chambers = np.full(outer.shape, 50, dtype=np.float32)
    for along, forward, up, *semi in offsets:
        centre = base + size * (along * apexward + np.array([0, forward * 1.0, 0]) + np.array([0, 0, up]))
        chambers = np.minimum(chambers, ellipsoid(mesh, centre, np.array(semi) * size, frame))
    return outer, np.maximum(chambers + 1.5 * smooth_noise(rng, LATTICE, 16), outer + 3)


def _mediastinum(rng: np.random.Generator, mesh: Mesh, build: Build, heart: Field, tubes: Field, midline: tuple[float, float]) -> Field:
    x, y, z = mesh
    side = x - np.float32(midline[0]) - np.float32(midline[1]) * z
    upper = np.clip((z - 25) / 60, 0, 1)
    column = ellipsoid(mesh, (0, 6, 0), (1e9, 1, 1)) * 0 + np.hypot(side / (19 + 12 * upper), (y - 6) / (42 + 10 * upper)) * 20 - 20
    septum = np.abs(side) - 1.3 - 3.0 * np.clip((np.abs(y + 10) - 55) / 20, 0, 1) * (y < 0)
    spine = np.hypot(x, y - build.spine_y - 0.06 * z) - 25 - 4 * np.clip(-z / 150, 0, 1)
    hila = np.minimum(ellipsoid(mesh, (-40, 8, -14), (17, 15, 25)), ellipsoid(mesh, (42, 12, -10), (16, 14, 24)))
    soft = smooth_min(smooth_min(heart - rng.uniform(2, 6), tubes - rng.uniform(2.5, 5), 9), column.astype(np.float32), 10)
    soft = smooth_min(smooth_min(soft, hila + 2.0 * smooth_noise(rng, LATTICE, 12), 7), spine.astype(np.float32), 8)
    return smooth_min(soft, septum.astype(np.float32), 4)


def _apical_cap(rng: np.random.Generator, mesh: Mesh, build: Build) -> Field:
    """Extra pleural thickness at the very top, in some people."""
    amount = rng.choice([0.0, rng.uniform(1, 7)])
    near = np.clip((mesh[2] - build.top_z + 34) / 26, 0, 1)
    return np.asarray(amount * near * np.clip(0.6 + smooth_noise(rng, LATTICE, 16), 0, 2), dtype=np.float32)


def _body(rng: np.random.Generator, mesh: Mesh, build: Build) -> Field:
    x, y, z = mesh
    shoulder = np.clip((z - 25) / 90, 0, 1) ** 1.4
    edge = build.wall_mm + build.fat_mm
    width = build.half_width + edge + 4 + 48 * shoulder
    depth = build.half_depth + edge + 2 - 4 * shoulder
    level = ((np.abs(x) / width) ** 2.4 + (np.abs(y + 2 - 12 * shoulder) / depth) ** 2.4) ** (1 / 2.4) - 1
    body = as_distance(np.asarray(level, dtype=np.float32), LATTICE.step_mm)
    if build.breasts:
        size = build.breasts * rng.uniform(0.85, 1.1)
        for cx in (-78, 78):
            breast = ellipsoid(mesh, (cx, -build.half_depth - edge + 6, -45), (56 * size, 30 * size, 58 * size))
            body = smooth_min(body, breast, 18)
    return body + 1.5 * smooth_noise(rng, LATTICE, 60)


def _wall(rng: np.random.Generator, mesh: Mesh, build: Build, thorax: Field) -> Field:
    """Ribs and muscles around the thorax: pectorals, back, shoulder girdle."""
    strong = rng.uniform(0.8, 1.15)
    deep = build.half_depth
    wall = thorax - build.wall_mm + 2.5 * smooth_noise(rng, LATTICE, 40)
    lumps = (
        ((78, -deep - 8, 25), (62, 17, 50)),
        ((34, build.spine_y + 42, -40), (30, 22, 200)),
        ((100, deep - 22, 20), (52, 46, 75)),
        ((140, 15, 110), (62, 52, 60)),
    )
    for (cx, cy, cz), semi in lumps:
        for sign in (-1, 1):
            wall = smooth_min(wall, ellipsoid(mesh, (sign * cx, cy, cz), np.array(semi) * strong), 10)
    return wall


def _organ(
    rng: np.random.Generator, mesh: Mesh, thorax: Field, dome: Field, centre: tuple[float, float, float], semi: tuple[float, float, float]
) -> Field:
    free = ellipsoid(mesh, np.array(centre) + rng.normal(0, 5, 3), np.array(semi) * rng.uniform(0.9, 1.15)) + 4 * smooth_noise(
        rng, LATTICE, 45
    )
    return smooth_max(smooth_max(free, thorax + 4, 8), 2.5 - dome, 6)


def _fissures(rng: np.random.Generator, mesh: Mesh) -> tuple[Field, Field]:
    """Signed distances to the oblique fissures (positive in front) and to the minor fissure of the right lung."""
    x, y, z = mesh
    bow = 5 * smooth_noise(rng, LATTICE, 70)
    tilt, height = rng.uniform(0.75, 1.15), rng.uniform(-35, -10)
    oblique = (z - height - tilt * (y - 10) - 0.12 * np.abs(x)) / np.hypot(1, tilt) + bow
    minor = z - rng.uniform(-30, -5) + 0.0022 * (x + 70) ** 2 - bow
    return np.asarray(oblique, dtype=np.float32), np.asarray(minor, dtype=np.float32)
