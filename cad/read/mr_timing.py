"""What TE, TR, TI and the family of an MR sequence make bright: the physicist's part of naming a series.

Ranges are those of routine brain and body protocols at 1.5 and 3 T; between them nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass

from cad.study import Acquisition, Series

SHORT_TE_MS, LONG_TE_MS = 35.0, 70.0
SHORT_TR_MS, LONG_TR_MS = 1200.0, 1800.0
FLUID_TI_MS = (1500.0, 3200.0)  # nulls cerebrospinal fluid
FAT_TI_MS = (80.0, 300.0)  # nulls fat (STIR)
WHITE_TI_MS = (300.0, 1300.0)  # parts grey from white matter: MPRAGE, T1 FLAIR
SUSCEPTIBLE_TE_MS = 12.0  # gradient echoes from here on show T2*
_SINGLE_SHOT_TE_MS = 60.0


@dataclass(frozen=True, slots=True)
class Weighting:
    """`name` is a type of cad.read.mr_sequence, or "T2*" or "EPI" where only the family is known; `said` in words."""

    name: str
    confidence: float
    said: str


def weighting(series: Series) -> Weighting | None:
    """What the timing says; None where it is missing or falls between the ranges."""
    made = series.acquisition
    if not made.echo_times_ms or made.repetition_time_ms is None:
        return None
    family = set(made.scanning_sequence)
    if "EP" in family:
        return _planar(made, "GR" in family)
    name = _inverted(made) or (_gradient(made) if "GR" in family else _spin(made, research="SE" not in family))
    return None if name is None else Weighting(name, 0.6 if "RM" in family else 0.8, _said(made))


def _planar(made: Acquisition, gradient: bool) -> Weighting:
    return Weighting("T2*" if gradient else "EPI", 0.5, _said(made))


def _inverted(made: Acquisition) -> str | None:
    """Sequences with an inversion pulse."""
    ti = made.inversion_time_ms
    if ti is None:
        return None
    te = made.echo_times_ms[0]
    if _within(ti, FLUID_TI_MS) and te >= LONG_TE_MS:
        return "FLAIR"
    if _within(ti, FAT_TI_MS) and te > 15 and "GR" not in made.scanning_sequence:
        return "other"
    return "T1" if _within(ti, WHITE_TI_MS) and te < SHORT_TE_MS else None


def _spin(made: Acquisition, research: bool) -> str | None:
    te, tr = made.echo_times_ms[0], made.repetition_time_ms or 0.0
    if len(made.echo_times_ms) > 1 and te < SHORT_TE_MS <= LONG_TE_MS <= made.echo_times_ms[-1]:
        return None  # a double echo: PD and T2 in one series
    if research and te < 10 and tr < 40:
        return _gradient(made)  # "research mode" hides the family; such a short TR is a gradient echo's
    if te >= LONG_TE_MS or (te >= _SINGLE_SHOT_TE_MS and (made.echo_train_length or 0) > 60):
        return None if "IR" in made.scanning_sequence and made.inversion_time_ms is None else "T2"
    if te <= SHORT_TE_MS and 0 < tr <= SHORT_TR_MS:
        return "T1"
    return "PD" if te <= 50 and tr >= LONG_TR_MS and "IR" not in made.scanning_sequence else None


def _gradient(made: Acquisition) -> str | None:
    te, tr, flip = made.echo_times_ms[0], made.repetition_time_ms or 0.0, made.flip_angle_deg
    if "SS" in made.sequence_variant and "SP" not in made.sequence_variant and te > 0.3 * tr:
        return "other"  # balanced steady state: T2 over T1
    if te >= SUSCEPTIBLE_TE_MS:
        return "T2*"
    if made.dimensions == "3D" and 14 < tr < 60 and te > 1.5 and (flip is None or flip >= 12) and "MP" not in made.sequence_variant:
        return None  # time of flight and older spoiled T1 share these numbers
    return "T1" if te < 10 and (flip is None or flip >= 4) else None


def _within(value: float, ends: tuple[float, float]) -> bool:
    return ends[0] <= value <= ends[1]


def _said(made: Acquisition) -> str:
    echo = " and ".join(f"{te:g}" for te in made.echo_times_ms[:3])
    ti = "" if made.inversion_time_ms is None else f", TI {made.inversion_time_ms:g}"
    family = "+".join(made.scanning_sequence) or "family not named"
    return f"{family}, TE {echo}, TR {made.repetition_time_ms:g}{ti} ms"
