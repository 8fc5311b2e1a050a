"""Simulated nodules in real lungs: an imported scan keeps its anatomy, noise and vessels and gains lesions of known truth.

What a nodule changes is added to the scan's own voxels, after a blur as wide as the scan's, so that the noise stays the
scan's own. Shapes and densities follow LIDC-IDRI's statistics (see cad.simulate.nodules).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import erfinv

from cad.prepare.coarse import coarsen
from cad.prepare.regions import lungs_coarse
from cad.simulate.lesions import draw_lesion, mark, true_extent
from cad.simulate.nodules import Nodule, NoduleSpec, make_nodule, painted
from cad.simulate.phantom import LesionTruth, Phantom
from cad.simulate.tubes import draw_near
from cad.space import FloatArray, Grid
from cad.train.recipe import CALIBRATION_SEEDS
from cad.volume import Volume

MOST_LABELS = 255
_COARSE_MM = 2.5
_SOFT_HU, _DENSE_HU, _VESSEL_HU = 20.0, -600.0, -650.0
_USUAL_BLUR_MM = 0.5
_AROUND = 6  # coarse voxels kept around the lungs


@dataclass(frozen=True, slots=True)
class WithNodules:
    """A `Recipe.phantom` over another one: scans that are trained on gain up to `most` nodules, all others stay as they are."""

    scans: Callable[[int], Phantom]
    most: int

    def __call__(self, seed: int) -> Phantom:
        """The scan of this seed, the same nodules every time."""
        phantom = self.scans(seed)
        if seed >= CALIBRATION_SEEDS:
            return phantom
        rng = np.random.default_rng((seed, 0x1D5E))
        specs = tuple(NoduleSpec.draw(rng, size_power=0.6, rare_power=0.5) for _ in range(int(rng.integers(0, self.most + 1))))
        return insert_nodules(phantom, specs, rng)


def insert_nodules(phantom: Phantom, specs: tuple[NoduleSpec, ...], rng: np.random.Generator) -> Phantom:
    """The scan with nodules in its lungs, numbered after the lesions it has.

    A nodule without room is left out. A scan whose grid is not axial, that is no CT, or that shows no lungs comes back as it is.
    """
    lungs = _Lungs.of(phantom.volume)
    if lungs is None:
        return phantom
    grid = phantom.volume.grid
    voxels, labels = phantom.volume.voxels.astype(np.float32), phantom.lesion_labels.voxels.copy()
    lesions, blur_mm = list(phantom.lesions), edge_blur_mm(phantom.volume)
    for spec in specs:
        number = max((x.label for x in lesions), default=0) + 1
        centre = lungs.site(rng, spec, lesions)
        if centre is None or number > MOST_LABELS:
            continue
        nodule = make_nodule(rng, spec, centre, lungs.inside)
        truth = _insert(voxels, labels, number, nodule, lungs, grid, blur_mm)
        if truth is not None:
            lesions.append(truth)
    whole = np.issubdtype(phantom.volume.voxels.dtype, np.integer)
    changed = np.rint(voxels).astype(phantom.volume.voxels.dtype) if whole else voxels
    volume = Volume(changed, grid, phantom.volume.unit, phantom.volume.modality)
    return replace(phantom, volume=volume, lesion_labels=replace(phantom.lesion_labels, voxels=labels), lesions=tuple(lesions))


def edge_blur_mm(volume: Volume) -> float:
    """The in-plane point spread (Gaussian standard deviation, mm) as the skin shows it; 0.5 where too little skin is seen.

    A blurred step of height H between pixels rises by at most H * erf(pixel / (2 sqrt(2) sigma)) from one to the next; the
    median over columns that enter the body from the front, in nine slices.
    """
    row_mm, found = volume.grid.spacing_mm[1], []
    for k in np.linspace(0.3, 0.7, 9) * (volume.grid.shape[0] - 1):
        plane = volume.voxels[int(k)].astype(np.float32)
        middle = plane.shape[1] // 2
        for column in plane[:, middle - middle // 3 : middle + middle // 3].T:
            found.extend(_rises(column, row_mm))
    if len(found) < 50:
        return _USUAL_BLUR_MM
    share = float(np.clip(np.median(found), 0.2, 0.95))
    return float(row_mm / (2 * np.sqrt(2) * erfinv(share)))


def _rises(column: NDArray[np.float32], row_mm: float) -> list[float]:
    """The steepest step of the skin as a share of its height; nothing where the column has no clean skin."""
    reach = max(3, int(4 / row_mm))
    at = int(np.argmax(column > -400))
    if at < reach or at + reach >= len(column) or column[at] <= -400:
        return []
    outside, inside = float(np.median(column[at - reach : at - 1])), float(np.median(column[at + 1 : at + reach]))
    if outside > -900 or not -200 < inside < 150:
        return []
    return [float(np.diff(column[at - 3 : at + 4]).max() / (inside - outside))]


@dataclass(frozen=True, slots=True, eq=False)
class _Lungs:
    """The part of a coarse picture that holds the lungs, and the signed distance to their surface, mm, negative inside."""

    hu: NDArray[np.float32]
    grid: Grid
    distance: NDArray[np.float32]

    @classmethod
    def of(cls, volume: Volume) -> _Lungs | None:
        grid = volume.grid
        axial = np.allclose(grid.affine, Grid.axial(grid.shape, grid.spacing_mm, grid.origin_mm).affine, atol=1e-5)
        if volume.modality != "CT" or not axial:
            return None
        small = coarsen(volume, _COARSE_MM)
        whole = lungs_coarse(small)
        if not whole.any():
            return None
        at = np.argwhere(whole)
        start = np.maximum(at.min(axis=0) - _AROUND, 0)
        part = tuple(slice(a, b) for a, b in zip(start, at.max(axis=0) + 1 + _AROUND, strict=True))
        mask = whole[part]
        outside, inside = (ndimage.distance_transform_edt(m, sampling=small.spacing_mm) for m in (~mask, mask))
        half = np.float32(small.spacing_mm[1] / 2)
        signed = np.where(mask, half - inside, outside - half).astype(np.float32)
        return cls(small.voxels[part], small.grid.crop(start, mask.shape), ndimage.gaussian_filter(signed, 0.7))

    def inside(self, points_mm: FloatArray) -> FloatArray:
        """Signed distance at points (..., 3), mm."""
        index = self.grid.to_index(points_mm)
        return np.asarray(ndimage.map_coordinates(self.distance, np.moveaxis(index, -1, 0), order=1, mode="nearest"), dtype=np.float64)

    def site(self, rng: np.random.Generator, spec: NoduleSpec, taken: list[LesionTruth]) -> FloatArray | None:
        """A place of the kind that the nodule wants, clear of every lesion; None where there is none."""
        radius, depth = spec.diameter_mm / 2, self.distance
        aerated = self.hu < _DENSE_HU
        fits = {
            "pleural": (np.abs(depth + 0.7 * radius) < 2) & aerated,
            "vascular": (depth < -radius - 3) & (self.hu > _VESSEL_HU),
            "isolated": (depth < -1.25 * radius - 2) & aerated,
        }[spec.attachment]
        nodes = np.argwhere(fits)
        for node in nodes[rng.permutation(len(nodes))[:200]]:
            spot = self.grid.to_mm(node + rng.uniform(-0.5, 0.5, 3))
            if all(np.linalg.norm(spot - x.centre_mm) > 1.4 * (radius + x.diameter_mm / 2) + 6 for x in taken):
                return np.asarray(spot, dtype=np.float64)
        return None


def _insert(
    voxels: NDArray[np.float32],
    labels: NDArray[np.uint8],
    number: int,
    nodule: Nodule,
    lungs: _Lungs,
    grid: Grid,
    blur_mm: float,
) -> LesionTruth | None:
    drawn = draw_lesion(grid, nodule.shape, lungs.inside, nodule.edge_mm)
    if drawn is None:
        return None
    sigma = (0.0, blur_mm / grid.spacing_mm[1], blur_mm / grid.spacing_mm[2])
    strands = draw_near(grid, nodule.strands)
    if strands.share.size:
        view = voxels[tuple(slice(f, f + n) for f, n in zip(strands.first, strands.share.shape, strict=True))]
        ground = np.clip(0.5 - _depth(lungs, grid, strands.first, strands.share.shape), 0, 1)
        rise = np.maximum(_SOFT_HU - (view - _noise(view)), 0) * strands.share * np.float32(0.8 / 255) * ground
        view += ndimage.gaussian_filter(rise.astype(np.float32), sigma)
    view = voxels[drawn.window]
    quiet = view - _noise(view)
    view += ndimage.gaussian_filter(painted(quiet, nodule, drawn, grid.spacing_mm) - quiet, sigma)
    mark(labels, drawn, number)
    volume, centre = true_extent(nodule.shape, lungs.inside)
    x, y, z = (float(c) for c in centre)
    return LesionTruth(number, nodule.spec.kind, (x, y, z), float((6 * volume / np.pi) ** (1 / 3)), volume)


def _noise(view: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scan's noise in a window: what a median over five pixels takes away, unless it must be an edge or a vessel."""
    fine = view - ndimage.median_filter(view, (1, 5, 5))
    spread = 1.4826 * float(np.median(np.abs(fine)))
    return np.asarray(np.where(np.abs(fine) < 3 * spread, fine, 0), dtype=np.float32)


def _depth(lungs: _Lungs, grid: Grid, first: tuple[int, int, int], shape: tuple[int, ...]) -> FloatArray:
    """Signed distance to the lung's surface over a window of the grid."""
    index = np.stack(np.meshgrid(*(np.arange(f, f + n) for f, n in zip(first, shape, strict=True)), indexing="ij"), axis=-1)
    return lungs.inside(grid.to_mm(index))
