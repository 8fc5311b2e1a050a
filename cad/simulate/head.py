"""A head MR with everything true about it: `simulate_head(seed, HeadPlan(...))`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cad.simulate.acquisition import profiled, smoothed
from cad.simulate.fields import Field, Sampler, axes_mm
from cad.simulate.head_form import LATTICE, HeadForm, head_form
from cad.simulate.lesions import DrawnLesion, LesionShape, draw_lesion, lesion_shape, mark, true_extent
from cad.simulate.phantom import LesionTruth, Phantom
from cad.simulate.tubes import draw_tubes
from cad.space import FloatArray, Grid
from cad.volume import Volume

Sequence = Literal["T1", "T1c", "T2", "FLAIR"]
SEQUENCES: tuple[Sequence, ...] = ("T1", "T1c", "T2", "FLAIR")
LesionKind = Literal["ring", "solid", "metastasis"]


@dataclass(frozen=True, slots=True)
class HeadLesionSpec:
    """A lesion to make: `diameter_mm` of the sphere of equal volume; `oedema` is its reach as a share of the radius.

    `enhancement` is how much of the usual contrast against white matter it shows in every sequence: 1 as ever, 0.3 hardly
    seen, 0 not at all.
    """

    diameter_mm: float
    kind: LesionKind = "solid"
    oedema: float = 0.6
    enhancement: float = 1.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> HeadLesionSpec:
        """A random lesion of 4 to 35 mm; small ones are metastases, large ones often rings."""
        diameter = float(4 * 8.75 ** rng.beta(1.1, 1.4))
        if diameter < 9:
            return cls(diameter, "metastasis", float(rng.uniform(0, 1.2)))
        return cls(diameter, "ring" if rng.random() < 0.55 else "solid", float(rng.uniform(0.1, 1.3)))


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """What to scan and how. `noise` and `bias` are shares of the white matter's signal."""

    shape: tuple[int, int, int] = (150, 240, 200)
    spacing_mm: tuple[float, float, float] = (1.2, 1.0, 1.0)
    lesions: int | tuple[HeadLesionSpec, ...] = 3
    sequence: Sequence = "T1c"
    noise: float = 0.03
    bias: float = 0.12


@dataclass(frozen=True, slots=True)
class _Signal:
    """Brightness of each tissue in one sequence."""

    white: float
    grey: float
    fluid: float
    fat: float
    muscle: float
    diploe: float
    vessel: float
    dura: float
    lesion: float
    necrosis: float
    oedema: float


_SIGNALS: dict[Sequence, _Signal] = {
    "T1": _Signal(620, 480, 150, 900, 400, 420, 170, 330, 420, 230, 470),
    "T1c": _Signal(620, 480, 150, 900, 400, 420, 1050, 760, 1000, 260, 470),
    "T2": _Signal(380, 520, 1150, 640, 260, 380, 70, 150, 720, 1050, 860),
    "FLAIR": _Signal(430, 540, 70, 620, 300, 300, 120, 380, 800, 420, 780),
}


def simulate_sequences(seed: int, plan: HeadPlan, sequences: tuple[Sequence, ...] = SEQUENCES) -> dict[Sequence, Phantom]:
    """One head in several sequences on one grid: the same anatomy, lesions and labels, each with noise of its own.

    `plan.sequence` does not matter. A study with missing sequences is one where some are not asked for.
    """
    head = _head(seed, plan, sequences)
    return {
        sequence: head.phantom(n, sequence, plan, np.random.default_rng((seed, 0x4015E, SEQUENCES.index(sequence))))
        for n, sequence in enumerate(sequences)
    }


def simulate_head(seed: int, plan: HeadPlan) -> Phantom:
    """A head MR (int16, arbitrary units) with lesion labels and a brain mask. A lesion without room in the scan is left out.

    The same seed gives the same anatomy and lesions in every sequence.
    """
    head = _head(seed, plan, (plan.sequence,))
    return head.phantom(0, plan.sequence, plan, head.scene.rng)


