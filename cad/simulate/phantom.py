"""A simulated scan with everything that is true about it: Phantom, LesionTruth."""

from __future__ import annotations

from dataclasses import dataclass

from cad.space import Point
from cad.volume import Volume


@dataclass(frozen=True, slots=True)
class LesionTruth:
    """One lesion as it was made, before the scanner blurred it.

    `label` is its value in `Phantom.lesion_labels`; `kind` one of solid, part_solid, ground_glass, calcified, ring, metastasis;
    `centre_mm` is the centroid (x, y, z) in LPS; `diameter_mm` the diameter of the sphere of equal volume, so
    `volume_mm3` = pi / 6 * diameter_mm**3. Spicules and oedema are not counted.
    """

    label: int
    kind: str
    centre_mm: Point
    diameter_mm: float
    volume_mm3: float


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A scan and its truth, all volumes on one grid.

    `lesion_labels` is uint8 (0 background, n = lesion with label n); `lungs`, `aorta` (to the outer wall) and `brain` are
    uint8 masks or None where the body part has none. `aorta_diameters_mm[i]` is the true outer diameter across the vessel
    at `aorta_centreline_mm[i]` (x, y, z); the line starts at the root and may leave the scan at its far end.
    """

    volume: Volume
    lesion_labels: Volume
    lesions: tuple[LesionTruth, ...]
    lungs: Volume | None = None
    aorta: Volume | None = None
    aorta_centreline_mm: tuple[Point, ...] = ()
    aorta_diameters_mm: tuple[float, ...] = ()
    brain: Volume | None = None
