"""Lung nodules: what is asked for, where it may sit, and how dense it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cad.simulate.chest_detail import ChestDetail, pick_points
from cad.simulate.chest_form import LATTICE, ChestForm
from cad.simulate.fields import Field
from cad.simulate.lesions import DrawnLesion, LesionShape, fitted_to, lesion_shape, spicules
from cad.simulate.tubes import Tubes
from cad.space import Box, FloatArray

NoduleKind = Literal["solid", "part_solid", "ground_glass", "calcified"]
Attachment = Literal["isolated", "pleural", "vascular"]
_KINDS: tuple[NoduleKind, ...] = ("solid", "part_solid", "ground_glass", "calcified")
_SITES: tuple[Attachment, ...] = ("isolated", "pleural", "vascular")


@dataclass(frozen=True, slots=True)
class NoduleSpec:
    """A nodule to make: `diameter_mm` of the sphere of equal volume, its kind and what it touches."""

    diameter_mm: float
    kind: NoduleKind = "solid"
    attachment: Attachment = "isolated"

    @classmethod
    def draw(cls, rng: np.random.Generator) -> NoduleSpec:
        """A random nodule of 4 to 32 mm, small ones more often."""
        return cls(
            diameter_mm=float(4 * 8 ** rng.beta(1.1, 1.5)),
            kind=_KINDS[int(rng.choice(4, p=(0.58, 0.18, 0.14, 0.10)))],
            attachment=_SITES[int(rng.choice(3, p=(0.42, 0.33, 0.25)))],
        )


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
            placed.append(_make(rng, form, spec, centre))
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


def _site(
    rng: np.random.Generator, form: ChestForm, detail: ChestDetail, spec: NoduleSpec, scanned: Box, placed: list[Nodule]
) -> FloatArray | None:
    radius = spec.diameter_mm / 2
    if spec.attachment == "pleural":
        spots = pick_points(rng, (np.abs(form.lung + 0.7 * radius) < 2.0) & (form.thorax > -radius - 5), 600)
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


def _make(rng: np.random.Generator, form: ChestForm, spec: NoduleSpec, centre: FloatArray) -> Nodule:
    roughness = rng.uniform(0.02, 0.10) if spec.diameter_mm < 7 else rng.uniform(0.05, 0.34)
    shape = lesion_shape(rng, centre, spec.diameter_mm, roughness)
    if spec.attachment == "pleural":
        shape = fitted_to(shape, spec.diameter_mm, lambda points: inside_lung(form, points))
    body = {
        "solid": (rng.uniform(-30, 75), rng.choice([0.0, -450.0]) if spec.diameter_mm > 13 else 0.0, rng.uniform(0, 0.8)),
        "part_solid": (rng.uniform(-620, -420), rng.uniform(-60, 50), rng.uniform(0.5, 2)),
        "ground_glass": (rng.uniform(-680, -420), 0.0, rng.uniform(0.5, 2.5)),
        "calcified": (rng.uniform(60, 300), rng.uniform(300, 900), 0.0),
    }[spec.kind]
    return Nodule(
        spec=spec,
        shape=shape,
        hu=float(body[0]),
        core_hu=float(body[1]),
        edge_mm=float(body[2]),
        halo=(float(rng.uniform(1, 4.5)), float(rng.uniform(0.1, 0.7)) if spec.kind == "solid" and rng.random() < 0.5 else 0.0),
        strands=_strands(rng, spec, shape),
        seed=int(rng.integers(2**31)),
    )


def _strands(rng: np.random.Generator, spec: NoduleSpec, shape: LesionShape) -> Tubes:
    """Spicules of some nodules, and vessels that run from the hilum to larger ones."""
    parts = []
    if spec.kind != "calcified" and spec.diameter_mm > 7 and rng.random() < 0.65:
        parts.append(spicules(rng, shape, int(rng.integers(8, 26) + spec.diameter_mm * rng.uniform(0, 1.4))))
    for _ in range(int(rng.integers(0, 4)) if spec.diameter_mm > 8 else 0):
        hilum = np.array([45 * np.sign(shape.centre_mm[0]), 8, -15]) + rng.normal(0, 22, 3)
        run = (hilum - shape.centre_mm) * min(1.0, rng.uniform(15, 45) / max(float(np.linalg.norm(hilum - shape.centre_mm)), 1e-6))
        path = shape.centre_mm + np.array([[0.3], [0.65], [1.0]]) * run + rng.normal(0, 1.5, (3, 3))
        parts.append(Tubes.along(path, rng.uniform(0.7, 1.7) * np.array([0.8, 1.0, 1.1])))
    return Tubes.join(parts)
