"""How wide the aorta is, at right angles to its own course, at the landmarks its geometry gives.

A spline centreline, sections orthogonal to it, a sub-voxel outline from the signed distance (or the probability) by
rays. Landmarks follow the 2022 ACC/AHA guideline's list as far as curve position alone can place them: the arch is
found by its top, the ascending limb lies in front. The outline must hold the whole aorta: of a dissected one, both
lumens. What the scan does not show, or shows cut, is a coded outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import brentq

from cad.finding import Measurement
from cad.measure.centreline import BEYOND_MM, Tube, rough_path, smoothed
from cad.measure.surface import is_binary
from cad.space import FloatArray, Grid, Point
from cad.volume import Volume

STEP_MM = 1.5
RAYS = 72
RAY_STEP_MM = 1.0
WIDEST_MM = 60.0
SMALLEST_MM3 = 2000.0
SMOOTHING_MM = 3.0
BLUR = 1.0
ARCH_DROP_MM = 15.0
LARGEST_SHARE = 0.7
LANDMARKS = (
    "aorta_sinus",
    "aorta_ascending_max",
    "aorta_mid_ascending",
    "aorta_mid_arch",
    "aorta_proximal_descending",
    "aorta_mid_descending",
    "aorta_diaphragm",
    "aorta_max",
)
METHOD = "spline centreline, orthogonal section, sub-voxel outline, diameter of equal area"


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """One section at right angles to the centreline: centre and outline (72, 3) in LPS mm, diameters in mm.

    `arc_mm` is the position along the line, from the root end where the arch is known. `interval` is the 95 % interval of
    `area_diameter_mm`.
    """

    centre_mm: Point
    arc_mm: float
    area_diameter_mm: float
    longest_mm: float
    shortest_mm: float
    interval: tuple[float, float]
    outline_mm: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class AortaMeasurement:
    """Every landmark in `measurements` (mm or coded as not measurable), all whole `sections` along the way.

    `outcome` is "measured" or why nothing could be: empty_mask, mask_too_small, fragmented, centreline_not_found, cut_off.
    """

    outcome: str
    measurements: tuple[Measurement, ...]
    sections: tuple[Section, ...] = ()
    centreline_mm: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))


def measure_aorta(aorta: Volume, *, diaphragm_z_mm: float | None = None) -> AortaMeasurement:
    """Diameters of the aorta given as a 0/1 mask or as probabilities (level 0.5). Never raises for what an image can hold.

    `diaphragm_z_mm` is the height (LPS z) of the diaphragm where known, e.g. from the lungs' lower border.
    """
    tube, problem = _tube(aorta)
    if tube is None:
        return _nothing(problem)
    course = _course(tube)
    if course is None:
        return _nothing("centreline_not_found")
    sections = _sections(tube, *course)
    if len(sections) < 3:
        return _nothing("cut_off")
    sections, top = _oriented(sections)
    return AortaMeasurement("measured", _landmarks(sections, top, diaphragm_z_mm), tuple(sections), course[0])


def _nothing(outcome: str) -> AortaMeasurement:
    return AortaMeasurement(outcome, tuple(_missing(name, outcome) for name in LANDMARKS))


def _missing(name: str, outcome: str) -> Measurement:
    return Measurement(name, None, "mm", METHOD, outcome=outcome)


def _tube(aorta: Volume) -> tuple[Tube | None, str]:
    """The tube's signed depth around its largest piece, or why there is none."""
    voxels = np.asarray(aorta.voxels)
    labels, count = ndimage.label(voxels >= 0.5)
    if count == 0:
        return None, "empty_mask"
    sizes = np.bincount(labels.ravel())[1:]
    if sizes.max() * aorta.grid.voxel_mm3 < SMALLEST_MM3:
        return None, "mask_too_small"
    if sizes.max() < LARGEST_SHARE * sizes.sum():
        return None, "fragmented"
    own = labels == int(sizes.argmax()) + 1
    return _around(voxels, own, aorta.grid), ""


def _around(voxels: NDArray[np.generic], own: NDArray[np.bool_], grid: Grid) -> Tube:
    """Crop to the piece; where it meets the scan's edge, repeat the outermost voxels outwards."""
    box = ndimage.find_objects(own.astype(np.uint8))[0]
    cut = [(s.start == 0, s.stop == n) for s, n in zip(box, own.shape, strict=True)]
    reach = [int(np.ceil(BEYOND_MM / spacing)) for spacing in grid.spacing_mm]
    window = tuple(slice(max(0, s.start - 4), s.stop + 4) for s in box)
    here = own[window]
    pads = [(r if c[0] else 4, r if c[1] else 4) for r, c in zip(reach, cut, strict=True)]
    start = [s.start - p[0] for s, p in zip(window, pads, strict=True)]
    inside = np.pad(here, pads, mode="edge")
    low = (-0.5 - start[0], -0.5 - start[1], -0.5 - start[2])
    high = tuple(n - 0.5 - s for n, s in zip(own.shape, start, strict=True))
    share, amount = _shares(voxels, inside, window, pads, grid.spacing_mm)
    depth = _placed(_depth(inside, grid.spacing_mm), share, grid.spacing_mm)
    depth -= _keeping(depth, amount, grid.spacing_mm)
    return Tube(depth, grid.crop(start, inside.shape), low, (high[0], high[1], high[2]))


