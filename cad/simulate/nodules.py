"""Lung nodules: what is asked for, where it may sit, and how dense it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np

from cad.simulate.chest_detail import ChestDetail, pick_points
from cad.simulate.chest_form import LATTICE, ChestForm
from cad.simulate.fields import Field
from cad.simulate.lesions import DrawnLesion, Inside, LesionShape, fitted_to, lesion_shape, spicules
from cad.simulate.lidc_table import READINGS, SHAPES
from cad.simulate.tubes import Tubes
from cad.space import Box, FloatArray

NoduleKind = Literal["solid", "part_solid", "ground_glass", "calcified"]
Attachment = Literal["isolated", "pleural", "vascular"]
LEVELS = (5, 25, 50, 75, 95)  # the quantiles of SHAPES
MASS_MM = (30.0, 90.0)  # beyond 30 mm a nodule is called a mass; LIDC-IDRI holds hardly any
_KINDS: tuple[NoduleKind, ...] = ("solid", "part_solid", "ground_glass", "calcified")
_SITES: tuple[Attachment, ...] = ("isolated", "pleural", "vascular")


@dataclass(frozen=True, slots=True)
class NoduleSpec:
    """A nodule to make: `diameter_mm` of the sphere of equal volume, its kind, what it touches, and how its border looks.

    `spiculated`, `lobulated` and `soft_margin` None are drawn as often as LIDC-IDRI's readers saw them at that size and kind.
    """

    diameter_mm: float
    kind: NoduleKind = "solid"
    attachment: Attachment = "isolated"
    spiculated: bool | None = None
    lobulated: bool | None = None
    soft_margin: bool | None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, size_power: float = 0.0, rare_power: float = 0.0) -> NoduleSpec:
        """A random nodule of 3 to 45 mm as LIDC-IDRI's readers found them.

        Large ones are favoured by diameter ** `size_power`, rare kinds by (share of the kind) ** -`rare_power`.
        """
        low, high, kind, spiculated, lobulated, soft, _ = READINGS[int(rng.choice(len(READINGS), p=_shares(size_power, rare_power)))]
        return cls(
            diameter_mm=float(low * (high / low) ** rng.random()),
            kind=next(k for k in _KINDS if k == kind),
            attachment=_SITES[int(rng.choice(3, p=(0.42, 0.33, 0.25)))],
            spiculated=bool(spiculated),
            lobulated=bool(lobulated),
            soft_margin=bool(soft),
        )

    @classmethod
    def draw_mass(cls, rng: np.random.Generator) -> NoduleSpec:
        """A random mass: solid, its size even by logarithm, at a pleura but for some small ones. No statistics of masses are at hand."""
        size = float(np.exp(rng.uniform(*np.log(MASS_MM))))
        return cls(diameter_mm=size, attachment="isolated" if size < 45 and rng.random() < 0.4 else "pleural")

    def completed(self, rng: np.random.Generator) -> NoduleSpec:
        """The same with every border sign settled."""
        size = max(self.diameter_mm, 3.0)
        alike = [r for r in READINGS if r[2] == self.kind and r[0] <= size < r[1]] or [r for r in READINGS if r[2] == self.kind][-3:]
        counts = np.array([r[6] for r in alike], dtype=np.float64)
        signs = alike[int(rng.choice(len(alike), p=counts / counts.sum()))][3:6]
        given = (self.spiculated, self.lobulated, self.soft_margin)
        a, b, c = (bool(drawn) if wish is None else wish for wish, drawn in zip(given, signs, strict=True))
        return replace(self, spiculated=a, lobulated=b, soft_margin=c)


@cache
def _shares(size_power: float, rare_power: float) -> tuple[float, ...]:
    counts = np.array([row[6] for row in READINGS], dtype=np.float64)
    kinds = np.array([row[2] for row in READINGS])
    shares = np.array([counts[kinds == kind].sum() for kind in kinds]) / counts.sum()
    weights = counts * np.array([row[0] * row[1] for row in READINGS]) ** (size_power / 2) / shares**rare_power
    return tuple((weights / weights.sum()).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Nodule:
    """A placed nodule: its form in mm, the density of its body and core, strands that leave it,
    and `halo` (reach in mm, greatest share) of haze around it."""

    spec: NoduleSpec
    shape: LesionShape
    hu: float
    core_hu: float
    edge_mm: float
    halo: tuple[float, float]
    strands: Tubes
    seed: int


def inside_lung(form: ChestForm, points_mm: FloatArray) -> FloatArray:
    """Signed distance to the lung's surface at points (n, 3), mm."""
    return LATTICE.at(form.lung, points_mm)