def _head(seed: int, plan: HeadPlan, sequences: tuple[Sequence, ...]) -> _Head:
    rng = np.random.default_rng((seed, 0x4EAD))
    grid = _grid(rng, plan)
    form = head_form(rng)
    signals = _varied(rng, sequences)
    stacks, brain = _paint(rng, grid, form, signals)
    scene = _Scene(rng, grid, form, signals, stacks, np.zeros(grid.shape, dtype=np.uint8))
    lesions = _add_lesions(scene, plan.lesions)
    brain[scene.labels > 0] = 1
    return _Head(scene, lesions, brain)


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    """A head painted in one or several sequences, before any scanner."""

    scene: _Scene
    lesions: tuple[LesionTruth, ...]
    brain: NDArray[np.uint8]

    def phantom(self, n: int, sequence: Sequence, plan: HeadPlan, noise: np.random.Generator) -> Phantom:
        """The scan of its n-th sequence."""
        grid = self.scene.grid
        return Phantom(
            volume=Volume(_scan(self.scene, n, plan, noise), grid, unit="1", modality="MR", sequence=sequence),
            lesion_labels=Volume(self.scene.labels, grid, unit="1", modality="SEG"),
            lesions=self.lesions,
            brain=Volume(self.brain, grid, unit="1", modality="SEG"),
        )


def _grid(rng: np.random.Generator, plan: HeadPlan) -> Grid:
    size = (np.array(plan.shape) - 1) * plan.spacing_mm
    x, y, z = (float(v) for v in np.array([-size[2] / 2, -size[1] / 2, 8 - size[0] / 2]) + rng.uniform(-4, 4, 3))
    return Grid.axial(plan.shape, plan.spacing_mm, (round(x, 1), round(y, 1), round(z, 1)))


def _varied(rng: np.random.Generator, sequences: tuple[Sequence, ...]) -> tuple[_Signal, ...]:
    """The brightness of this patient's tissues: they differ from the usual by the same factor in every sequence."""
    factors = {name: rng.normal(1, 0.06) for name in _Signal.__slots__}
    return tuple(_Signal(**{name: float(getattr(_SIGNALS[s], name) * factor) for name, factor in factors.items()}) for s in sequences)


def _together(signals: tuple[_Signal, ...]) -> _Signal:
    """The signals of several sequences as one, each number (sequences, 1, 1), so that a slice is painted in all of them at once."""
    if len(signals) == 1:
        return signals[0]
    return _Signal(*(np.array([getattr(s, name) for s in signals], np.float32)[:, None, None] for name in _Signal.__slots__))  # type: ignore[arg-type]


def _paint(rng: np.random.Generator, grid: Grid, form: HeadForm, signals: tuple[_Signal, ...]) -> tuple[Field, NDArray[np.uint8]]:
    painter = _Painter(rng, grid, form, _together(signals))
    stacks = np.empty((len(signals), *grid.shape), dtype=np.float32)
    brain = np.empty(grid.shape, dtype=np.uint8)
    for k in range(grid.shape[0]):
        stacks[:, k], brain[k] = painter.slice(k)
    return stacks, brain


