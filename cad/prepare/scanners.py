"""A CT whose numbers are off, or noisier than any that a model learned from, brought to those by tissue whose HU is known.

Air, fat and muscle have the same HU in everybody, with and without contrast agent (blood and liver have not). Where a scan gives them
others than nearly all scans that a model learned from, a straight line leads from its numbers to theirs: an offset, and a gain where
air can be read. Where no line goes through what was read, nothing is done: that is no scanner that is off. Noise beyond what was learned
is smoothed in the slice plane until it is as much as that. Neither is silent (see `Correction`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from cad.prepare.noise import noise_along_rows, thinned
from cad.prepare.resample import resample
from cad.space import Grid
from cad.volume import Volume

TISSUES = ("air", "fat", "muscle")
FAMILIAR = 0.99
AIR_HU = (-1200.0, -700.0)  # of a scanner 60 HU off, or with 9 tenths of the gain, too; below lies padding
SOFT_HU = (-300.0, 300.0)
MODES_HU = (-250, 170)  # enhanced blood lies above
MODE_WIDTH_HU, APART_HU = 8.0, 60.0
FEWEST_ML, FEWEST_SCANS = 3.0, 5
WALL_MM = 3.0  # air nearer to anything else is not read
LEAST_TOLERANCE_HU = 10.0  # a scanner may be off by 7 HU in water and pass its test
MOST_BLUR_MM = 4.0
BLUR_STEPS = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """The HU that a scan gives to TISSUES (NaN where there is too little of one), and its noise (see cad.prepare.noise), in HU."""

    hu: tuple[float, ...]
    noise_hu: float


@dataclass(frozen=True, slots=True)
class Correction:
    """What a scan went through: it has `gain` * h + `offset_hu` where those learned from have h; its slices were smoothed by a Gaussian of
    `blur_mm` (standard deviation; 0: not at all)."""

    read: Reading
    gain: float = 1.0
    offset_hu: float = 0.0
    blur_mm: float = 0.0

    @property
    def rescaled(self) -> bool:
        """Whether its HU were found to be off."""
        return (self.gain, self.offset_hu) != (1.0, 0.0)

    def own(self, hu: float) -> float:
        """What this scan has where those learned from have `hu`."""
        return self.gain * hu + self.offset_hu

    def quietened(self, volume: Volume) -> Volume:
        """The scan, smoothed where that was found needed; its type of number stays."""
        if not self.blur_mm:
            return volume
        smooth = np.empty_like(volume.voxels)
        for k, plane in enumerate(volume.voxels):
            blurred = _blurred(plane, volume.grid, self.blur_mm)
            smooth[k] = np.rint(blurred) if np.issubdtype(smooth.dtype, np.integer) else blurred
        return replace(volume, voxels=smooth)


@dataclass(frozen=True, slots=True)
class Scanners:
    """What a model learned from: the mean HU of TISSUES over its scans, how far off they may lie (all but 1 % of those scans had all
    three nearer), and the noise that all but 1 % had less of."""

    hu: tuple[float, ...]
    tolerance_hu: tuple[float, ...]
    noise_hu: float

    @classmethod
    def learned(cls, scans: Sequence[Reading]) -> Scanners | None:
        """From the readings of scans that show all of TISSUES; None where fewer than FEWEST_SCANS do."""
        whole = [scan for scan in scans if np.isfinite(scan.hu).all()]
        if len(whole) < FEWEST_SCANS:
            return None
        rows = np.asarray([scan.hu for scan in whole], dtype=np.float64)
        off = np.abs(rows - rows.mean(axis=0))
        each = np.maximum(np.quantile(off, FAMILIAR, axis=0), LEAST_TOLERANCE_HU)
        together = max(1.0, float(np.quantile((off / each).max(axis=1), FAMILIAR)))
        noise = float(np.quantile([scan.noise_hu for scan in scans], FAMILIAR))
        return cls(tuple(rows.mean(axis=0).tolist()), tuple((together * each).tolist()), noise)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Scanners:
        """Back from a model's header, where tuples are lists."""
        return cls(tuple(stored["hu"]), tuple(stored["tolerance_hu"]), float(stored["noise_hu"]))

    def correction(self, volume: Volume, region: Volume, inside: NDArray[np.generic]) -> Correction | None:
        """What brings a scan to these: None where it is like them. See `reading` for the arguments."""
        blur = _blur_mm(inside, volume.grid, self.noise_hu)
        read = reading(volume, region, inside, blur)
        found = Correction(read, *self.line(read), blur)
        return found if found.rescaled or blur else None

    def line(self, read: Reading) -> tuple[float, float]:
        """Gain and offset; 1 and 0 where all that was read lies near enough, or where no line leads near it."""
        there = np.isfinite(read.hu)
        found, wanted, near = (np.asarray(values)[there] for values in (read.hu, self.hu, self.tolerance_hu))
        if there[1:].sum() == 0 or (np.abs(found - wanted) <= near).all():
            return 1.0, 0.0
        gain, offset = np.polyfit(wanted, found, 1, w=1 / near) if there[0] else (1.0, np.average(found - wanted, weights=near**-2))
        fits = (np.abs(gain * wanted + offset - found) <= near).all()
        return (float(gain), float(offset)) if fits else (1.0, 0.0)