def _shares(
    voxels: NDArray[np.generic],
    inside: NDArray[np.bool_],
    window: tuple[slice, ...],
    pads: list[tuple[int, int]],
    spacing: tuple[float, ...],
) -> tuple[NDArray[np.float32], float]:
    """How far each voxel belongs to the tube, and how many voxels it makes: probabilities as they are, a binary mask blurred."""
    if is_binary(voxels):
        return ndimage.gaussian_filter(inside.astype(np.float32), [BLUR * min(spacing) / s for s in spacing]), float(inside.sum())
    share = np.pad(voxels[window].astype(np.float32), pads, mode="edge")
    return share, float(share[ndimage.binary_dilation(inside, np.ones((3, 3, 3)))].sum(dtype=np.float64))


def _depth(inside: NDArray[np.bool_], spacing: tuple[float, ...]) -> NDArray[np.float32]:
    """Signed distance to the mask's wall in mm."""
    within = ndimage.distance_transform_edt(inside, sampling=spacing)
    return np.asarray(within - ndimage.distance_transform_edt(~inside, sampling=spacing), dtype=np.float32)


def _keeping(depth: NDArray[np.float32], amount: float, spacing: tuple[float, ...]) -> float:
    """The depth that encloses `amount` voxels: taken as the wall, it undoes what smoothing took from a curved surface.

    Voxels that the wall passes through count in part, over one voxel's width, so that equal slices do not make steps.
    """
    width, reach = float(np.prod(spacing)) ** (1 / 3), 2 * max(spacing)
    band = depth[np.abs(depth) <= reach].astype(np.float64)
    deep = int((depth > reach).sum())

    def excess(level: float) -> float:
        return deep + float(np.clip(0.5 + (band - level) / width, 0, 1).sum()) - amount

    if excess(-reach / 2) < 0 or excess(reach / 2) > 0:
        return 0.0
    return float(brentq(excess, -reach / 2, reach / 2, xtol=1e-3))


def _placed(depth: NDArray[np.float32], share: NDArray[np.float32], spacing: tuple[float, ...]) -> NDArray[np.float32]:
    """Near the wall the probability itself places the surface: its distance from 0.5 over its own slope."""
    slope = np.sqrt(sum(np.square(g) for g in np.gradient(share, *spacing)))
    placed = (share - 0.5) / np.maximum(slope, 1e-3)
    near = (np.abs(depth) < 1.5 * max(spacing)) & (slope > 0.02 / max(spacing))
    return np.where(near, np.clip(placed, -2 * max(spacing), 2 * max(spacing)), depth).astype(np.float32)


def _course(tube: Tube) -> tuple[FloatArray, FloatArray] | None:
    """Centreline points and tangents (n, 3): rough path, ends trimmed by their radius, twice moved to section centres."""
    path = rough_path(tube)
    if path is None:
        return None
    course = smoothed(_trimmed(tube, path, 1.2), STEP_MM, 1.0)
    for slack in (0.5, 0.3):
        if course is None:
            return None
        points, tangents = course
        rays = _rays(tube, points, *_frames(tangents))
        centred = smoothed(_trimmed(tube, points + rays.shift, 0.6), STEP_MM, slack)
        course = None if centred is None else smoothed(_extended(tube, *centred), STEP_MM, slack)
    return course


