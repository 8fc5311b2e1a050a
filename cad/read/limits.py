"""From where a series is warned about and from where it is refused: every threshold is such a pair."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TypeGuard

from cad.errors import ShokenError


@dataclass(frozen=True, slots=True)
class Limits:
    """(warn, refuse) pairs; between the two the volume is put right where it can be, and a warning says what was done.

    slices: fewer than this many in a volume. step_mm: usual distance of neighbouring slices. uneven: by how much the
    widest step exceeds the narrowest, as a share; in between, resampled to even steps; beyond, a gap, unless the
    slices there are thick enough to leave nothing unseen. tilt_degrees: angle between stacking and slice normal;
    sheared back in between. shift_mm: in-plane displacement off a straight line; put right in between.
    Raises ShokenError naming the limit for a pair that is none or stands the wrong way round.
    """

    slices: tuple[int, int] = (10, 3)
    step_mm: tuple[float, float] = (5.0, 20.0)
    uneven: tuple[float, float] = (0.1, 0.5)
    tilt_degrees: tuple[float, float] = (0.1, 35.0)
    shift_mm: tuple[float, float] = (0.1, 20.0)

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name))


# (lowest, highest) that makes sense: a stack steeper than 60 degrees is another plane
_RANGES = {"slices": (1, 1000), "step_mm": (0.1, 100.0), "uneven": (0.01, 10.0), "tilt_degrees": (0.01, 60.0), "shift_mm": (0.01, 200.0)}


def _check(name: str, pair: object) -> None:
    low, high = _RANGES[name]
    is_count = name == "slices"
    if not _is_pair(pair, is_count=is_count) or not all(low <= number <= high for number in pair):
        kind = "whole numbers" if is_count else "numbers"
        raise ShokenError("is not such a pair", subject=name, accepted=f"[warn, refuse], two {kind} from {low} to {high}")
    warn, refuse = pair
    if (refuse > warn) if is_count else (refuse < warn):
        order = "refuse not above warn" if is_count else "warn not above refuse"
        raise ShokenError("is refused before it is warned about", subject=name, accepted=f"[warn, refuse] with {order}")


def _is_pair(value: object, *, is_count: bool) -> TypeGuard[tuple[float, float]]:
    """Two finite numbers, of slices whole ones; True is no number here."""
    kind = int if is_count else int | float
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(isinstance(number, kind) and not isinstance(number, bool) and math.isfinite(float(number)) for number in value)
    )


USUAL = Limits()
SAME_POSITION_MM = 0.01
SAME_COSINE = 2e-3  # about a tenth of a degree: rounding in headers, not another plane
SAME_SPACING = 1e-3  # as a share
DRIFT_MM = 0.1  # positions off an even ladder by no more than this need no resampling
