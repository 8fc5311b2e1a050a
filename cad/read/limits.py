"""From where a series is warned about and from where it is refused: every threshold is such a pair."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """(warn, refuse) pairs; between the two the volume is put right where it can be, and a warning says what was done.

    slices: fewer than this many in a volume. step_mm: usual distance of neighbouring slices. uneven: by how much the
    widest step exceeds the narrowest, as a share; in between, resampled to even steps; beyond, a gap, unless the
    slices there are thick enough to leave nothing unseen. tilt_degrees: angle between stacking and slice normal;
    sheared back in between. shift_mm: in-plane displacement off a straight line; put right in between.
    """

    slices: tuple[int, int] = (10, 3)
    step_mm: tuple[float, float] = (5.0, 20.0)
    uneven: tuple[float, float] = (0.1, 0.5)
    tilt_degrees: tuple[float, float] = (0.1, 35.0)
    shift_mm: tuple[float, float] = (0.1, 20.0)


SAME_POSITION_MM = 0.01
SAME_COSINE = 2e-3  # about a tenth of a degree: rounding in headers, not another plane
SAME_SPACING = 1e-3  # as a share
DRIFT_MM = 0.1  # positions off an even ladder by no more than this need no resampling
