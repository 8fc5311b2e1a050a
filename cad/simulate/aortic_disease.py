"""What ails a simulated aorta: a bulge of its descending limb, calcium in its wall, a second lumen or thrombus along part of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from cad.simulate.great_vessels import Path, tubes_of
from cad.simulate.tubes import Tubes
from cad.space import FloatArray

WALL_MM = 1.6
FLAP_MM = 1.2
NOTHING = Tubes(np.empty((0, 3)), np.empty((0, 3)), np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True)
class AorticDisease:
    """`bulge_mm` is what the descending limb is wider by at one place; `plaques` lie in the inner wall; `inside` is what takes part of
    the lumen: a second lumen behind a flap ("dissection"), which holds `filling` of the enhancement, or "thrombus". The outer wall,
    which is the truth, is the same whatever lies inside.
    """

    bulge_mm: float = 0.0
    plaques: int = 0
    inside: Literal["", "dissection", "thrombus"] = ""
    filling: float = 1.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> AorticDisease:
        """A mixture: most have none of it."""
        inside: Literal["", "dissection", "thrombus"] = ("", "dissection", "thrombus")[int(rng.choice(3, p=(0.72, 0.17, 0.11)))]
        return cls(
            bulge_mm=float(rng.uniform(3, 24)) if rng.random() < 0.3 else 0.0,
            plaques=int(rng.integers(4, 50)) if rng.random() < 0.4 else 0,
            inside=inside,
            filling=float(rng.uniform(0.25, 1.1)),
        )


HEALTHY = AorticDisease()


@dataclass(frozen=True, slots=True, eq=False)
class AorticLesions:
    """Drawable pieces of a disease: the second lumen's wall and inside (to be cut to the lumen), calcium (to be cut to the aorta)."""

    disease: AorticDisease = HEALTHY
    flap: Tubes = field(default_factory=lambda: NOTHING)
    within: Tubes = field(default_factory=lambda: NOTHING)
    calcium: Tubes = field(default_factory=lambda: NOTHING)


def widened(rng: np.random.Generator, aorta: Path, disease: AorticDisease) -> Path:
    """The path (n, 4) with the bulge somewhere in its descending part."""
    if not disease.bulge_mm:
        return aorta
    arc = _arc(aorta)
    place = float(rng.uniform(0.36, 0.58)) * arc[-1]
    out = aorta.copy()
    out[:, 3] += disease.bulge_mm / 2 * np.exp(-(((arc - place) / rng.uniform(15, 40)) ** 2))
    return out


def aortic_lesions(rng: np.random.Generator, aorta: Path, disease: AorticDisease) -> AorticLesions:
    """Where on this aorta they lie. A second lumen runs from somewhere before or after the arch to the end, winding."""
    calcium = _calcium(rng, aorta, disease.plaques) if disease.plaques else NOTHING
    if not disease.inside:
        return AorticLesions(disease, calcium=calcium)
    part = aorta[int(float(rng.choice([0.03, 0.3, 0.4])) * len(aorta)) :]
    angle = rng.uniform(0, 2 * np.pi) + rng.uniform(-0.012, 0.012) * _arc(part)
    radius = float(rng.uniform(0.55, 0.8)) * part[:, 3:]
    side = part[:, :3] + float(rng.uniform(0.45, 0.65)) * part[:, 3:] * _outwards(part, angle)
    flap = tubes_of(np.hstack([side, radius])) if disease.inside == "dissection" else NOTHING
    return AorticLesions(disease, flap, tubes_of(np.hstack([side, radius - FLAP_MM])), calcium)


def _calcium(rng: np.random.Generator, aorta: Path, plaques: int) -> Tubes:
    """Short pieces along the inner wall, more of them downstream."""
    at = np.minimum((len(aorta) * rng.beta(2, 1.3, plaques)).astype(int), len(aorta) - 2)
    angle = rng.uniform(0, 2 * np.pi, len(aorta))
    out = _outwards(aorta, angle)[at]
    middle = aorta[at, :3] + (aorta[at, 3:] - WALL_MM) * out
    half = (aorta[at + 1, :3] - aorta[at, :3]) * rng.uniform(0.2, 1.8, (plaques, 1))
    thick = rng.uniform(0.5, 1.5, plaques)
    return Tubes(middle - half, middle + half, thick, thick)


def _outwards(path: Path, angle: FloatArray) -> FloatArray:
    """Unit vectors (n, 3) at right angles to the path, turned by `angle` (n,). The normal of the path's own plane is never along it."""
    tangent = np.gradient(path[:, :3], axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = np.linalg.svd(path[:, :3] - path[:, :3].mean(axis=0), full_matrices=False)[2][2]
    first = np.cross(tangent, normal)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.asarray(np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * np.cross(tangent, first))


def _arc(path: Path) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path[:, :3], axis=0), axis=1))])
