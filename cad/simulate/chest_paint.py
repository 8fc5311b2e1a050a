"""Hounsfield units of a chest, slice by slice, before the scanner blurs it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.simulate.chest_detail import ChestDetail
from cad.simulate.chest_form import LATTICE, ChestForm
from cad.simulate.fields import Field, Sampler, axes_mm
from cad.simulate.great_vessels import GreatVessels, tubes_of
from cad.simulate.tubes import Canvas, Tubes, draw_tubes
from cad.space import Grid


@dataclass(frozen=True, slots=True)
class Tissue:
    """Hounsfield units of one person on one day."""

    lung: float
    gravity: float
    dependent: float
    emphysema: float
    fat: float
    muscle: float
    blood: float
    pulmonary: float
    myocardium: float
    liver: float
    spleen: float
    marrow: float
    cortex: float

    @classmethod
    def draw(cls, rng: np.random.Generator, contrast: float) -> Tissue:
        """Random values; `contrast` is the enhancement of the aorta in HU, 0 without contrast agent."""
        blood = rng.uniform(34, 50)
        return cls(
            lung=float(rng.uniform(-925, -815)),
            gravity=float(rng.uniform(15, 60)),
            emphysema=float(rng.choice([0, 0, rng.uniform(10, 70)])),
            dependent=float(rng.choice([0, rng.uniform(20, 160)])),
            fat=float(rng.uniform(-112, -92)),
            muscle=float(rng.uniform(45, 62)),
            blood=float(blood + contrast),
            pulmonary=float(blood + contrast * rng.uniform(0.55, 1.25)),
            myocardium=float(46 + 0.2 * contrast),
            liver=float(rng.uniform(48, 64) + 0.12 * contrast),
            spleen=float(rng.uniform(44, 54) + 0.25 * contrast),
            marrow=float(rng.uniform(110, 230)),
            cortex=float(rng.uniform(480, 800)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Canvases:
    """How full each voxel is of each kind of tube, uint8, all on the scan's grid."""

    aorta: Canvas
    aorta_lumen: Canvas
    systemic: Canvas
    pulmonary: Canvas
    gullet: Canvas
    trees: Canvas
    airway_walls: Canvas
    airways: Canvas
    strands: Canvas
    lumps: Canvas
    ribs: Canvas
    rib_marrow: Canvas
    clavicles: Canvas


def draw_canvases(grid: Grid, vessels: GreatVessels, detail: ChestDetail, extra_strands: Tubes) -> Canvases:
    """All tubes of a chest on a grid."""
    aorta, pulmonary = tubes_of(vessels.aorta), tubes_of(*vessels.pulmonary)
    bronchi = Tubes.join([tubes_of(*vessels.airways), detail.airways])
    return Canvases(
        aorta=draw_tubes(grid, aorta),
        aorta_lumen=draw_tubes(grid, aorta.widened(1, -1.6)),
        systemic=draw_tubes(grid, tubes_of(*vessels.branches, *vessels.veins[:3])),
        pulmonary=draw_tubes(grid, Tubes.join([pulmonary, tubes_of(*vessels.veins[3:])])),
        gullet=draw_tubes(grid, tubes_of(vessels.gullet)),
        trees=draw_tubes(grid, detail.lung_vessels),
        airway_walls=draw_tubes(grid, bronchi.widened(1.1, 0.45)),
        airways=draw_tubes(grid, bronchi),
        strands=draw_tubes(grid, Tubes.join([detail.strands, extra_strands])),
        lumps=draw_tubes(grid, detail.lumps),
        ribs=draw_tubes(grid, detail.ribs),
        rib_marrow=draw_tubes(grid, detail.ribs.widened(1, -2.0)),
        clavicles=draw_tubes(grid, detail.clavicles),
    )


