"""The small things in a chest: lung vessel and airway trees, ribs, and the benign look-alikes of nodules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cad.simulate.chest_form import LATTICE, ChestForm
from cad.simulate.fields import Field, ellipsoid
from cad.simulate.great_vessels import GreatVessels
from cad.simulate.trees import Habit, grow_tree
from cad.simulate.tubes import Tubes, spline
from cad.space import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ChestDetail:
    """Drawable pieces in the chest's frame; `scapula` is a field (mm), `vertebra_mm` the height of one vertebra and disc."""

    lung_vessels: Tubes
    airways: Tubes
    plugs: Tubes
    bullae: Tubes
    plaques: Tubes
    ribs: Tubes
    clavicles: Tubes
    strands: Tubes
    lumps: Tubes
    scapula: Field
    vertebra_mm: float
    vertebra_phase_mm: float


def chest_detail(rng: np.random.Generator, form: ChestForm, vessels: GreatVessels) -> ChestDetail:
    """Everything small in one chest; about a third of a second."""
    vessel_trees, airway_trees = zip(*(_lung_trees(rng, form, vessels, side) for side in (-1, 1)), strict=True)
    airways = Tubes.join(airway_trees)
    mesh = LATTICE.mesh()
    blades = [ellipsoid(mesh, (s * rng.normal(98, 4), form.build.half_depth - rng.uniform(28, 40), 30), (34, 50, 70)) for s in (-1, 1)]
    return ChestDetail(
        lung_vessels=Tubes.join(vessel_trees),
        airways=airways,
        plugs=_plugs(rng, airways),
        bullae=_bullae(rng, form),
        plaques=_plaques(rng, form),
        ribs=_ribs(rng, form),
        clavicles=_clavicles(rng, form),
        strands=_strands(rng, form),
        lumps=Tubes.join([_pleural_lumps(rng, form), _nodes(rng, form), _fissure_nodes(rng, form)]),
        scapula=np.minimum(blades[0], blades[1]),
        vertebra_mm=float(rng.uniform(21, 25)),
        vertebra_phase_mm=float(rng.uniform(0, 20)),
    )


def pick_points(rng: np.random.Generator, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], count: int) -> FloatArray:
    """Up to `count` random places (n, 3) in mm among the lattice nodes where `mask` holds."""
    nodes = LATTICE.points(mask)
    chosen = rng.permutation(len(nodes))[:count]
    return nodes[chosen] + rng.uniform(-0.5, 0.5, (len(chosen), 3)) * LATTICE.step_mm


def side_of(form: ChestForm) -> Field:
    """x relative to the plane between the lungs: negative on the patient's right."""
    x, _, z = LATTICE.mesh()
    return np.asarray(x - form.midline_x(z), dtype=np.float32)


def _lung_trees(rng: np.random.Generator, form: ChestForm, vessels: GreatVessels, side: int) -> tuple[Tubes, Tubes]:
    mine = side_of(form) * side > 0
    volume_cm3 = float((mine & (form.lung < 0)).sum()) * LATTICE.step_mm**3 / 1000
    artery, vein, airway = vessels.roots(side)
    clear = (np.abs(form.oblique) > 4) & ((np.abs(form.minor) > 4) | (side > 0) | (form.oblique < 0))
    supplied = mine & (form.lung < -2.5) & clear
    trees = []
    for root, share in ((artery, rng.uniform(1.7, 2.8)), (vein, rng.uniform(2.0, 3.2))):
        leaves = pick_points(rng, supplied, int(volume_cm3 / share))
        habit = Habit(twig_mm=float(rng.uniform(0.42, 0.62)), exponent=float(rng.uniform(2.6, 2.9)), thickest_mm=7.5)
        trees.append(grow_tree(rng, root, leaves, habit))
    ends = pick_points(rng, mine & (form.lung < -24), max(8, int(volume_cm3 / 30)))
    bronchi = grow_tree(rng, airway, ends, Habit(twig_mm=0.75, exponent=2.5, bend=0.04, thickest_mm=5.5))
    return Tubes.join(trees), bronchi


