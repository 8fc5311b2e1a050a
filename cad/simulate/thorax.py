"""A chest CT with everything true about it: `simulate_thorax(seed, ThoraxPlan(...))`.

Anatomy is described in millimetres (chest_form, great_vessels, chest_detail, nodules), painted at the resolution asked for
(chest_paint), then blurred and made noisy (acquisition). The same seed and plan give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cad.simulate.acquisition import Kernel, NoiseTile, blur, profiled
from cad.simulate.aortic_disease import HEALTHY, AorticDisease, AorticLesions, aortic_lesions, widened
from cad.simulate.chest_detail import ChestDetail, chest_detail
from cad.simulate.chest_form import Build, ChestForm, chest_form
from cad.simulate.chest_paint import Canvases, ChestPainter, Tissue, draw_canvases
from cad.simulate.fields import Field
from cad.simulate.great_vessels import GreatVessels, great_vessels
from cad.simulate.lesions import draw_lesion, mark, true_extent
from cad.simulate.nodules import Nodule, NoduleSpec, inside_lung, painted, place_nodules
from cad.simulate.phantom import LesionTruth, Phantom
from cad.simulate.tubes import Tubes
from cad.simulate.visits import FIRST, Visit
from cad.space import Grid, as_point
from cad.volume import Volume

_MIDDLE_Z = -42.0  # half way between the lung tops and the deepest recess


@dataclass(frozen=True, slots=True)
class ThoraxPlan:
    """What to scan and how.

    `shape` (slices, rows, columns) and `spacing_mm` (slice, row, column) set the grid, centred on the lungs up to a few mm.
    `nodules` is how many random ones, or exactly which; `masses` random ones of 30 to 90 mm come on top. `aorta_max_mm` is the widest
    outer diameter of the aorta, but for a bulge of `aorta_disease`; None draws a normal one (26 to 36 mm). `noise_hu` is the standard
    deviation of the noise.
    `size_power` and `rare_power` favour large and rare nodules where they are drawn (see NoduleSpec.draw);
    `motion_mm` is how far heart and diaphragm move while they are scanned. `visit` makes it a later scan of the same patient.
    """

    shape: tuple[int, int, int] = (110, 512, 512)
    spacing_mm: tuple[float, float, float] = (2.5, 0.7, 0.7)
    nodules: int | tuple[NoduleSpec, ...] = 2
    aorta_max_mm: float | None = None
    contrast: bool = False
    noise_hu: float = 12.0
    kernel: Kernel = "soft"
    size_power: float = 0.0
    rare_power: float = 0.0
    motion_mm: float = 0.0
    visit: Visit = FIRST
    masses: int = 0
    aorta_disease: AorticDisease = HEALTHY


@dataclass(frozen=True, slots=True, eq=False)
class _Chest:
    form: ChestForm
    vessels: GreatVessels
    ailing: AorticLesions
    detail: ChestDetail
    nodules: tuple[Nodule, ...]


def simulate_thorax(seed: int, plan: ThoraxPlan) -> Phantom:
    """A chest CT in HU (int16) with nodule labels, lung and aorta masks. A nodule without room in the scan is left out."""
    rng = np.random.default_rng((seed, 0x7A0))
    grid = _grid(rng, plan)
    chest = _chest(rng, plan, grid, np.random.default_rng((seed, 0xA07A)))
    scanner = rng
    if plan.visit.number:
        scanner = np.random.default_rng((seed, 0x7A0, plan.visit.number))
        grid = _grid(scanner, plan)
    tissue = Tissue.draw(rng, float(rng.uniform(120, 330)) if plan.contrast else 0.0)
    canvases = draw_canvases(grid, chest.vessels, chest.detail, Tubes.join(n.strands for n in chest.nodules), chest.ailing)
    painter = ChestPainter(grid, chest.form, chest.detail, canvases, tissue, rng, plan.motion_mm)
    stack, lungs = _paint(painter, grid)
    marked = _add_nodules(stack, lungs, grid, chest)
    voxels = _scan(scanner, plan.visit.lay(stack, grid, -1000.0), plan)
    return _phantom(Volume(voxels, grid), lungs, marked, canvases, chest.vessels, plan.visit)


def _grid(rng: np.random.Generator, plan: ThoraxPlan) -> Grid:
    size = (np.array(plan.shape) - 1) * plan.spacing_mm
    jitter = rng.uniform(-1, 1, 3) * (8, 8, 10)
    x, y, z = -size[2] / 2 + jitter[0], -size[1] / 2 + jitter[1], _MIDDLE_Z - size[0] / 2 + jitter[2]
    return Grid.axial(plan.shape, plan.spacing_mm, (round(float(x), 1), round(float(y), 1), round(float(z), 1)))


def _chest(rng: np.random.Generator, plan: ThoraxPlan, grid: Grid, ills: np.random.Generator) -> _Chest:
    """`ills` draws what ails the aorta, apart from the rest, so that a healthy one leaves the chest as it was."""
    build = Build.draw(rng)
    widest = plan.aorta_max_mm if plan.aorta_max_mm is not None else float(np.clip(rng.normal(31, 2.4), 26, 36))
    vessels = great_vessels(rng, build.half_width / 133, build.spine_y, widest)
    vessels = replace(vessels, aorta=widened(ills, vessels.aorta, plan.aorta_disease))
    ailing = aortic_lesions(ills, vessels.aorta, plan.aorta_disease)
    form = chest_form(rng, build, vessels)
    detail = chest_detail(rng, form, vessels)
    masses = tuple(NoduleSpec.draw_mass(rng) for _ in range(plan.masses))  # first, since they need the most room
    specs = (
        tuple(NoduleSpec.draw(rng, plan.size_power, plan.rare_power) for _ in range(plan.nodules))
        if isinstance(plan.nodules, int)
        else plan.nodules
    )
    return _Chest(form, vessels, ailing, detail, plan.visit.nodules(place_nodules(rng, form, detail, (*masses, *specs), grid.box())))


def _paint(painter: ChestPainter, grid: Grid) -> tuple[Field, NDArray[np.uint8]]:
    stack = np.empty(grid.shape, dtype=np.float32)
    lungs = np.empty(grid.shape, dtype=np.uint8)
    for k in range(grid.shape[0]):
        stack[k], lungs[k] = painter.slice(k)
    return stack, lungs


def _add_nodules(stack: Field, lungs: NDArray[np.uint8], grid: Grid, chest: _Chest) -> tuple[NDArray[np.uint8], tuple[LesionTruth, ...]]:
    labels = np.zeros(grid.shape, dtype=np.uint8)
    lesions: list[LesionTruth] = []
    for nodule in chest.nodules:
        drawn = draw_lesion(grid, nodule.shape, lambda points: inside_lung(chest.form, points), nodule.edge_mm)
        if drawn is None:
            continue
        stack[drawn.window] = painted(stack[drawn.window], nodule, drawn, grid.spacing_mm)
        number = len(lesions) + 1
        mark(labels, drawn, number)
        lungs[labels == number] = 1
        volume, centre = true_extent(nodule.shape, lambda points: inside_lung(chest.form, points))
        lesions.append(LesionTruth(number, nodule.spec.kind, as_point(centre), float((6 * volume / np.pi) ** (1 / 3)), volume))
    return labels, tuple(lesions)


def _scan(rng: np.random.Generator, stack: Field, plan: ThoraxPlan) -> NDArray[np.int16]:
    pixel = plan.spacing_mm[2]
    noise = NoiseTile.of_kernel(rng, plan.shape[1:], pixel, plan.kernel)
    voxels = np.empty(stack.shape, dtype=np.int16)
    for k in range(len(stack)):
        seen = blur(profiled(stack, k), pixel, plan.kernel)
        seen += noise.cut() * np.float32(plan.noise_hu)
        np.clip(np.rint(seen, out=seen), -1024, 3071, out=seen)
        voxels[k] = seen
    return voxels


def _phantom(
    volume: Volume,
    lungs: NDArray[np.uint8],
    marked: tuple[NDArray[np.uint8], tuple[LesionTruth, ...]],
    canvases: Canvases,
    vessels: GreatVessels,
    visit: Visit,
) -> Phantom:
    grid, (labels, lesions) = volume.grid, marked

    def mask(values: NDArray[np.uint8]) -> Volume:
        return Volume(visit.lay(values, grid, 0, order=0), grid, unit="1", modality="SEG")

    return Phantom(
        volume=volume,
        lesion_labels=mask(labels),
        lesions=tuple(replace(lesion, centre_mm=as_point(visit.where(np.asarray(lesion.centre_mm), grid))) for lesion in lesions),
        lungs=mask(lungs),
        aorta=mask((canvases.aorta.whole(grid.shape) >= 128).astype(np.uint8)),
        aorta_centreline_mm=tuple(as_point(row) for row in visit.where(vessels.aorta[:, :3], grid)),
        aorta_diameters_mm=tuple(float(2 * r) for r in vessels.aorta[:, 3]),
    )