class ChestPainter:
    """Paints one slice at a time: `slice(k)` gives HU (rows, columns) float32 and the lung mask (bool)."""

    def __init__(
        self, grid: Grid, form: ChestForm, detail: ChestDetail, canvases: Canvases, tissue: Tissue, rng: np.random.Generator
    ) -> None:
        self._form, self._detail, self._canvases, self._tissue, self._rng = form, detail, canvases, tissue, rng
        self._sampler = Sampler(LATTICE, grid)
        x, y, self._z = axes_mm(grid)
        self._x, self._y = x.astype(np.float32)[None, :], y.astype(np.float32)[:, None]
        self._soft = np.float32(max(grid.spacing_mm[1:]))
        self._blotch_seed = int(rng.integers(2**31))

    def slice(self, k: int) -> tuple[Field, NDArray[np.bool_]]:
        """HU and the lung mask of slice `k`."""
        thorax = self._read("thorax", k)
        hu = self._wall(k, thorax)
        lung = self._share(self._read("lung", k)) * self._septum(k)
        self._trunk(hu, k, thorax)
        self._lungs(hu, k, lung, thorax)
        self._bones(hu, k, thorax)
        _mix(hu, self._tissue.muscle - 15, self._tube("lumps", k))
        self._vessels(hu, k)
        return hu, lung > 0.5

    def _read(self, name: str, k: int) -> Field:
        return self._sampler.slice(getattr(self._form, name), k)

    def _share(self, distance: Field) -> Field:
        return np.asarray(np.clip(0.5 - distance / self._soft, 0, 1), dtype=np.float32)

    def _near(self, name: str, k: int) -> bool:
        return self._sampler.lowest(getattr(self._form, name), k) < 2

    def _tube(self, name: str, k: int) -> Field:
        return np.asarray(getattr(self._canvases, name)[k] * np.float32(1 / 255), dtype=np.float32)

    def _septum(self, k: int) -> Field:
        across = np.abs(self._x - np.float32(self._form.midline_x(float(self._z[k]))))
        return np.asarray(np.clip(0.5 + (across - 1.1) / self._soft, 0, 1), dtype=np.float32)

    def _wall(self, k: int, thorax: Field) -> Field:
        """Air, table, skin, fat and the muscle of the chest wall with fat between its layers."""
        tissue = self._tissue
        body = self._read("body", k)
        hu = np.full(body.shape, -1000, dtype=np.float32)
        self._table(hu)
        inside = self._share(body)
        blotch = self._read("texture", k)
        _mix(hu, tissue.muscle - 10, inside)
        _mix(hu, tissue.fat + 8 * blotch, self._share(body + 2.2))
        muscle = self._share(np.maximum(self._read("wall", k), body + 5))
        layers = np.clip(1.5 - 1.2 * np.abs(np.sin(thorax / 5.2 + blotch)) - (blotch > 1.1) * 0.6, 0, 1)
        _mix(hu, tissue.muscle + 6 * blotch, muscle * np.where(thorax > 14, np.clip(1.6 - layers, 0, 1), 1))
        return hu

    def _table(self, hu: Field) -> None:
        build = self._form.build
        top = build.half_depth + build.wall_mm + build.fat_mm + 12 - (self._x / 60) ** 2
        for depth, thick, value in ((0, 1.2, -300), (22, 2.2, 120)):
            _mix(hu, value, np.clip(0.5 - (np.abs(self._y - top - depth) - thick) / self._soft, 0, 1) * (np.abs(self._x) < 205))

    def _trunk(self, hu: Field, k: int, thorax: Field) -> None:
        """What fills the thorax outside the lungs: mediastinal fat and heart, organs below the diaphragm."""
        tissue = self._tissue
        blotch = self._read("texture", k)
        cavity = self._share(thorax)
        _mix(hu, tissue.fat + 12 + 10 * blotch, cavity)
        if self._near("below_diaphragm", k):
            self._abdomen(hu, k, cavity, blotch)
        if self._near("heart", k):
            _mix(hu, tissue.myocardium, self._share(self._read("heart", k)))
            _mix(hu, 0.5 * (tissue.blood + tissue.pulmonary), self._share(self._read("chambers", k)))

    def _abdomen(self, hu: Field, k: int, cavity: Field, blotch: Field) -> None:
        tissue = self._tissue
        below = self._read("below_diaphragm", k)
        _mix(hu, tissue.muscle, self._share(np.abs(below + 1.5) - 2) * cavity)
        bowel = self._share(np.maximum(2.0 - 4 * (np.abs(blotch) - 0.5), below + 6)) * cavity
        _mix(hu, 30 + 12 * blotch, bowel)
        if self._near("liver", k):
            _mix(hu, tissue.liver + 2 * blotch, self._share(self._read("liver", k)))
        if self._near("spleen", k):
            _mix(hu, tissue.spleen, self._share(self._read("spleen", k)))
        if self._near("stomach", k):
            wall = self._read("stomach", k)
            gas = np.maximum(wall + 5, self._y + 26)
            _mix(hu, tissue.muscle, self._share(wall))
            _mix(hu, 20, self._share(wall + 5))
            _mix(hu, -970, self._share(gas))

    def _lungs(self, hu: Field, k: int, lung: Field, thorax: Field) -> None:
        tissue = self._tissue
        blotch = self._read("texture", k)
        air = tissue.lung + tissue.gravity * self._y / 90 + 9 * blotch
        back = np.clip((self._y - 20) / 50, 0, 1)
        air = air + tissue.dependent * back * np.exp(np.minimum(thorax, 0) / 5)
        air = air + self._grain(k, lung.shape)
        air = air - tissue.emphysema * np.clip(self._read("lobules", k), 0, 1.5)
        air = air + 150 * self._fissures(k)
        vessel = np.maximum(self._tube("trees", k), 0)
        _mix(air, tissue.muscle - 20, self._tube("airway_walls", k) * 0.9)
        _mix(air, tissue.muscle - 30, self._tube("strands", k) * 0.8)
        _mix(air, tissue.pulmonary * 0.92, vessel)
        _mix(air, -985, self._tube("airways", k))
        hu += (air - hu) * lung

    def _fissures(self, k: int) -> Field:
        """How much of a fissure lies in each voxel, 0 to 1."""
        width = np.float32(max(0.9, float(self._soft) * 0.8))
        oblique, minor = self._read("oblique", k), self._read("minor", k)
        minor = np.where((self._x < 0) & (oblique > 0), minor, 99)
        return np.asarray(np.exp(-((oblique / width) ** 2)) + np.exp(-((minor / width) ** 2)), dtype=np.float32)

    def _grain(self, k: int, shape: tuple[int, ...]) -> Field:
        """The secondary lobules: a fine honeycomb a few voxels wide."""
        from scipy.ndimage import gaussian_filter

        rng = np.random.default_rng((self._blotch_seed, k))
        sigma = 1.3 / float(self._soft)
        noise = rng.standard_normal(shape, dtype=np.float32)
        if sigma < 0.35:
            return noise * np.float32(10)
        return np.asarray(gaussian_filter(noise, sigma) * np.float32(20 * 2 * np.pi**0.5 * sigma), dtype=np.float32)

    def _bones(self, hu: Field, k: int, thorax: Field) -> None:
        tissue = self._tissue
        flat = np.abs(thorax - 7.5)
        _mix(hu, tissue.cortex, self._tube("ribs", k) * self._share(flat - 4.2))
        _mix(hu, tissue.marrow, self._tube("rib_marrow", k) * self._share(flat - 2.6))
        _mix(hu, tissue.cortex * 0.9, self._tube("clavicles", k))
        if self._sampler.lowest(self._detail.scapula, k) < 0:
            blade = self._share(self._sampler.slice(self._detail.scapula, k))
            _mix(hu, tissue.cortex, blade * self._share(np.abs(thorax - 27) - 2.2))
        self._vertebra(hu, k)

    def _vertebra(self, hu: Field, k: int) -> None:
        """One level of the spine: body with end plates or disc, canal, arch and processes."""
        tissue, z = self._tissue, float(self._z[k])
        size = 1 + 0.0012 * -z * (z < 0) + 0.05
        cy = self._form.build.spine_y + 0.06 * z
        x, y = self._x / size, (self._y - cy) / size
        level = (z + self._detail.vertebra_phase_mm) % self._detail.vertebra_mm
        body = np.hypot(x / 17, y / 13.5) * 14 - 14
        body = np.maximum(body, 0.8 * (np.hypot(x, y - 17) * -1 + 9))
        if level < 4.5:
            _mix(hu, 75, self._share(body))
        else:
            edge = 0.45 if min(level - 4.5, self._detail.vertebra_mm - level) < 2 else 0.0
            _mix(hu, tissue.cortex, self._share(body))
            _mix(hu, tissue.marrow + edge * tissue.cortex, self._share(body + 1.6))
        arch = np.abs(np.hypot(x, (y - 20) / 1.05) - 12.4) - 2.4
        spike = np.maximum(np.abs(x) - 2.4, np.abs(y - 38) - 6 - 7 * (level / 20))
        wings = np.maximum(np.abs(y - 22 - 0.3 * np.abs(x)) - 3.2, np.abs(x) - 29) if 10 < level < 16 else spike
        shell = np.minimum(np.minimum(arch, spike), wings)
        _mix(hu, tissue.cortex * 0.7, self._share(shell))
        _mix(hu, tissue.marrow * 1.3, self._share(shell + 1.6))
        _mix(hu, 25, self._share(np.hypot(x, (y - 20) / 1.05) - 9.5))
        _mix(hu, 38, self._share(np.hypot(x, y - 20) - 5.5))

    def _vessels(self, hu: Field, k: int) -> None:
        """Great vessels, windpipe and gullet over everything else; the aorta last, so that its truth holds."""
        tissue = self._tissue
        _mix(hu, tissue.muscle - 8, self._tube("gullet", k))
        _mix(hu, 0.75 * tissue.pulmonary + 0.25 * tissue.blood, self._tube("systemic", k))
        _mix(hu, tissue.pulmonary, self._tube("pulmonary", k))
        outside = 1 - self._share(self._read("lung", k))
        _mix(hu, tissue.pulmonary * 0.92, self._tube("trees", k) * outside * (self._read("thorax", k) < -6))
        _mix(hu, tissue.muscle, self._tube("airway_walls", k) * outside)
        _mix(hu, -985, self._tube("airways", k) * outside)
        _mix(hu, tissue.muscle, self._tube("aorta", k))
        _mix(hu, tissue.blood, self._tube("aorta_lumen", k))


def _mix(hu: Field, value: float | Field, share: Field) -> None:
    """Replaces a share of each voxel by `value`."""
    hu += (value - hu) * share