def _ribs(rng: np.random.Generator, form: ChestForm) -> Tubes:
    """Twelve pairs of ribs that run round the thorax and fall to the front, and the sternum as three strips."""
    build = form.build
    angles = np.linspace(0.1, 0.88, 26)
    gap, drop = rng.uniform(22, 25), rng.uniform(95, 140)
    parts = []
    for number in range(12):
        end = 26 if number < 9 else 20 - 4 * (number - 9)
        for sign in (-1, 1):
            turn = np.pi * angles[:end]
            z = build.top_z - 4 - gap * number - drop * (angles[:end] ** 1.15) * min(1, 0.35 + 0.12 * number)
            ray = np.stack([sign * np.sin(turn), np.cos(turn), np.zeros(end)], axis=1)
            path = _on_wall(form, ray, z, 7.5)
            start = np.array([[sign * 20, build.spine_y + 8, path[0, 2] + 3]])
            parts.append(Tubes.along(np.vstack([start, path]), np.full(end + 1, rng.uniform(4.8, 6.5))))
    z = np.linspace(-75, min(70.0, build.top_z - 25), 30)
    for x in (-0.14, -0.05, 0.05, 0.14):
        ray = np.tile([[x, -1.0, 0]], (30, 1))
        parts.append(Tubes.along(_on_wall(form, ray, z, 7.5), np.full(30, 7.5)))
    return Tubes.join(parts)


def _on_wall(form: ChestForm, rays: FloatArray, z: FloatArray, outside_mm: float) -> FloatArray:
    """Where horizontal rays from the middle of the chest pass `outside_mm` beyond the thorax, (n, 3)."""
    steps = np.arange(40, 190, 2.0)
    points = rays[:, None, :] * steps[None, :, None] + np.array([0, -6, 0])
    points[..., 2] += z[:, None]
    beyond = LATTICE.at(form.thorax, points.reshape(-1, 3)).reshape(len(z), len(steps)) > outside_mm
    return np.asarray(points[np.arange(len(z)), np.argmax(beyond, axis=1)], dtype=np.float64)


def _clavicles(rng: np.random.Generator, form: ChestForm) -> Tubes:
    front = -form.build.half_depth * 0.62
    top = form.build.top_z
    rise = rng.uniform(5, 35)
    sides = [
        spline(
            [(s * 18, front, top - 22), (s * 60, front - 8, top - 8), (s * 105, front + 22, top + rise), (s * 150, front + 30, top + rise)],
            5,
        )
        for s in (-1, 1)
    ]
    return Tubes.join(Tubes.along(p, np.full(len(p), 6.0)) for p in sides)


def _strands(rng: np.random.Generator, form: ChestForm) -> Tubes:
    """Scars and plate-like atelectasis: thin straight strands from the pleura inwards, single or side by side."""
    parts = []
    for start in pick_points(rng, (form.lung < -1) & (form.lung > -5) & (form.thorax > -14), int(rng.integers(1, 9))):
        inward = np.array([0, -5, start[2]]) - start + rng.normal(0, 45, 3)
        inward *= rng.uniform(10, 42) / np.linalg.norm(inward)
        beside = np.cross(inward, rng.normal(size=3))
        beside *= 1.4 / np.linalg.norm(beside)
        radius = rng.uniform(0.5, 1.3)
        for n in range(int(rng.choice([1, 1, 2, 6, 12]))):
            bow = rng.normal(0, 1.5, 3)
            points = np.stack([start, start + inward / 2 + bow, start + inward * rng.uniform(0.85, 1)]) + n * beside
            parts.append(Tubes.along(points, radius * np.array([1.2, 1, 0.5])))
    return Tubes.join(parts)