def place_nodules(
    rng: np.random.Generator, form: ChestForm, detail: ChestDetail, specs: tuple[NoduleSpec, ...], scanned: Box
) -> tuple[Nodule, ...]:
    """Nodules inside the lungs and the scanned box, apart from each other; one that finds no room is left out."""
    placed: list[Nodule] = []
    for spec in specs:
        centre = _site(rng, form, detail, spec, scanned, placed)
        if centre is not None:
            placed.append(make_nodule(rng, spec, centre, lambda points: inside_lung(form, points)))
    return tuple(placed)


def density(nodule: Nodule, lesion: DrawnLesion, spacing_mm: tuple[float, float, float]) -> Field:
    """HU of the nodule's substance over its window."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(nodule.seed)
    sigma = [2.0 / s for s in spacing_mm]
    grain = gaussian_filter(rng.standard_normal(lesion.share.shape, dtype=np.float32), sigma)
    grain /= max(float(grain.std()), 1e-6)
    radius = nodule.spec.diameter_mm / 2
    hu = nodule.hu + 22 * grain
    if nodule.spec.kind in ("part_solid", "calcified"):
        core = np.clip(0.5 - (lesion.distance + radius * (0.45 + 0.12 * grain)) / max(spacing_mm[1], 1.0), 0, 1)
        hu = hu + (nodule.core_hu - hu) * core
    elif nodule.core_hu < -200:
        holes = np.clip(2.5 * (grain - 1.1), 0, 1)  # air left in small bronchi, as larger cancers show
        hu = hu + (nodule.core_hu - hu) * holes
    return np.asarray(hu, dtype=np.float32)


def painted(view: Field, nodule: Nodule, lesion: DrawnLesion, spacing_mm: tuple[float, float, float]) -> Field:
    """`view`, the HU in the lesion's window, with the nodule and the haze around it."""
    reach, most = nodule.halo
    out = view + np.maximum(-560 - view, 0) * most * np.clip(1 - lesion.distance / reach, 0, 1)
    out += np.maximum(density(nodule, lesion, spacing_mm) - out, 0) * lesion.share
    return np.asarray(out, dtype=np.float32)


def _site(
    rng: np.random.Generator, form: ChestForm, detail: ChestDetail, spec: NoduleSpec, scanned: Box, placed: list[Nodule]
) -> FloatArray | None:
    radius = spec.diameter_mm / 2
    if spec.attachment == "pleural":
        costal = form.thorax > (-radius - 5 if spec.diameter_mm < MASS_MM[0] else -np.inf)  # a mass may also lie at the mediastinum
        spots = pick_points(rng, (np.abs(form.lung + 0.7 * radius) < 2.0) & costal, 600)
    elif spec.attachment == "vascular":
        tubes = detail.lung_vessels
        fit = (tubes.start_mm > 0.8) & (tubes.start_mm < 2.6)
        spots = rng.permutation(tubes.end[fit])[:900]
        spots = spots + rng.normal(0, 0.5 * radius, spots.shape)
        spots = spots[inside_lung(form, spots) < -radius]
    else:
        spots = pick_points(rng, form.lung < -1.25 * radius - 2, 600)
    low, high = np.array(scanned.low_mm) + radius, np.array(scanned.high_mm) - radius
    for spot in spots:
        clear = all(np.linalg.norm(spot - n.shape.centre_mm) > 1.4 * (radius + n.shape.radius_mm) + 6 for n in placed)
        if clear and (spot > low).all() and (spot < high).all():
            return np.asarray(spot, dtype=np.float64)
    return None


