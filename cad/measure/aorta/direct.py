"""An opinion on the aorta's diameter straight from the picture: a network reads it off cross-sections, with a doubt of its own for each.

Of the outline it takes the place and the direction of a section, nothing else, and it was taught with both wrong by some millimetres
and degrees. So a border that the outline gets wrong leaves it alone; only where the outline has lost the vessel do both fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.measure.aorta.course import RAYS
from cad.measure.aorta.estimates import DIRECT, LUMEN, Estimate, weighed
from cad.measure.aorta.sections import Section
from cad.space import FloatArray
from cad.volume import Volume

if TYPE_CHECKING:
    from cad.backends import Forward

PIXELS, PIXEL_MM = 64, 1.25
PLANES_MM = (-2.0, 0.0, 2.0)
MIDDLE_MM, SCALE_MM = 30.0, 10.0  # the network says (diameter - 30 mm) / 10 mm and the logarithm of that number's variance
LEAST_SD_MM = 0.2
SMOOTHING_SECTIONS = 2.0
BATCH = 32


@dataclass(frozen=True, slots=True)
class DirectError:
    """What the network's readings are off by, learnt on calibration scans.

    `halves` is the 95 % half width in units of the network's own standard deviation; of all diameters of a scan, the `largest` that it
    reads is too large by so many mm.
    """

    halves: float
    largest: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the model header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Back from the model header."""
        return cls(**stored)


@dataclass(frozen=True, slots=True, eq=False)
class Direct:
    """The network (a section and its two neighbours in, two numbers out), the HU that are 0 and 1 to it, and its known error."""

    network: Forward
    low: float
    high: float
    error: DirectError


def with_direct(sections: tuple[Section, ...], image: Volume, direct: Direct) -> tuple[Section, ...]:
    """Sections that were measured, beside what the network reads there: said where it is sharper than the outline and both agree."""
    seen = [i for i, s in enumerate(sections) if s.outcome == "measured"]
    if not seen:
        return sections
    diameters, spreads = read_sections([sections[i] for i in seen], image, direct)
    found = list(sections)
    for i, mm, sd in zip(seen, diameters, spreads, strict=True):
        other = Estimate(DIRECT, float(mm), direct.error.halves * float(sd))
        half = max(abs(end - found[i].area_diameter_mm) for end in found[i].interval)
        found[i] = weighed(found[i], other, sharper=found[i].source != LUMEN and other.half_mm < half)
    return tuple(found)


def read_sections(sections: list[Section], image: Volume, direct: Direct) -> tuple[FloatArray, FloatArray]:
    """Outer diameter and the network's standard deviation of it (n,), mm; each section is read from four sides, neighbours averaged."""
    centres = np.array([s.centre_mm for s in sections])
    first, second = (np.array([s.outline_mm[at] for s in sections]) - centres for at in (0, RAYS // 4))
    across = np.stack([v / np.linalg.norm(v, axis=1, keepdims=True) for v in (first, second)], axis=1)
    said = np.concatenate(
        [_said(cut_sections(image, centres[n : n + BATCH], across[n : n + BATCH], direct), direct) for n in range(0, len(centres), BATCH)]
    )
    spread = np.maximum(SCALE_MM * np.exp(0.5 * np.clip(said[:, 1], -8, 3)), LEAST_SD_MM)
    calm = ndimage.gaussian_filter1d(np.stack([MIDDLE_MM + SCALE_MM * said[:, 0], spread]), SMOOTHING_SECTIONS, mode="nearest")
    return np.maximum(calm[0], 1.0), calm[1]


def cut_sections(image: Volume, centres_mm: FloatArray, across: FloatArray, window: Direct | tuple[float, float]) -> NDArray[np.float32]:
    """(n, 3, 64, 64) in [0, 1]: planes through and beside `centres_mm` (n, 3), spanned by the vectors `across` (n, 2, 3).

    A vector longer than 1 samples that direction more coarsely. `window` gives the HU that become 0 and 1.
    """
    low, high = window if isinstance(window, tuple) else (window.low, window.high)
    steps = (np.arange(PIXELS) - (PIXELS - 1) / 2) * PIXEL_MM
    normal = np.cross(across[:, 0], across[:, 1])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    planes = centres_mm[:, None] + np.asarray(PLANES_MM)[None, :, None] * normal[:, None]
    one, other = (steps[None, :, None] * across[:, at, None] for at in (0, 1))
    points = planes[:, :, None, None] + one[:, None, :, None] + other[:, None, None]
    index = np.moveaxis(image.grid.to_index(points), -1, 0)
    values = ndimage.map_coordinates(np.asarray(image.voxels), index, order=1, mode="nearest", output=np.float32)
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), dtype=np.float32)


def _said(cuts: NDArray[np.float32], direct: Direct) -> NDArray[np.float32]:
    """The mean of four looks at each section: turned, mirrored, and both."""
    looks = (cuts, cuts[:, :, ::-1], cuts[:, ::-1, :, ::-1], np.swapaxes(cuts, 2, 3))
    return np.asarray(np.mean([direct.network(np.ascontiguousarray(look)) for look in looks], axis=0), dtype=np.float32)
