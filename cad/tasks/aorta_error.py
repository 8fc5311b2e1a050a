"""What the aorta network's outlines are off by: learnt on calibration scans, section by section, against the true mask.

A network that draws its border half a voxel too far out does so all along the vessel; one that has run on into the heart is wrong
there only. So the correction is learnt where the border is sharp and applied where it is, and nothing is measured elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cad.measure.aorta import LANDMARKS, METHOD_LUMEN, AortaMeasurement, OutlineError, Section, measure_aorta
from cad.measure.aorta.lumen import DISAGREE
from cad.space import FloatArray, Point
from cad.volume import Volume

WIDEST_BORDER_MM = 5.5
WALL_DOUBT_MM = 0.8  # two walls, each 1.6 mm give or take 0.4
NEAR_MM = 12.0
FRONT = LANDMARKS[: LANDMARKS.index("aorta_mid_arch") + 1]
BACK = LANDMARKS[len(FRONT) : LANDMARKS.index("aorta_max")]
SHIPPED = {
    "728afc8ad1f728446ab4be2ec951cc0df17fbb3871d58ac44992e7d1e566d59c": OutlineError(
        offset_mm=0.109,
        slope=0.361,
        widest_border_mm=WIDEST_BORDER_MM,
        front=(1.094, 4.960),
        back=(0.323, 2.662),
        largest=(1.191, 2.435),
        lumen_half_mm=1.864,
    )
}
"""By the weights' SHA-256, for a model whose header was written before sections were calibrated: aorta_ct 1, from its own 20
calibration scans, as `python benchmarks/aorta.py calibrate` prints it."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """One calibration scan: the network's `soft` outline, the `true` mask, the scan in HU, the true largest diameter in it."""

    soft: Volume
    true: Volume
    image: Volume
    widest_mm: float
    diaphragm_z_mm: float


@dataclass(frozen=True, slots=True)
class LandmarkError:
    """A landmark as said, beside the truth at its place: mm. `by_lumen` when the scan itself decided."""

    name: str
    value: float
    true_mm: float
    interval: tuple[float, float]
    by_lumen: bool
    label: str

    @property
    def error_mm(self) -> float:
        """Said minus true."""
        return self.value - self.true_mm

    @property
    def held(self) -> bool:
        """Whether the interval holds the truth."""
        return self.interval[0] <= self.true_mm <= self.interval[1]


def fit_outline_error(scans: Sequence[Calibrated]) -> OutlineError:
    """The offset over the border's width on all scans; what remains, part by part, on those where the outline alone decides.

    Half widths are split conformal: of few landmarks, the largest residual.
    """
    truths = [measure_aorta(scan.true) for scan in scans]
    border, error = _sections([measure_aorta(scan.soft).sections for scan in scans], truths)
    slope, offset = np.polyfit(border, error, 1)
    nothing = (0.0, 0.0)
    draft = OutlineError(float(offset), float(slope), WIDEST_BORDER_MM, nothing, nothing, nothing, 0.0)
    found = _all_errors(scans, truths, draft)
    front = _centred([e for e in found if e.name in FRONT])
    back = _centred([e for e in found if e.name in BACK])
    draft = replace(draft, front=front, back=back)
    largest = _centred([e for e in _all_errors(scans, truths, draft) if e.name == "aorta_max"])
    return replace(draft, largest=largest, lumen_half_mm=_conformal([abs(e.error_mm) for e in found if e.by_lumen]) + WALL_DOUBT_MM)


def _all_errors(scans: Sequence[Calibrated], truths: Sequence[AortaMeasurement], draft: OutlineError) -> list[LandmarkError]:
    return [
        e
        for scan, truth in zip(scans, truths, strict=True)
        for e in landmark_errors(
            measure_aorta(scan.soft, diaphragm_z_mm=scan.diaphragm_z_mm, error=draft, image=scan.image), truth, scan.widest_mm
        )
    ]


def _centred(errors: Sequence[LandmarkError]) -> tuple[float, float]:
    """Median error and conformal half width around it, of landmarks that the outline alone decided."""
    alone = np.array([e.error_mm for e in errors if not e.by_lumen and e.label != DISAGREE])
    if not alone.size:
        return 0.0, 0.0
    middle = float(np.median(alone))
    return middle, _conformal(np.abs(alone - middle).tolist())


def landmark_errors(measured: AortaMeasurement, true: AortaMeasurement, widest_mm: float) -> tuple[LandmarkError, ...]:
    """Every landmark that has a value beside the true diameter at its place; the largest beside the largest there is."""
    found = []
    for m in measured.measurements:
        if m.value is None or m.interval is None or m.position_mm is None:
            continue
        there = widest_mm if m.name == "aorta_max" else _true_at(m.position_mm, true.sections)
        if there is None or m.name not in LANDMARKS:
            continue
        found.append(LandmarkError(m.name, m.value, there, m.interval, m.method == METHOD_LUMEN, m.label))
    return tuple(found)


def _sections(raws: Iterable[Sequence[Section]], truths: Iterable[AortaMeasurement]) -> tuple[FloatArray, FloatArray]:
    """Border width and diameter error of every section that has a border, mm."""
    pairs = [
        (s.border_mm, s.area_diameter_mm - true)
        for raw, truth in zip(raws, truths, strict=True)
        for s in raw
        if s.border_mm <= WIDEST_BORDER_MM and (true := _true_at(s.centre_mm, truth.sections)) is not None
    ]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _true_at(place_mm: Point, true: Sequence[Section]) -> float | None:
    """The true diameter nearest to a place; None where the truth has none there."""
    away = np.linalg.norm(np.array([t.centre_mm for t in true]).reshape(-1, 3) - np.asarray(place_mm), axis=1)
    return true[int(away.argmin())].area_diameter_mm if away.size and away.min() <= NEAR_MM else None


def _conformal(values: Sequence[float]) -> float:
    """The value that 95 % of new ones stay below; the largest for fewer than 19."""
    if not values:
        return 0.0
    rank = int(np.ceil(0.95 * (len(values) + 1)))
    return float(np.sort(values)[min(rank, len(values)) - 1])