def make_nodule(rng: np.random.Generator, spec: NoduleSpec, centre: FloatArray, inside: Inside) -> Nodule:
    """A nodule of `spec` around `centre` (x, y, z) mm; one at the pleura keeps its size `inside` the lung."""
    spec = spec.completed(rng)
    shape = lesion_shape(rng, centre, spec.diameter_mm, *nodule_form(rng, spec))
    if spec.attachment == "pleural":
        shape = fitted_to(shape, spec.diameter_mm, inside)
    body = {
        "solid": (rng.uniform(-30, 75), rng.choice([0.0, -450.0]) if spec.diameter_mm > 13 else 0.0, rng.uniform(0, 0.8)),
        "part_solid": (rng.uniform(-620, -420), rng.uniform(-60, 50), rng.uniform(0.5, 2)),
        "ground_glass": (rng.uniform(-680, -420), 0.0, rng.uniform(0.5, 2.5)),
        "calcified": (rng.uniform(60, 300), rng.uniform(300, 900), 0.0),
    }[spec.kind]
    fuzz = rng.uniform(0.8, 2.5) if spec.soft_margin else 0.0
    return Nodule(
        spec=spec,
        shape=shape,
        hu=float(body[0]),
        core_hu=float(body[1]),
        edge_mm=float(max(body[2], fuzz)),
        halo=(float(rng.uniform(1, 4.5)), float(rng.uniform(0.1, 0.7)) if spec.kind == "solid" and rng.random() < 0.5 else 0.0),
        strands=_strands(rng, spec, shape),
        seed=int(rng.integers(2**31)),
    )


def nodule_form(rng: np.random.Generator, spec: NoduleSpec) -> tuple[float, tuple[float, float]]:
    """Roughness and stretch from the outlines of LIDC-IDRI at this size.

    A drawn outline is rough by the pixels it follows (about 0.15 mm), which is taken away; waves of amplitude 1 make a rough part
    of about 0.55 on a section. Lobulated ones come from the upper half.
    """
    row = next((r for r in SHAPES if spec.diameter_mm < r[1]), SHAPES[-1])
    rank = rng.uniform(60, 97) if spec.lobulated else rng.uniform(5, 75)
    rough = float(np.interp(rank, LEVELS, row[3]))
    own = max(rough**2 - (0.3 / spec.diameter_mm) ** 2, 0.02**2) ** 0.5
    longer = float(np.interp(rng.uniform(5, 95), LEVELS, row[2])) - 1
    return float(np.clip(own / 0.55, 0.02, 0.4)), (1 - min(2.0 * longer, 0.55), 1 + 2.0 * longer)


def _strands(rng: np.random.Generator, spec: NoduleSpec, shape: LesionShape) -> Tubes:
    """Spicules of some nodules, and vessels that run from the hilum to larger ones."""
    parts = []
    if spec.spiculated:
        parts.append(spicules(rng, shape, int(rng.integers(8, 26) + spec.diameter_mm * rng.uniform(0, 1.4))))
    for _ in range(int(rng.integers(0, 4)) if spec.diameter_mm > 8 else 0):
        hilum = np.array([45 * np.sign(shape.centre_mm[0]), 8, -15]) + rng.normal(0, 22, 3)
        run = (hilum - shape.centre_mm) * min(1.0, rng.uniform(15, 45) / max(float(np.linalg.norm(hilum - shape.centre_mm)), 1e-6))
        path = shape.centre_mm + np.array([[0.3], [0.65], [1.0]]) * run + rng.normal(0, 1.5, (3, 3))
        parts.append(Tubes.along(path, rng.uniform(0.7, 1.7) * np.array([0.8, 1.0, 1.1])))
    return Tubes.join(parts)
