"""The form of one head: smooth fields of scalp, skull, brain and ventricles, and the vessels that take up contrast.

Patient frame: LPS mm with the middle of the brain near the origin; the scalp's top is near z = +88.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cad.simulate.fields import Field, Lattice, as_distance, ellipsoid, smooth_max, smooth_min, smooth_noise
from cad.simulate.great_vessels import tubes_of
from cad.simulate.trees import Habit, grow_tree
from cad.simulate.tubes import Tubes, spline
from cad.space import FloatArray

LATTICE = Lattice.spanning((-96, -122, -130), (96, 122, 100), 3.0)
Mesh = tuple[Field, Field, Field]


@dataclass(frozen=True, slots=True, eq=False)
class HeadForm:
    """Fields on `LATTICE`, signed mm, negative inside; `folds` is zero along the sulci, `vessels` are drawable pieces."""

    head: Field
    skull: Field
    brain: Field
    cerebellum: Field
    ventricles: Field
    deep_grey: Field
    eyes: Field
    air: Field
    folds: Field
    folia: Field
    texture: Field
    bias: Field
    vessels: Tubes
    choroid: Tubes
    scalp_mm: float
    skull_mm: float


def head_form(rng: np.random.Generator) -> HeadForm:
    """Every field of one head; about a quarter of a second."""
    mesh = LATTICE.mesh()
    size = np.array([74, 93, 86]) * rng.normal(1, 0.035, 3)
    scalp, skull = float(rng.uniform(4, 8)), float(rng.uniform(5.5, 9))
    vault = ellipsoid(mesh, (0, 0, 0), size) + 1.8 * smooth_noise(rng, LATTICE, 50)
    floor = -62 + 0.30 * mesh[1] - mesh[2] - 16 * np.exp(-(((mesh[1] - 38) / 30) ** 2))
    inner = vault + scalp + skull
    cerebrum = smooth_max(inner + 2.0, np.asarray(floor + 22, dtype=np.float32) + 3 * smooth_noise(rng, LATTICE, 25), 8)
    cerebellum = smooth_max(
        smooth_min(ellipsoid(mesh, (0, 42, -46), (50, 32, 25)), ellipsoid(mesh, (0, 14, -58), (15, 13, 34)), 6), inner + 3, 5
    )
    vessels, choroid = _enhancing(rng, cerebrum)
    return HeadForm(
        head=smooth_min(vault, _face_and_neck(rng, mesh), 14),
        skull=inner,
        brain=cerebrum,
        cerebellum=cerebellum,
        ventricles=_ventricles(rng, mesh),
        deep_grey=_deep_grey(rng, mesh),
        eyes=np.minimum(ellipsoid(mesh, (-31, -72, -42), (12, 12, 12)), ellipsoid(mesh, (31, -72, -42), (12, 12, 12))),
        air=_air(rng, mesh),
        folds=_folds(rng, 8.0),
        folia=_folds(rng, 5.0),
        texture=smooth_noise(rng, LATTICE, 14),
        bias=smooth_noise(rng, LATTICE, 95),
        vessels=vessels,
        choroid=choroid,
        scalp_mm=scalp,
        skull_mm=skull,
    )


def _folds(rng: np.random.Generator, scale_mm: float) -> Field:
    """A signed distance to winding sheets about `scale_mm` apart: the sulci."""
    return np.clip(as_distance(smooth_noise(rng, LATTICE, scale_mm), LATTICE.step_mm), -12, 12)


def _face_and_neck(rng: np.random.Generator, mesh: Mesh) -> Field:
    face = ellipsoid(mesh, (0, -42, -78), (58, 52, 62))
    neck = np.asarray(np.maximum(np.hypot(mesh[0] / 60, (mesh[1] - 22) / 62) * 60 - 60, mesh[2] + 30), dtype=np.float32)
    return smooth_min(face, neck, 15) + 1.5 * smooth_noise(rng, LATTICE, 35)


def _ventricles(rng: np.random.Generator, mesh: Mesh) -> Field:
    """Lateral ventricles with their horns, and the third."""
    wide = rng.uniform(0.75, 1.9)
    field = np.asarray(np.maximum(np.abs(mesh[0]) - 0.9 * wide, np.hypot(mesh[1] / 16, (mesh[2] + 2) / 13) * 13 - 13), dtype=np.float32)
    for sign in (-1, 1):
        path = ((8, -30, 10, 3.5), (9, -16, 19, 4.5), (11, 4, 23, 4.5), (19, 24, 17, 5.5), (25, 38, 6, 3.5), (27, 50, 2, 1.5))
        for x, y, z, r in spline([(sign * x, y, z, r) for x, y, z, r in path], 6):
            field = smooth_min(field, ellipsoid(mesh, (x, y, z), (0.85 * r * wide, 1.4 * r, 1.3 * r)), 3)
        field = smooth_min(field, ellipsoid(mesh, (sign * 31, 2, -22), (2 * wide, 14, 3 * wide)), 3)
    return field + 0.5 * smooth_noise(rng, LATTICE, 15)


def _deep_grey(rng: np.random.Generator, mesh: Mesh) -> Field:
    field = np.full(LATTICE.shape, 40, dtype=np.float32)
    for sign in (-1, 1):
        for centre, semi in (((12, 8, 6), (8, 15, 9)), ((25, -6, 3), (7, 19, 12)), ((14, -20, 14), (4, 12, 8))):
            field = np.minimum(field, ellipsoid(mesh, (sign * centre[0], *centre[1:]), semi))
    return field + 0.8 * smooth_noise(rng, LATTICE, 12)


def _air(rng: np.random.Generator, mesh: Mesh) -> Field:
    """Nasal cavity and sinuses."""
    field = np.full(LATTICE.shape, 40, dtype=np.float32)
    holes = (((0, -70, -72), (10, 26, 24)), ((-28, -62, -72), (14, 14, 16)), ((28, -62, -72), (14, 14, 16)), ((0, -82, -30), (20, 5, 10)))
    for centre, semi in (*holes, ((0, -34, -52), (13, 11, 9)), ((-48, 28, -58), (8, 10, 12)), ((48, 28, -58), (8, 10, 12))):
        field = np.minimum(field, ellipsoid(mesh, centre, np.array(semi) * rng.uniform(0.75, 1.15)))
    return field + 2.5 * smooth_noise(rng, LATTICE, 8)


def _enhancing(rng: np.random.Generator, brain: Field) -> tuple[Tubes, Tubes]:
    """Dural sinuses, arteries, cortical and deep veins; and the choroid plexus."""
    rim = LATTICE.points((brain > -1.5) & (brain < 1.5))
    top = rim[(np.abs(rim[:, 0]) < 3) & (rim[:, 2] > -25) & (rim[:, 1] > -70)]
    sagittal = top[np.argsort(np.arctan2(top[:, 2], -top[:, 1]))][::6]
    paths: list[FloatArray] = []
    parts = [_sinus(sagittal)]
    for s in (-1, 1):
        paths.append(spline([(s * 2, 82, -22, 4), (s * 35, 70, -26, 4), (s * 56, 38, -36, 3.6), (s * 46, 22, -62, 4)], 5))
        paths.append(spline([(s * 16, -4, -75, 2.6), (s * 13, -10, -45, 2.5), (s * 12, -12, -22, 2.3)], 5))
        paths.append(spline([(s * 3, 30, 10, 1.2), (s * 3, 8, 16, 1.0), (s * 4, -10, 14, 0.7)], 5))
        leaves = rim[(rim[:, 0] * s > 22) & (rim[:, 2] > -35)]
        ends = leaves[rng.permutation(len(leaves))[:70]] * rng.uniform(0.75, 0.98, (70, 1))
        parts.append(
            grow_tree(
                rng, np.array([s * 12.0, -12, -22]), ends, Habit(twig_mm=0.42, exponent=2.9, bend=0.15, straight=0.0, thickest_mm=1.7)
            )
        )
        veins = rim[(rim[:, 0] * s > 3) & (rim[:, 2] > 0)]
        parts.append(
            grow_tree(
                rng, np.array([s * 2.0, 20, 72]), veins[rng.permutation(len(veins))[:40]], Habit(0.5, 2.9, (0.2, 0.5), 0.12, 0.0, 2.0)
            )
        )
    paths.append(spline([(0, 14, -75, 2.2), (0, 2, -45, 2.1), (0, -2, -28, 2.0)], 5))
    paths.append(spline([(0, 32, 10, 2.2), (0, 50, 14, 2.4), (0, 76, -14, 3)], 5))
    plexus = Tubes.join(
        Tubes.along(p[:, :3], p[:, 3])
        for p in (spline([(s * 12, 6, 20, 1.2), (s * 21, 24, 14, 2.8), (s * 22, 30, 9, 1.5)], 4) for s in (-1, 1))
    )
    return Tubes.join([*parts, tubes_of(*paths)]), plexus


def _sinus(points: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Tubes:
    """The superior sagittal sinus under the vault, widening to the back."""
    line = points.copy()
    line[:, 0] = 0
    for _ in range(4):
        line[1:-1] = (line[:-2] + line[1:-1] + line[2:]) / 3
    return Tubes.along(line, np.linspace(1.5, 4.2, len(line)))