class _Painter:
    """Signal of one slice at a time, before bias, blur and noise; of several sequences (sequences, rows, columns) where there are."""

    def __init__(self, rng: np.random.Generator, grid: Grid, form: HeadForm, signal: _Signal) -> None:
        self._form, self._signal = form, signal
        self._sampler = Sampler(LATTICE, grid)
        self._x = axes_mm(grid)[0].astype(np.float32)[None, :]
        self._y = axes_mm(grid)[1].astype(np.float32)[:, None]
        self._soft = np.float32(max(grid.spacing_mm[1:]))
        self._vessels = draw_tubes(grid, form.vessels)
        self._choroid = draw_tubes(grid, form.choroid)
        self._fold_reach = float(rng.uniform(16, 24))

    def slice(self, k: int) -> tuple[Field, NDArray[np.bool_]]:
        """Signal (..., rows, columns) float32 and the brain mask."""
        cover = self._read("skull", k)
        out = self._outside(k, cover)
        brain, cerebellum, ventricles = self._read("brain", k), self._read("cerebellum", k), self._read("ventricles", k)
        _mix(out, self._signal.fluid, self._share(np.maximum(cover, np.minimum(brain, cerebellum) - 4)))
        _mix(out, self._signal.dura, self._share(np.abs(cover + 0.6) - 0.5) * self._share(np.minimum(brain, cerebellum) - 8))
        self._cerebrum(out, k, brain)
        folia, behind = np.abs(self._read("folia", k)), np.clip((self._y - 22) / 10, 0, 1)
        _mix(out, self._signal.white, self._share(cerebellum))
        _mix(out, self._signal.grey, self._share(cerebellum) * np.clip((cerebellum + 17) / 4, 0, 1) * behind)
        _mix(out, self._signal.fluid, self._share(np.maximum(cerebellum, folia - 0.35)) * 0.7 * behind)
        _mix(out, self._signal.fluid, self._share(np.maximum(ventricles, brain + 12)))
        self._vascular(out, k, cover)
        inside = (np.minimum(brain, cerebellum) < 0) & (cover < 0)
        return out, inside

    def _read(self, name: str, k: int) -> Field:
        return self._sampler.slice(getattr(self._form, name), k)

    def _share(self, distance: NDArray[np.floating]) -> Field:
        return np.asarray(np.clip(0.5 - distance / self._soft, 0, 1), dtype=np.float32)

    def _outside(self, k: int, cover: Field) -> Field:
        """Scalp, skull, face and neck."""
        signal, form = self._signal, self._form
        head, texture = self._read("head", k), self._read("texture", k)
        out = np.full((*np.shape(signal.white)[:1], *head.shape), 8, dtype=np.float32)
        _mix(out, signal.muscle * 1.1, self._share(head))
        _mix(out, signal.fat * (0.8 + 0.08 * texture), self._share(head + 1.8))
        _mix(out, signal.muscle * (1 + 0.25 * texture), self._share(np.maximum(head + form.scalp_mm + 1.5, 1.0 - texture * 2)))
        bone = np.abs(cover - form.skull_mm / 2)
        _mix(out, 45, self._share(bone - form.skull_mm / 2 + 0.3))
        _mix(out, signal.diploe, self._share(bone - form.skull_mm / 2 + 2.2) * np.clip(0.75 + 0.25 * texture, 0, 1))
        _mix(out, signal.fluid * 1.2, self._share(self._read("eyes", k)))
        air = self._read("air", k)
        _mix(out, signal.lesion * 0.8, self._share(np.maximum(air - 1.5, head + 6)))
        _mix(out, 12, self._share(np.maximum(air, head + 5)))
        return out

    def _cerebrum(self, out: Field, k: int, brain: Field) -> None:
        """White matter, folded grey ribbon, deep grey nuclei, sulci and the fissure between the hemispheres."""
        signal = self._signal
        fold = np.abs(self._read("folds", k))
        midline = np.abs(self._x + 0.8 * self._read("texture", k))
        sulcus = np.maximum(fold - 0.55, -(brain + self._fold_reach))
        cleft = np.maximum(midline - 0.7, -(brain + 34))
        surface = np.minimum(np.minimum(sulcus, cleft), -brain)
        share = self._share(brain)
        _mix(out, signal.white * (1 + 0.015 * self._read("texture", k)), share)
        _mix(out, signal.grey, share * self._share(surface - 2.9))
        _mix(out, signal.grey, share * self._share(self._read("deep_grey", k)))
        _mix(out, signal.fluid, share * self._share(np.minimum(sulcus, cleft)))

    def _vascular(self, out: Field, k: int, cover: Field) -> None:
        vessels = self._vessels[k] * np.float32(1 / 255)
        _mix(out, self._signal.vessel, vessels * self._share(cover - 0.5))
        _mix(out, self._signal.vessel * 0.9, self._choroid[k] * np.float32(1 / 255))


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What lesions are painted into: the signal of each sequence and the labels, all on `grid`."""

    rng: np.random.Generator
    grid: Grid
    form: HeadForm
    signals: tuple[_Signal, ...]
    stacks: Field
    labels: NDArray[np.uint8]

    def inside(self, points_mm: FloatArray) -> FloatArray:
        """Signed distance to the brain's surface at points (n, 3), mm."""
        return np.minimum(LATTICE.at(self.form.brain, points_mm), LATTICE.at(self.form.cerebellum, points_mm))


def _add_lesions(scene: _Scene, wanted: int | tuple[HeadLesionSpec, ...]) -> tuple[LesionTruth, ...]:
    specs = tuple(HeadLesionSpec.draw(scene.rng) for _ in range(wanted)) if isinstance(wanted, int) else wanted
    lesions: list[LesionTruth] = []
    for spec, shape in _placed(scene, specs):
        drawn = draw_lesion(scene.grid, shape, scene.inside, margin_mm=_swelling(spec) + 8)
        if drawn is None:
            continue
        _draw(scene, spec, drawn)
        mark(scene.labels, drawn, len(lesions) + 1)
        volume, centre = true_extent(shape, scene.inside)
        x, y, z = (float(c) for c in centre)
        lesions.append(LesionTruth(len(lesions) + 1, spec.kind, (x, y, z), float((6 * volume / np.pi) ** (1 / 3)), volume))
    return tuple(lesions)


