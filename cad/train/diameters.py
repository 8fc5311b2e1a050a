"""Trains the network that reads the aorta's diameter off cross-sections, on sections cut anew at every step.

Place and direction are wrong as an outline's centreline may be wrong; the picture is stretched and made oval, so that neither the usual
size nor a round shape is learnt by heart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cad.measure.aorta import measure_aorta
from cad.measure.aorta.course import frames
from cad.measure.aorta.direct import MIDDLE_MM, SCALE_MM, cut_sections
from cad.prepare.inputs import InputRule, near
from cad.space import FloatArray, Grid, Point
from cad.train.augment import intensity
from cad.train.checkpoints import Checkpoints
from cad.train.dataset import TrainingCase, load_cases
from cad.train.loop import Batch, Fitted, Kept, Schedule, fit, new_network
from cad.train.losses import with_doubt
from cad.train.recipe import Recipe
from cad.volume import Volume

AWAY_MM, TILT_DEG = 1.6, 6.0
MOST_AWAY_MM, MOST_TILT_DEG = 6.0, 20.0
ZOOMED, ZOOM = 0.7, 0.3
OVAL = 0.08
NEAR_MM = 12.0
SHORTEST = 40  # points of the course, 20 mm: less is no aorta to learn from
MARGIN_MM = 50.0
FINE_MM = 0.5
RATE = 3e-3


def train_diameter(recipe: Recipe, paths: Sequence[Path], stages: Checkpoints, progress: Callable[[str], None]) -> Fitted:
    """The stage "diameter"; not trained again where `stages` holds it."""
    spec = recipe.networks["diameter"]

    def train() -> Fitted:
        known = [KnownAorta.of(case, course) for case in load_cases(paths) if len((course := TrueCourse.of(case)).points_mm) >= SHORTEST]
        sampler = Sections(known, recipe.rule)
        schedule = Schedule(recipe.budget.steps["diameter"], recipe.seed, rate=RATE)
        kept = Kept(stages.running("diameter"), every=500)
        return fit(new_network(spec, recipe.seed), sampler, with_doubt(), schedule, lambda text: progress(f"diameter: {text}"), kept)

    return stages.stage("diameter", spec, train)


@dataclass(frozen=True, slots=True, eq=False)
class TrueCourse:
    """The true centreline of an aorta, points (n, 3) in LPS mm about half a mm apart, and the outer diameters (n,) there."""

    points_mm: FloatArray
    diameters_mm: FloatArray

    @classmethod
    def of(cls, case: TrainingCase) -> TrueCourse:
        """As it was drawn, the part that lies in the scan; for an outline that nobody drew, as measured on it."""
        drawn = case.truth.get("aorta_course_mm")
        if drawn is None:
            sections = measure_aorta(case.source_labels).sections
            drawn = [[*s.centre_mm, s.area_diameter_mm] for s in sections]
        rows = np.asarray(drawn, dtype=np.float64).reshape(-1, 4)
        arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(rows[:, :3], axis=0), axis=1))]) if len(rows) else np.zeros(0)
        fine = np.arange(0, arc[-1], FINE_MM) if len(rows) > 1 else arc
        rows = np.stack([np.interp(fine, arc, rows[:, c]) for c in range(4)], axis=1) if len(rows) > 1 else rows
        box = case.source.grid.box()
        rows = rows[[bool(box.contains((float(x), float(y), float(z)))) for x, y, z in rows[:, :3]]] if len(rows) else rows
        return cls(rows[:, :3], rows[:, 3])

    def at(self, place_mm: Point) -> float | None:
        """The true diameter nearest to a place; None where the truth has none there."""
        away = np.linalg.norm(self.points_mm - np.asarray(place_mm), axis=1)
        return float(self.diameters_mm[int(away.argmin())]) if away.size and away.min() <= NEAR_MM else None


@dataclass(frozen=True, slots=True, eq=False)
class KnownAorta:
    """What sections are cut from: the scan around the aorta in HU (int16), and its true course."""

    image: Volume
    course: TrueCourse

    @classmethod
    def of(cls, case: TrainingCase, course: TrueCourse) -> KnownAorta:
        """The part of a case that sections of its aorta can reach."""
        low, high = course.points_mm.min(axis=0) - MARGIN_MM, course.points_mm.max(axis=0) + MARGIN_MM
        around = Grid.axial(tuple(np.ceil((high - low)[::-1] / 5).astype(int) + 1), (5.0, 5.0, 5.0), low)
        cropped = near(case.source, around)
        return cls(cropped.like(np.ascontiguousarray(cropped.voxels)), course)


@dataclass(frozen=True, slots=True, eq=False)
class Sections:
    """Batches of cross-sections (batch, 3, 64, 64) in [0, 1] with their diameter (batch, 1), (mm - 30) / 10."""

    aortas: Sequence[KnownAorta]
    rule: InputRule
    batch: int = 32

    def __call__(self, rng: np.random.Generator) -> Batch:
        """Eight aortas a batch: cutting several sections of one at once is quicker."""
        images, targets = [], []
        for part in np.array_split(np.arange(self.batch), min(8, self.batch)):
            aorta = self.aortas[int(rng.integers(len(self.aortas)))]
            image, target = self._of(aorta, len(part), rng)
            images += [intensity(one, rng) for one in image]
            targets.append(target)
        return np.stack(images), np.concatenate(targets)[:, None].astype(np.float32)

    def _of(self, aorta: KnownAorta, count: int, rng: np.random.Generator) -> Batch:
        course = aorta.course
        at = rng.integers(4, max(5, len(course.points_mm) - 4), count)
        tangent = course.points_mm[np.minimum(at + 4, len(course.points_mm) - 1)] - course.points_mm[at - 4]
        across, zoom = _askew(tangent, rng)
        aside = np.clip(rng.normal(0, AWAY_MM, (count, 2)), -MOST_AWAY_MM, MOST_AWAY_MM)
        centres = course.points_mm[at] + (aside[..., None] * across / np.linalg.norm(across, axis=2, keepdims=True)).sum(axis=1)
        window = (float(self.rule.low or 0), float(self.rule.high or 1))
        cuts = cut_sections(aorta.image, centres, across, window)
        return cuts, np.asarray((course.diameters_mm[at] / zoom - MIDDLE_MM) / SCALE_MM, dtype=np.float32)


def _askew(tangents: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Vectors (n, 2, 3) that span planes about at right angles to the tangents, and by how much they are zoomed (n,).

    Turned at random within the plane, mirrored half of the time, and oval: longer one way as it is shorter the other, at equal area.
    """
    count = len(tangents)
    straight = tangents / np.linalg.norm(tangents, axis=1, keepdims=True)
    tilt = np.tan(np.radians(np.clip(rng.normal(0, TILT_DEG, (count, 2)), -MOST_TILT_DEG, MOST_TILT_DEG)))
    first, second = frames(straight)
    first, second = frames(straight + tilt[:, :1] * first + tilt[:, 1:] * second)
    first, second = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (first, second))
    turn = rng.uniform(0, 2 * np.pi, (count, 1))
    zoom = np.where(rng.random(count) < ZOOMED, np.exp(rng.uniform(-ZOOM, ZOOM, count)), 1.0)
    oval = np.exp(rng.normal(0, OVAL, (count, 1)))
    side = rng.choice([-1.0, 1.0], (count, 1))
    one = (np.cos(turn) * first + np.sin(turn) * second) * oval
    other = side * (np.cos(turn) * second - np.sin(turn) * first) / oval
    return np.stack([one, other], axis=1) * zoom[:, None, None], zoom
