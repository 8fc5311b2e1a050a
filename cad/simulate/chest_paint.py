"""Hounsfield units of a chest, slice by slice, before the scanner blurs it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.simulate.acquisition import NoiseTile
from cad.simulate.aortic_disease import WALL_MM, AorticDisease, AorticLesions
from cad.simulate.chest_detail import ChestDetail
from cad.simulate.chest_form import LATTICE, ChestForm
from cad.simulate.fields import WHOLE, Field, Sampler, Window, axes_mm
from cad.simulate.great_vessels import GreatVessels, tubes_of
from cad.simulate.tubes import DrawnTubes, Tubes, draw_near
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
    """How full each voxel is of each kind of tube, on the part of the scan's grid that it reaches; what ails the aorta."""

    disease: AorticDisease
    aorta: DrawnTubes
    aorta_lumen: DrawnTubes
    aorta_flap: DrawnTubes
    aorta_within: DrawnTubes
    aorta_calcium: DrawnTubes
    systemic: DrawnTubes
    pulmonary: DrawnTubes
    gullet: DrawnTubes
    trees: DrawnTubes
    airway_walls: DrawnTubes
    airways: DrawnTubes
    plugs: DrawnTubes
    bullae: DrawnTubes
    bulla_walls: DrawnTubes
    plaques: DrawnTubes
    strands: DrawnTubes
    lumps: DrawnTubes
    ribs: DrawnTubes
    rib_marrow: DrawnTubes
    clavicles: DrawnTubes


def draw_canvases(grid: Grid, vessels: GreatVessels, detail: ChestDetail, extra_strands: Tubes, ailing: AorticLesions) -> Canvases:
    """All tubes of a chest on a grid."""
    aorta, pulmonary = tubes_of(vessels.aorta), tubes_of(*vessels.pulmonary)
    bronchi = Tubes.join([tubes_of(*vessels.airways), detail.airways])
    return Canvases(
        disease=ailing.disease,
        aorta=draw_near(grid, aorta),
        aorta_lumen=draw_near(grid, aorta.widened(1, -WALL_MM)),
        aorta_flap=draw_near(grid, ailing.flap),
        aorta_within=draw_near(grid, ailing.within),
        aorta_calcium=draw_near(grid, ailing.calcium),
        systemic=draw_near(grid, tubes_of(*vessels.branches, *vessels.veins[:3])),
        pulmonary=draw_near(grid, Tubes.join([pulmonary, tubes_of(*vessels.veins[3:])])),
        gullet=draw_near(grid, tubes_of(vessels.gullet)),
        trees=draw_near(grid, detail.lung_vessels),
        airway_walls=draw_near(grid, bronchi.widened(1.1, 0.45)),
        airways=draw_near(grid, bronchi),
        plugs=draw_near(grid, detail.plugs),
        bullae=draw_near(grid, detail.bullae),
        bulla_walls=draw_near(grid, detail.bullae.widened(1, 0.5)),
        plaques=draw_near(grid, detail.plaques),
        strands=draw_near(grid, Tubes.join([detail.strands, extra_strands])),
        lumps=draw_near(grid, detail.lumps),
        ribs=draw_near(grid, detail.ribs),
        rib_marrow=draw_near(grid, detail.ribs.widened(1, -2.0)),
        clavicles=draw_near(grid, detail.clavicles),
    )