def _plugs(rng: np.random.Generator, airways: Tubes) -> Tubes:
    """Mucus in small bronchi of some people: short filled stretches, a little wider than the airway."""
    small = np.flatnonzero((airways.start_mm < 2.2) & (airways.start_mm > 0.6))
    if rng.random() < 0.65 or not len(small):
        return Tubes.join([])
    first = rng.choice(small, size=int(rng.integers(1, 7)))
    stretch = np.unique(np.clip(first[:, None] + np.arange(2), 0, len(airways.start) - 1))
    kept = Tubes(airways.start[stretch], airways.end[stretch], airways.start_mm[stretch], airways.end_mm[stretch])
    return kept.widened(float(rng.uniform(1.1, 1.7)), 0.3)


def _bullae(rng: np.random.Generator, form: ChestForm) -> Tubes:
    """Air spaces under the pleura of the upper lungs, in one person in five."""
    if rng.random() < 0.8:
        return Tubes.join([])
    z = LATTICE.mesh()[2]
    spots = pick_points(rng, (form.lung < -3) & (form.lung > -16) & (form.thorax > -22) & (z > 20), int(rng.integers(2, 14)))
    return Tubes.join(Tubes.along(np.stack([p, p + rng.normal(0, 3, 3)]), rng.uniform(3, 11) * np.ones(2)) for p in spots)


def _plaques(rng: np.random.Generator, form: ChestForm) -> Tubes:
    """Calcified plates on the pleura of the wall, in one person in seven."""
    if rng.random() < 0.86:
        return Tubes.join([])
    parts = []
    for place in pick_points(rng, (np.abs(form.lung) < 1.5) & (np.abs(form.thorax) < 4), int(rng.integers(1, 6))):
        along = np.cross(place - np.array([0, -5, place[2]]), rng.normal(size=3))
        along *= rng.uniform(5, 16) / np.linalg.norm(along)
        parts.append(Tubes.along(np.stack([place - along, place, place + along]), rng.uniform(0.8, 2.0) * np.array([0.6, 1, 0.6])))
    return Tubes.join(parts)


def _fissure_nodes(rng: np.random.Generator, form: ChestForm) -> Tubes:
    """Lymph nodes at the fissures: flat lenses under 3 mm thick, which no reader reports."""
    parts = []
    at = (np.abs(form.oblique) < 1.5) & (form.lung < -6)
    for place in pick_points(rng, at, int(rng.integers(0, 4))):
        along = np.cross([0.0, -0.7, 0.7], rng.normal(size=3))
        along *= rng.uniform(1, 2.5) / np.linalg.norm(along)
        parts.append(Tubes.along(np.stack([place - along, place, place + along]), rng.uniform(0.7, 1.4) * np.array([0.4, 1, 0.4])))
    return Tubes.join(parts)


def _pleural_lumps(rng: np.random.Generator, form: ChestForm) -> Tubes:
    """Flat thickenings along the pleura."""
    parts = []
    for place in pick_points(rng, (np.abs(form.lung + 0.5) < 2) & (np.abs(form.thorax) < 5), int(rng.integers(1, 10))):
        along = np.cross(place - np.array([0, -5, place[2]]), rng.normal(size=3))
        along *= rng.uniform(2, 11) / np.linalg.norm(along)
        parts.append(Tubes.along(np.stack([place - along, place, place + along]), rng.uniform(1.2, 3.2) * np.array([0.4, 1, 0.4])))
    return Tubes.join(parts)


def _nodes(rng: np.random.Generator, form: ChestForm) -> Tubes:
    """Lymph nodes in the fat of the mediastinum and the hila."""
    room = (form.lung > 3) & (form.thorax < -14) & (form.heart > 4) & (form.below_diaphragm > 6)
    parts = []
    for place in pick_points(rng, room, int(rng.integers(6, 22))):
        along = rng.normal(size=3)
        along *= rng.uniform(1, 5) / np.linalg.norm(along)
        parts.append(Tubes.along(np.stack([place, place + along]), np.full(2, rng.uniform(2, 4.5))))
    return Tubes.join(parts)