def _trimmed(tube: Tube, path: FloatArray, radii: float) -> FloatArray:
    """Without the last `radii` tube radii at each end, where a path climbs from the rim and a section may meet the end's face."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    depth = tube.sample(path)
    margin = radii * float(np.median(depth[depth > 0])) if (depth > 0).any() else 0.0
    kept = path[(arc > margin) & (arc < arc[-1] - margin)]
    return kept if len(kept) >= 8 else path


def _extended(tube: Tube, points: FloatArray, tangents: FloatArray) -> FloatArray:
    """Straight on from both ends until the tube ends."""
    before = _straight(tube, points[0], -tangents[:4].mean(axis=0))
    after = _straight(tube, points[-1], tangents[-4:].mean(axis=0))
    return np.concatenate([before[::-1], points, after])


def _straight(tube: Tube, start: FloatArray, direction: FloatArray) -> FloatArray:
    ahead = start + np.arange(1, 40)[:, None] * STEP_MM * direction / np.linalg.norm(direction)
    inside = tube.sample(ahead) > 0
    return ahead[: int(inside.argmin()) if not inside.all() else len(ahead)]


def _frames(tangents: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors (n, 3) each that span the plane at right angles to every tangent."""
    helper = np.where(np.abs(tangents[:, 2:3]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    first = np.cross(tangents, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return first, np.cross(tangents, first)


@dataclass(frozen=True, slots=True, eq=False)
class _Rays:
    """Radii (n, 72) mm, unit directions (n, 72, 3), shift of each section's centre of area (n, 3), wall slope (n,)."""

    radii: FloatArray
    directions: FloatArray
    shift: FloatArray
    closed: NDArray[np.bool_]


def _rays(tube: Tube, points: FloatArray, first: FloatArray, second: FloatArray) -> _Rays:
    """The first wall crossing along 72 rays of every section, placed between samples by the depth's slope."""
    angle = 2 * np.pi * np.arange(RAYS) / RAYS
    directions = np.cos(angle)[None, :, None] * first[:, None] + np.sin(angle)[None, :, None] * second[:, None]
    steps = np.arange(0, WIDEST_MM, RAY_STEP_MM)
    depth = tube.sample(points[:, None, None] + steps[None, None, :, None] * directions[:, :, None])
    outside = depth <= 0
    closed = outside.any(axis=2)
    index = np.clip(outside.argmax(axis=2), 1, len(steps) - 1)
    before = np.take_along_axis(depth, index[..., None] - 1, axis=2)[..., 0]
    after = np.take_along_axis(depth, index[..., None], axis=2)[..., 0]
    part = np.clip(before / np.maximum(before - after, 1e-6), 0, 1)
    radii = np.where(outside[:, :, 0] | ~closed, 0.0, steps[index - 1] + part * RAY_STEP_MM)
    area = np.maximum((radii**2).sum(axis=1), 1e-6)
    shift = (2 / 3) * ((radii**3)[..., None] * directions).sum(axis=1) / area[:, None]
    return _Rays(radii, directions, shift, np.asarray((closed & (radii > 0)).all(axis=1)))


def _sections(tube: Tube, points: FloatArray, tangents: FloatArray) -> list[Section]:
    """Every section that is closed and lies wholly in the scan, with diameters smoothed over 3 mm of the line."""
    rays = _rays(tube, points, *_frames(tangents))
    outlines = points[:, None] + rays.radii[..., None] * rays.directions
    whole = rays.closed & tube.in_scan(outlines).all(axis=1) & _clear_of_ends(rays.radii)
    if not whole.any():
        return []
    runs, _ = ndimage.label(whole)
    sizes = np.bincount(runs)
    sizes[0] = 0
    kept = np.flatnonzero(runs == sizes.argmax())
    return _measured(points[kept], outlines[kept], rays.radii[kept], min(tube.grid.spacing_mm), max(tube.grid.spacing_mm))


def _clear_of_ends(radii: FloatArray) -> NDArray[np.bool_]:
    """Sections at least half a radius from the line's ends: nearer, a slightly tilted section would meet the end's face.

    An end made by the scan's edge lies `BEYOND_MM` outside and loses nothing.
    """
    arc = STEP_MM * np.arange(len(radii))
    margin = 0.5 * float(np.median(radii))
    return np.asarray((arc >= margin) & (arc <= arc[-1] - margin))


def _measured(points: FloatArray, outlines: FloatArray, radii: FloatArray, finest: float, coarsest: float) -> list[Section]:
    smooth = _low_harmonics(radii)
    area = 2 * np.sqrt((radii**2).mean(axis=1))
    longest, shortest = _calipers(smooth)
    sigma = SMOOTHING_MM / STEP_MM / 2
    calm = ndimage.gaussian_filter1d(area, sigma, mode="nearest")
    rough = np.sqrt(ndimage.gaussian_filter1d((area - calm) ** 2, 2 * sigma, mode="nearest"))
    half = 1.96 * np.hypot(rough, 0.125 * (finest + coarsest) / 2)
    long, short = (ndimage.gaussian_filter1d(d, sigma, mode="nearest") for d in (longest, shortest))
    arc = STEP_MM * np.arange(len(points))
    return [
        Section(
            (float(points[i, 0]), float(points[i, 1]), float(points[i, 2])),
            float(arc[i]),
            float(calm[i]),
            float(long[i]),
            float(short[i]),
            (float(calm[i] - half[i]), float(calm[i] + half[i])),
            outlines[i],
        )
        for i in range(len(points))
    ]


def _low_harmonics(radii: FloatArray) -> FloatArray:
    """Radii without waves shorter than a sixth of the circumference: voxel steps are not the aorta's shape."""
    spectrum = np.fft.rfft(radii, axis=1)
    spectrum[:, 7:] = 0
    return np.asarray(np.fft.irfft(spectrum, RAYS, axis=1))


def _calipers(radii: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Largest and smallest caliper width (n,) of outlines given by radii (n, 72)."""
    angle = 2 * np.pi * np.arange(RAYS) / RAYS
    support = (radii[:, None, :] * np.cos(angle[:, None] - angle[None, :])[None]).max(axis=2)
    width = support + np.roll(support, RAYS // 2, axis=1)
    return width.max(axis=1), width.min(axis=1)


def _oriented(sections: list[Section]) -> tuple[list[Section], int | None]:
    """Sections from the root end on, and the index of the arch's top; None when there is no arch in the scan."""
    centres = np.array([s.centre_mm for s in sections])
    top = int(centres[:, 2].argmax())
    drop = min(centres[top, 2] - centres[0, 2], centres[top, 2] - centres[-1, 2])
    if drop < ARCH_DROP_MM:
        return sections, None
    level = centres[top, 2] - drop
    first = centres[:top][centres[:top, 2] >= level][:, 1].mean()
    last = centres[top:][centres[top:, 2] >= level][:, 1].mean()
    if first <= last:
        return sections, top
    total = sections[-1].arc_mm
    turned = [_moved(s, total - s.arc_mm) for s in reversed(sections)]
    return turned, len(sections) - 1 - top


def _moved(section: Section, arc_mm: float) -> Section:
    s = section
    return Section(s.centre_mm, arc_mm, s.area_diameter_mm, s.longest_mm, s.shortest_mm, s.interval, s.outline_mm)


def _landmarks(sections: list[Section], top: int | None, diaphragm_z_mm: float | None) -> tuple[Measurement, ...]:
    places: dict[str, int | str] = {"aorta_max": _widest(sections, 0, len(sections))}
    places |= dict.fromkeys(LANDMARKS[:-1], "arch_not_in_scan") if top is None else _by_arch(sections, top, diaphragm_z_mm)
    return tuple(_at(name, sections, places[name]) for name in LANDMARKS)


def _by_arch(sections: list[Section], top: int, diaphragm_z_mm: float | None) -> dict[str, int | str]:
    """Where each landmark lies, by index along the line, or why it has none.

    The arch is what lies within 1.2 diameters below its top; the ascending limb runs from the root end to it.
    """
    height = np.array([s.centre_mm[2] for s in sections])
    floor = height[top] - 1.2 * sections[top].area_diameter_mm
    below = np.flatnonzero(height < floor)
    rising, falling = below[below < top], below[below > top]
    found: dict[str, int | str] = dict.fromkeys(LANDMARKS[:-1], "not_in_scan")
    found["aorta_mid_arch"] = top
    if len(rising):
        found |= _ascending(sections, int(rising[-1]))
    if len(falling):
        found |= _descending(height, int(falling[0]), diaphragm_z_mm)
    return found


def _ascending(sections: list[Section], end: int) -> dict[str, int | str]:
    root = int(np.searchsorted([s.arc_mm for s in sections], 25.0))
    return {
        "aorta_sinus": _widest(sections, 0, min(root, end) + 1),
        "aorta_ascending_max": _widest(sections, min(root, end), end + 1),
        "aorta_mid_ascending": (min(root, end) + end) // 2,
    }


def _descending(height: FloatArray, start: int, diaphragm_z_mm: float | None) -> dict[str, int | str]:
    found: dict[str, int | str] = {"aorta_proximal_descending": start, "aorta_diaphragm": "diaphragm_unknown"}
    limb = height[start:]
    if diaphragm_z_mm is None:
        return {**found, "aorta_mid_descending": start + len(limb) // 2}
    reached = bool(limb.min() <= diaphragm_z_mm <= limb.max())
    found["aorta_diaphragm"] = start + int(np.abs(limb - diaphragm_z_mm).argmin()) if reached else "not_in_scan"
    middle = (limb[0] + max(diaphragm_z_mm, float(limb.min()))) / 2
    return {**found, "aorta_mid_descending": start + int(np.abs(limb - middle).argmin())}


def _widest(sections: list[Section], start: int, stop: int) -> int:
    return start + int(np.argmax([s.area_diameter_mm for s in sections[start:stop]]))


def _at(name: str, sections: list[Section], place: int | str) -> Measurement:
    if isinstance(place, str):
        return _missing(name, place)
    s = sections[place]
    return Measurement(name, s.area_diameter_mm, "mm", METHOD, s.interval, position_mm=s.centre_mm)