class ChestPainter:
    """Paints one slice at a time: `slice(k)` gives HU (rows, columns) float32 and the lung mask (bool)."""

    def __init__(
        self,
        grid: Grid,
        form: ChestForm,
        detail: ChestDetail,
        canvases: Canvases,
        tissue: Tissue,
        rng: np.random.Generator,
        motion_mm: float = 0.0,
    ) -> None:
        self._moved = round(motion_mm / grid.spacing_mm[1])
        self._form, self._detail, self._canvases, self._tissue = form, detail, canvases, tissue
        self._sampler = Sampler(LATTICE, grid)
        x, y, self._z = axes_mm(grid)
        self._x, self._y = x.astype(np.float32)[None, :], y.astype(np.float32)[:, None]
        self._soft = np.float32(max(grid.spacing_mm[1:]))
        self._air = self._air_and_table()
        sigma = 1.3 / float(self._soft)  # the secondary lobules: a fine honeycomb a few voxels wide
        self._grain = NoiseTile.of_grain(rng, grid.shape[1:], sigma)
        self._grain_hu = np.float32(20 if sigma > 0.35 else 10)

    def slice(self, k: int) -> tuple[Field, NDArray[np.bool_]]:
        """HU and the lung mask of slice `k`."""
        thorax, blotch = self._read("thorax", k), self._read("texture", k)
        hu = self._wall(k, thorax, blotch)
        lung = np.zeros_like(hu)
        where = self._sampler.window(self._form.lung, k, 1.0)
        if where is not None:
            lung[where] = self._share(self._read("lung", k, where)) * self._septum(k)[:, where[1]]
        self._trunk(hu, k, thorax, blotch)
        if where is not None:
            self._lungs(hu, k, lung, thorax, blotch, where)
        self._bones(hu, k, thorax)
        self._tube(hu, self._tissue.muscle - 15, "lumps", k)
        self._tube(hu, 0.7 * self._tissue.cortex, "plaques", k)
        self._vessels(hu, k, 1 - lung, thorax)
        if self._moved:
            for name in ("heart", "below_diaphragm"):
                self._blur_by_motion(hu, k, name)
        return hu, lung > 0.5

    def _blur_by_motion(self, hu: Field, k: int, name: str) -> None:
        """Double contours within 15 mm of what beats or breathes: half the picture from before the move, half from after."""
        where = self._sampler.window(getattr(self._form, name), k, 15)
        if where is None:
            return
        view, step = hu[where], self._moved
        near = np.clip((15 - np.abs(self._read(name, k, where))) / 8, 0, 1) * np.float32(0.5)
        _mix(view, np.roll(view, (step, step // 2), axis=(0, 1)), near)

    def _read(self, name: str, k: int, window: Window = WHOLE) -> Field:
        return self._sampler.slice(getattr(self._form, name), k, window)

    def _window(self, name: str, k: int) -> Window | None:
        return self._sampler.window(getattr(self._form, name), k)

    def _share(self, distance: Field) -> Field:
        share = distance * (np.float32(-1) / self._soft)
        share += np.float32(0.5)
        return np.asarray(np.clip(share, 0, 1, out=share), dtype=np.float32)

    def _tube(self, hu: Field, value: float, name: str, k: int, times: Field | None = None, strength: float = 1) -> None:
        """Paints one kind of tube where it is on slice `k`, its share times `times` (on the slice) and `strength`."""
        plane = getattr(self._canvases, name).plane(k)
        if plane is None:
            return
        where, share = plane
        if times is not None:
            share *= times[where]
        _mix(hu[where], value, share if strength == 1 else share * np.float32(strength))

    def _septum(self, k: int) -> Field:
        across = np.abs(self._x - np.float32(self._form.midline_x(float(self._z[k]))))
        return np.asarray(np.clip(0.5 + (across - 1.1) / self._soft, 0, 1), dtype=np.float32)

    def _wall(self, k: int, thorax: Field, blotch: Field) -> Field:
        """Air, table, skin, fat and the muscle of the chest wall with fat between its layers."""
        tissue = self._tissue
        body = self._read("body", k)
        hu = self._air.copy()
        _mix(hu, tissue.muscle - 10, self._share(body))
        _mix(hu, tissue.fat + 8 * blotch, self._share(body + np.float32(2.2)))
        muscle = self._share(np.maximum(self._read("wall", k), body + 5))
        layers = np.float32(1.2) * np.abs(np.sin(thorax * np.float32(1 / 5.2) + blotch)) + (blotch > 1.1) * np.float32(0.6)
        layers += np.float32(0.1)
        muscle *= np.where(thorax > 14, np.clip(layers, np.float32(0.1), 1), np.float32(1))
        _mix(hu, tissue.muscle + 6 * blotch, muscle)
        return hu

    def _air_and_table(self) -> Field:
        """What every slice shows around the patient."""
        build = self._form.build
        hu = np.full((self._y.size, self._x.size), -1000, dtype=np.float32)
        top = build.half_depth + build.wall_mm + build.fat_mm + 12 - (self._x / 60) ** 2
        for depth, thick, value in ((0, 1.2, -300), (22, 2.2, 120)):
            _mix(hu, value, np.clip(0.5 - (np.abs(self._y - top - depth) - thick) / self._soft, 0, 1) * (np.abs(self._x) < 205))
        return hu

    def _trunk(self, hu: Field, k: int, thorax: Field, blotch: Field) -> None:
        """What fills the thorax outside the lungs: mediastinal fat and heart, organs below the diaphragm."""
        tissue = self._tissue
        cavity = self._share(thorax)
        _mix(hu, tissue.fat + 12 + 10 * blotch, cavity)
        below = self._window("below_diaphragm", k)
        if below is not None:
            self._abdomen(hu, k, cavity[below], blotch, below)
        self._organ(hu, k, "heart", tissue.myocardium)
        self._organ(hu, k, "chambers", 0.5 * (tissue.blood + tissue.pulmonary))

    def _organ(self, hu: Field, k: int, name: str, value: float) -> None:
        where = self._window(name, k)
        if where is not None:
            _mix(hu[where], value, self._share(self._read(name, k, where)))

    def _abdomen(self, hu: Field, k: int, cavity: Field, blotch: Field, where: Window) -> None:
        tissue = self._tissue
        below, view, spots = self._read("below_diaphragm", k, where), hu[where], blotch[where]
        _mix(view, tissue.muscle, self._share(np.abs(below + np.float32(1.5)) - 2) * cavity)
        bowel = self._share(np.maximum(4 - 4 * np.abs(spots), below + 6)) * cavity
        _mix(view, 30 + 12 * spots, bowel)
        self._organ(hu, k, "liver", tissue.liver)
        self._organ(hu, k, "spleen", tissue.spleen)
        inside = self._window("stomach", k)
        if inside is not None:
            wall, stomach = self._read("stomach", k, inside), hu[inside]
            _mix(stomach, tissue.muscle, self._share(wall))
            _mix(stomach, 20, self._share(wall + 5))
            _mix(stomach, -970, self._share(np.maximum(wall + 5, self._y[inside[0]] + 26)))

    def _lungs(self, hu: Field, k: int, lung: Field, thorax: Field, blotch: Field, where: Window) -> None:
        tissue, y = self._tissue, self._y[where[0]]
        air = tissue.lung + tissue.gravity * y / 90 + 9 * blotch[where]
        if tissue.dependent:
            back = np.clip((y - 20) / 50, 0, 1) * np.float32(tissue.dependent)
            air += back * np.exp(np.minimum(thorax[where], 0) * np.float32(0.2))
        air += self._grain.cut()[where] * self._grain_hu
        if tissue.emphysema:
            air -= tissue.emphysema * np.clip(self._read("lobules", k, where), 0, 1.5)
        air += 150 * self._fissures(k, where)
        whole = np.empty_like(hu)
        whole[where] = air
        self._tube(whole, -650, "bulla_walls", k)
        self._tube(whole, -985, "bullae", k)
        self._tube(whole, tissue.muscle - 20, "airway_walls", k, strength=0.9)
        self._tube(whole, tissue.muscle - 30, "strands", k, strength=0.8)
        self._tube(whole, tissue.pulmonary * 0.92, "trees", k)
        self._tube(whole, -985, "airways", k)
        self._tube(whole, tissue.muscle - 45, "plugs", k)
        _mix(hu[where], whole[where], lung[where])

    def _fissures(self, k: int, where: Window) -> Field:
        """How much of a fissure lies in each voxel, 0 to 1."""
        narrow = np.float32(1 / max(0.9, float(self._soft) * 0.8))
        oblique, minor = self._read("oblique", k, where), self._read("minor", k, where)
        right = (self._x[:, where[1]] < 0) & (oblique > 0)
        return np.asarray(np.exp(-((oblique * narrow) ** 2)) + right * np.exp(-((minor * narrow) ** 2)), dtype=np.float32)

    def _bones(self, hu: Field, k: int, thorax: Field) -> None:
        tissue = self._tissue
        flat = np.abs(thorax - np.float32(7.5))
        self._tube(hu, tissue.cortex, "ribs", k, self._share(flat - np.float32(4.2)))
        self._tube(hu, tissue.marrow, "rib_marrow", k, self._share(flat - np.float32(2.6)))
        self._tube(hu, tissue.cortex * 0.9, "clavicles", k)
        where = self._sampler.window(self._detail.scapula, k, 0)
        if where is not None:
            blade = self._share(self._sampler.slice(self._detail.scapula, k, where))
            _mix(hu[where], tissue.cortex, blade * self._share(np.abs(thorax[where] - 27) - np.float32(2.2)))
        self._vertebra(hu, k)

    def _vertebra(self, full: Field, k: int) -> None:
        """One level of the spine: body with end plates or disc, canal, arch and processes."""
        tissue, z = self._tissue, float(self._z[k])
        size = np.float32(1 + 0.0012 * -z * (z < 0) + 0.05)
        cy = np.float32(self._form.build.spine_y + 0.06 * z)
        rows, columns = np.flatnonzero(np.abs(self._y - cy - 22) < 52), np.flatnonzero(np.abs(self._x) < 46)
        if not len(rows) or not len(columns):
            return
        where = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
        hu, x, y = full[where], self._x[:, where[1]] / size, (self._y[where[0]] - cy) / size
        level = (z + self._detail.vertebra_phase_mm) % self._detail.vertebra_mm
        body = np.hypot(x / 17, y / np.float32(13.5)) * 14 - 14
        body = np.maximum(body, np.float32(0.8) * (9 - np.hypot(x, y - 17)))
        if level < 4.5:
            _mix(hu, 75, self._share(body))
        else:
            edge = 0.45 if min(level - 4.5, self._detail.vertebra_mm - level) < 2 else 0.0
            _mix(hu, tissue.cortex, self._share(body))
            _mix(hu, tissue.marrow + edge * tissue.cortex, self._share(body + np.float32(1.6)))
        ring = np.hypot(x, (y - 20) / np.float32(1.05))
        arch = np.abs(ring - np.float32(12.4)) - np.float32(2.4)
        spike = np.maximum(np.abs(x) - np.float32(2.4), np.abs(y - 38) - np.float32(6 + 7 * (level / 20)))
        wings = np.maximum(np.abs(y - 22 - np.float32(0.3) * np.abs(x)) - np.float32(3.2), np.abs(x) - 29) if 10 < level < 16 else spike
        shell = np.minimum(np.minimum(arch, spike), wings)
        _mix(hu, tissue.cortex * 0.7, self._share(shell))
        _mix(hu, tissue.marrow * 1.3, self._share(shell + np.float32(1.6)))
        _mix(hu, 25, self._share(ring - np.float32(9.5)))
        _mix(hu, 38, self._share(np.hypot(x, y - 20) - np.float32(5.5)))

    def _vessels(self, hu: Field, k: int, outside: Field, thorax: Field) -> None:
        """Great vessels, windpipe and gullet over everything else; the aorta last, so that its truth holds."""
        tissue = self._tissue
        self._tube(hu, tissue.muscle - 8, "gullet", k)
        self._tube(hu, 0.75 * tissue.pulmonary + 0.25 * tissue.blood, "systemic", k)
        self._tube(hu, tissue.pulmonary, "pulmonary", k)
        self._tube(hu, tissue.pulmonary * 0.92, "trees", k, outside * (thorax < -6))
        self._tube(hu, tissue.muscle, "airway_walls", k, outside)
        self._tube(hu, -985, "airways", k, outside)
        self._tube(hu, tissue.muscle, "aorta", k)
        self._tube(hu, tissue.blood, "aorta_lumen", k)
        if self._canvases.disease.inside or self._canvases.disease.plaques:
            self._ailing_aorta(hu, k)

    def _ailing_aorta(self, hu: Field, k: int) -> None:
        """A second lumen behind its flap, or thrombus, within the lumen; calcium within the wall."""
        tissue, disease = self._tissue, self._canvases.disease
        inside = tissue.muscle - 12 if disease.inside == "thrombus" else 42 + disease.filling * (tissue.blood - 42)
        lumen = self._whole("aorta_lumen", k)
        self._tube(hu, tissue.muscle, "aorta_flap", k, lumen)
        self._tube(hu, inside, "aorta_within", k, lumen)
        self._tube(hu, tissue.cortex, "aorta_calcium", k, self._whole("aorta", k))

    def _whole(self, name: str, k: int) -> Field:
        """How full of one kind of tube each pixel of slice `k` is."""
        out = np.zeros((self._y.size, self._x.size), dtype=np.float32)
        plane = getattr(self._canvases, name).plane(k)
        if plane is not None:
            out[plane[0]] = plane[1]
        return out


def _mix(hu: Field, value: float | Field, share: Field) -> None:
    """Replaces a share of each voxel by `value`."""
    change = np.asarray(value, dtype=np.float32) - hu
    change *= share
    hu += change