def _placed(scene: _Scene, specs: tuple[HeadLesionSpec, ...]) -> tuple[tuple[HeadLesionSpec, LesionShape], ...]:
    """Lesions in the brain, mostly near the border of grey and white matter, apart from each other."""
    placed: list[tuple[HeadLesionSpec, LesionShape]] = []
    for spec in specs:
        spot = _site(scene, spec.diameter_mm / 2, [shape for _, shape in placed])
        if spot is not None:
            placed.append((spec, lesion_shape(scene.rng, spot, spec.diameter_mm, scene.rng.uniform(0.03, 0.18))))
    return tuple(placed)


def _site(scene: _Scene, radius: float, taken: list[LesionShape]) -> FloatArray | None:
    form, rng, box = scene.form, scene.rng, scene.grid.box()
    nodes = LATTICE.points((np.minimum(form.brain, form.cerebellum) < -0.9 * radius - 1) & (form.ventricles > 0.6 * radius))
    if len(nodes) == 0:
        return None
    weight = np.exp(scene.inside(nodes) / 14)
    chosen = rng.choice(len(nodes), size=min(300, len(nodes)), replace=False, p=weight / weight.sum())
    for spot in nodes[chosen] + rng.uniform(-1.5, 1.5, (len(chosen), 3)):
        clear = all(np.linalg.norm(spot - s.centre_mm) > 1.3 * (radius + s.radius_mm) + 6 for s in taken)
        if clear and (spot > np.array(box.low_mm) + radius).all() and (spot < np.array(box.high_mm) - radius).all():
            return np.asarray(spot, dtype=np.float64)
    return None


def _swelling(spec: HeadLesionSpec) -> float:
    return spec.oedema * spec.diameter_mm / 2 + 2


def _draw(scene: _Scene, spec: HeadLesionSpec, drawn: DrawnLesion) -> None:
    """Paints one lesion and its oedema, which keeps to white matter."""
    from scipy.ndimage import gaussian_filter

    rng, reach = scene.rng, _swelling(spec)
    grain = gaussian_filter(rng.standard_normal(drawn.distance.shape, dtype=np.float32), [3.0 / s for s in scene.grid.spacing_mm])
    grain /= max(float(grain.std()), 1e-6)
    swollen = np.clip((reach * (1 + 0.35 * grain) - drawn.distance) / 4, 0, 1) * (drawn.distance < reach + 7)
    bright = rng.uniform(0.82, 1.1)
    wall = rng.uniform(1.6, 0.2 * spec.diameter_mm + 1.6) * (1 + 0.3 * grain) if spec.kind == "ring" else None
    for signal, stack in zip(scene.signals, scene.stacks, strict=True):
        view = stack[drawn.window]
        tissue = (view > 0.8 * min(signal.grey, signal.white)) & (view < 1.12 * max(signal.white, signal.grey))
        _mix(view, signal.oedema, swollen * tissue * 0.85)
        core = signal.lesion * bright * (1 + 0.05 * grain)
        if wall is not None:
            core = core + (signal.necrosis - core) * np.clip(0.5 - (drawn.distance + wall) / 1.2, 0, 1)
        _mix(view, core, drawn.share if spec.enhancement == 1 else drawn.share * spec.enhancement)


def _scan(scene: _Scene, n: int, plan: HeadPlan, rng: np.random.Generator) -> NDArray[np.int16]:
    """The n-th sequence with coil shading, slice profile, in-plane blur and Rician noise."""
    sampler, stack = Sampler(LATTICE, scene.grid), scene.stacks[n]
    voxels = np.empty(stack.shape, dtype=np.int16)
    sigma = plan.noise * scene.signals[n].white
    for k in range(len(stack)):
        plane = profiled(stack, k) * np.exp(np.float32(plan.bias) * sampler.slice(scene.form.bias, k))
        shaded = smoothed(plane, 0.55 / scene.grid.spacing_mm[2])
        real, other = rng.standard_normal((2, *plane.shape), dtype=np.float32) * np.float32(sigma)
        voxels[k] = np.clip(np.rint(np.hypot(shaded + real, other)), 0, 4095)
    return voxels


def _mix(signal: Field, value: NDArray[np.floating] | float, share: NDArray[np.floating]) -> None:
    signal += (value - signal) * share
