"""Volumes whose body part is known: simulated chests and heads, analytic trunks and limbs, each seen in several ways."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice

import numpy as np
import phantoms
from scipy import ndimage

from cad.simulate.head import HeadPlan, simulate_head
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.space import Grid
from cad.volume import Volume

LONG = 2000


@cache
def chest(seed: int, dz: float = 5.0) -> Volume:
    """A simulated chest CT of 280 mm, 2.4 mm pixels."""
    return simulate_thorax(seed, ThoraxPlan(shape=(round(280 / dz), 125, 146), spacing_mm=(dz, 2.4, 2.4), nodules=0)).volume


@cache
def head_mr(seed: int, dz: float = 3.0) -> Volume:
    """A simulated head MR, T1c or FLAIR by turns."""
    plan = HeadPlan(shape=(round(180 / dz), 120, 100), spacing_mm=(dz, 2, 2), lesions=1, sequence=("T1c", "FLAIR")[seed % 2])
    return simulate_head(seed, plan).volume


@cache
def head_ct(seed: int) -> Volume:
    """The simulated head as CT: bone 2 to 9 mm around its brain, soft tissue outside."""
    phantom = simulate_head(seed, HeadPlan(shape=(60, 120, 100), spacing_mm=(3, 2, 2), lesions=0))
    assert phantom.brain is not None
    grid, brain = phantom.volume.grid, phantom.brain.voxels > 0
    away = ndimage.distance_transform_edt(~brain, sampling=grid.spacing_mm)
    tissue = ndimage.gaussian_filter(phantom.volume.voxels.astype(np.float32), 1) > 150
    hu = np.where(tissue | (away < 16), 20.0, -1000.0)
    hu[brain], hu[(away > 2) & (away < 9)] = 35.0, 900.0
    noise = np.random.default_rng(seed).normal(0, 8, grid.shape)
    return Volume(np.rint(hu + noise).astype(np.int16), grid)


def abdomen(lung_bases: bool = False) -> Volume:
    """A trunk with liver, spine and thin ribs; on demand the lowest 70 mm of the lungs at its top."""
    things = [
        (phantoms.ellipsoid((0, 0, 0), (360, 250, LONG)), 30.0),
        (phantoms.ellipsoid((-80, 0, 20), (160, 170, 180)), 60.0),
        (phantoms.tube([(0, 80, -300), (0, 80, 300)], 40), 350.0),
        (phantoms.ellipsoid((40, -60, -30), (50, 40, 60)), -990.0),
    ]
    if lung_bases:
        things += [(phantoms.ellipsoid((x, 10, 170), (120, 160, 200)), -850.0) for x in (-85, 85)]
    return _ct(things, (60, 66, 94), (5, 4, 4))


def colonography() -> Volume:
    """A trunk with two litres of gas in a wide colon and no lung."""
    loops = [[(-120, 0, -120), (-120, 0, 90)], [(-100, -60, 90), (100, -60, 90)], [(120, 0, 90), (120, 0, -120)]]
    things = [(phantoms.ellipsoid((0, 0, 0), (380, 260, LONG)), 30.0), (phantoms.tube([(0, 80, -300), (0, 80, 300)], 40), 350.0)]
    return _ct([*things, *((phantoms.tube(loop, 62), -1000.0) for loop in loops)], (60, 68, 98), (5, 4, 4))


def pelvis() -> Volume:
    """A trunk between two broad iliac bones."""
    things = [(phantoms.ellipsoid((0, 0, 0), (370, 240, LONG)), 20.0), (phantoms.ellipsoid((0, 70, 0), (100, 50, LONG)), 400.0)]
    things += [(phantoms.box((low, -20, -300), (low + 30, 70, 300)), 450.0) for low in (-130, 100)]
    return _ct(things, (50, 64, 96), (5, 4, 4))


def neck() -> Volume:
    """A narrow section with a spine behind and an airway of 18 mm in front of it."""
    things = [
        (phantoms.ellipsoid((0, 0, 0), (150, 150, LONG)), 40.0),
        (phantoms.tube([(0, 35, -300), (0, 35, 300)], 35), 400.0),
        (phantoms.tube([(0, -20, -300), (0, -20, 300)], 20), -1000.0),
    ]
    return _ct(things, (40, 60, 60), (3, 3, 3))


def thighs() -> Volume:
    """Two limbs, each with a shaft of bone."""
    things = []
    for x in (-85, 85):
        things += [(phantoms.ellipsoid((x, 0, 0), (140, 150, LONG)), 50.0), (phantoms.tube([(x, 0, -300), (x, 0, 300)], 34), 900.0)]
    return _ct(things, (40, 50, 90), (5, 4, 4))


def knee_mr() -> Volume:
    """A limb as wide as a head: fat, muscle, marrow in a dark cortex."""
    things = [
        (phantoms.tube([(0, 0, -300), (0, 0, 300)], 150), 700.0),
        (phantoms.tube([(0, 0, -300), (0, 0, 300)], 130), 300.0),
        (phantoms.tube([(0, -15, -300), (0, -15, 300)], 56), 40.0),
        (phantoms.tube([(0, -15, -300), (0, -15, 300)], 48), 650.0),
    ]
    return _mr(things, (40, 60, 60), (4, 3, 3))


def belly_mr() -> Volume:
    """A trunk with a liver."""
    things = [(phantoms.ellipsoid((0, 0, 0), (350, 240, LONG)), 350.0), (phantoms.ellipsoid((-80, 0, 0), (160, 170, 300)), 500.0)]
    return _mr(things, (30, 66, 94), (6, 4, 4))


def noise(modality: str) -> Volume:
    """No anatomy."""
    rng = np.random.default_rng(3)
    voxels = rng.normal(0, 500, (40, 60, 60)) if modality == "CT" else np.abs(rng.normal(0, 200, (40, 60, 60)))
    return Volume(voxels.astype(np.int16), Grid.axial((40, 60, 60), (4, 4, 4)), "HU" if modality == "CT" else "a.u.", modality)


def part(volume: Volume, low: float, high: float, axis: int = 0) -> Volume:
    """The share from `low` to `high` along an axis."""
    n = volume.grid.shape[axis]
    start, stop = [0, 0, 0], list(volume.grid.shape)
    start[axis], stop[axis] = round(low * n), round(high * n)
    shape = [b - a for a, b in zip(start, stop, strict=True)]
    window = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    return Volume(np.ascontiguousarray(volume.voxels[window]), volume.grid.crop(start, shape), volume.unit, volume.modality)


def turned(volume: Volume, order: tuple[int, int, int]) -> Volume:
    """The same voxels stored with other axes first and the first one running backwards."""
    affine = volume.grid.affine[:, [*order, 3]].copy()
    affine[:3, 3] += affine[:3, 0] * (volume.grid.shape[order[0]] - 1)
    affine[:3, 0] *= -1
    voxels = np.ascontiguousarray(np.flip(volume.voxels.transpose(order), 0))
    return Volume(voxels, Grid(voxels.shape, affine), volume.unit, volume.modality)


def thick(volume: Volume, mm: float) -> Volume:
    """Neighbouring slices averaged to about `mm`."""
    n = max(1, round(mm / volume.grid.spacing_mm[0]))
    count = volume.grid.shape[0] // n
    voxels = volume.voxels[: count * n].reshape(count, n, *volume.grid.shape[1:]).mean(axis=1)
    affine = volume.grid.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (n - 1) / 2
    affine[:3, 0] *= n
    return Volume(voxels.astype(volume.voxels.dtype), Grid(voxels.shape, affine), volume.unit, volume.modality)


def views(volume: Volume) -> Iterator[tuple[str, Volume]]:
    """As it is, stored coronally and sagittally, and in slices of 10 mm."""
    yield "as it is", volume
    yield "coronal", turned(volume, (1, 0, 2))
    yield "sagittal", turned(volume, (2, 0, 1))
    yield "thick", thick(volume, 10)


def known(seeds: tuple[int, ...] = (1, 2)) -> Iterator[tuple[str, str, Volume]]:
    """(truth, what, volume) of everything that can be made without real data."""
    for seed in seeds:
        for part_name, one in (("chest", chest(seed)), ("head", head_ct(seed)), ("head", head_mr(seed))):
            for view, seen in views(one):
                yield part_name, f"{one.modality} {part_name} {seed}, {view}", seen
    trunks = (("abdomen", abdomen()), ("abdomen", abdomen(lung_bases=True)), ("abdomen", colonography()), ("pelvis", pelvis()))
    limbs = (("neck", neck()), ("extremity", thighs()), ("other", noise("CT")))
    for part_name, one in (*trunks, *limbs, ("other", knee_mr()), ("body", belly_mr()), ("other", noise("MR"))):
        for view, seen in islice(views(one), 2):
            yield part_name, f"{one.modality} {part_name}, {view}", seen


def _ct(things: list[tuple[phantoms.Shape, float]], shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Volume:
    grid = _grid(shape, spacing)
    voxels = phantoms.paint(grid, things, -1000.0) + np.random.default_rng(1).normal(0, 10, shape)
    return Volume(np.rint(voxels).astype(np.int16), grid)


def _mr(things: list[tuple[phantoms.Shape, float]], shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Volume:
    grid = _grid(shape, spacing)
    voxels = phantoms.paint(grid, things, 10.0) + np.random.default_rng(1).normal(0, 12, shape)
    return Volume(np.abs(voxels).astype(np.float32), grid, "a.u.", "MR")


def _grid(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Grid:
    origin = [-(n - 1) / 2 * s for n, s in zip(reversed(shape), reversed(spacing), strict=True)]
    return Grid.axial(shape, spacing, origin)