def reading(volume: Volume, region: Volume, inside: NDArray[np.generic], blur_mm: float = 0.0) -> Reading:
    """Of a chest CT, outside the lungs `region` on their crop, smoothed by `blur_mm` where noise hides the tissue; `inside` are the scan's
    own voxels there, on which noise is measured."""
    crop = np.asarray(resample(volume, region.grid, fill=np.nan).voxels)
    crop = np.stack([_blurred(plane, region.grid, blur_mm) for plane in crop]) if blur_mm else crop
    beside = region.voxels == 0
    soft = ndimage.binary_erosion(beside & (crop > SOFT_HU[0]) & (crop < SOFT_HU[1]))
    wall = max(1, round(WALL_MM / region.grid.spacing_mm[0]))
    air = ndimage.binary_erosion(beside & (crop > AIR_HU[0]) & (crop < AIR_HU[1]), iterations=wall)
    fewest = FEWEST_ML * 1000 / region.grid.voxel_mm3
    hu = (_air(volume, region.grid, air, fewest), *_modes(crop[soft], fewest))
    return Reading(hu, noise_along_rows(_rows(inside)))


def _air(volume: Volume, grid: Grid, where: NDArray[np.bool_], fewest: float) -> float:
    """The median of the scan's own voxels, which cutting at a lowest number does not move; NaN where most are cut."""
    places = np.argwhere(where)
    if len(places) < fewest:
        return float("nan")
    index = np.rint(volume.grid.to_index(grid.to_mm(places))).astype(int).clip(0, np.subtract(volume.grid.shape, 1))
    values = volume.voxels[tuple(index.T)]
    median = float(np.median(values))
    return median if median > values.min() else float("nan")


def _modes(values: NDArray[np.float32], fewest: float) -> tuple[float, float]:
    """Fat's and muscle's HU: the two highest peaks of the histogram of soft tissue."""
    counts, _ = np.histogram(values, bins=np.arange(MODES_HU[0], MODES_HU[1] + 1))
    curve = ndimage.gaussian_filter1d(counts.astype(np.float64), MODE_WIDTH_HU)
    peaks, _ = signal.find_peaks(curve, distance=APART_HU, prominence=0.02 * float(curve.max()))
    highest = sorted(peaks, key=lambda place: -curve[place])[:2]
    if counts.sum() < fewest or len(highest) < 2:
        return float("nan"), float("nan")
    fat, muscle = (float(MODES_HU[0] + place) + 0.5 for place in sorted(highest))
    return fat, muscle


def _blur_mm(inside: NDArray[np.generic], grid: Grid, noise_hu: float) -> float:
    """The least Gaussian that leaves no more noise than this, found by halving; 0 where there is no more."""
    if noise_along_rows(_rows(inside)) <= noise_hu:
        return 0.0
    planes = [np.asarray(plane, dtype=np.float32) for plane in inside[:: max(1, len(inside) // 8)]]
    low, high = 0.0, MOST_BLUR_MM
    for _ in range(BLUR_STEPS):
        middle = (low + high) / 2
        smooth = np.stack([_blurred(plane, grid, middle) for plane in planes])
        low, high = (middle, high) if noise_along_rows(_rows(smooth)) > noise_hu else (low, middle)
    return high


def _blurred(plane: NDArray[np.generic], grid: Grid, blur_mm: float) -> NDArray[np.float32]:
    return np.asarray(ndimage.gaussian_filter(np.asarray(plane, dtype=np.float32), [blur_mm / mm for mm in grid.spacing_mm[1:]]))


def _rows(voxels: NDArray[np.generic]) -> NDArray[np.float32]:
    return np.asarray(thinned(voxels), dtype=np.float32)
