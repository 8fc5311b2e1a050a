"""What a reader must know of how a study was made ready for the networks, as warnings of its report."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from cad.errors import Refusal
from cad.prepare.inputs import InputRule, NetworkInput
from cad.prepare.scanners import TISSUES, Correction, Scanners
from cad.volume import Volume


def made_ready(volume: Volume, seen: NetworkInput, rule: InputRule) -> tuple[Refusal, ...]:
    """Sequences that lack or were not used, grey values that were moved, noise that was smoothed."""
    moved = _brought(seen, rule)
    lacks = seen.lacks(rule)
    if volume.beside and not rule.sequences:
        return (*moved, Refusal("", "sequences_not_used", "this model looks at one series: those beside it were not looked at"))
    if not lacks:
        return moved
    used = ", ".join(name for name in rule.sequences if name not in lacks)
    said = f"looked through with {used}; {', '.join(lacks)} not there: the network learned to do without, and finds less (see its card)"
    return (*moved, Refusal("", "sequences_missing", said))


def _brought(seen: NetworkInput, rule: InputRule) -> tuple[Refusal, ...]:
    """What was done to a scan of another scanner before the networks saw it."""
    aligned, off, known = seen.aligned(rule), seen.correction, rule.scanners
    said = [("intensity_aligned", _moved(aligned, rule))] if aligned else []
    if off and known and off.rescaled:
        said.append(("intensity_aligned", _rescaled(off, known)))
    if off and known and off.blur_mm:
        more = f"noise of {off.read.noise_hu:.0f} HU, {known.noise_hu:.0f} at most in training"
        said.append(
            ("noise_smoothed", f"{more}: the networks saw its slices smoothed by {off.blur_mm:.2f} mm; measured is the scan as it is")
        )
    return tuple(Refusal("", reason, detail) for reason, detail in said)


def _rescaled(off: Correction, known: Scanners) -> str:
    each = zip(TISSUES, off.read.hu, known.hu, strict=True)
    read = ", ".join(f"{name} {hu:.0f} ({usual:.0f} in training)" for name, hu, usual in each if isfinite(hu))
    line = f"gain {off.gain:.3f}, water at {off.offset_hu:+.0f} HU"
    return f"its HU are off and the networks saw them corrected ({line}; {read}); measured HU are the scan's own"


def _moved(aligned: Sequence[tuple[str, float]], rule: InputRule) -> str:
    known = {one.sequence: one.tolerance for one in rule.landmarks}
    each = ", ".join(f"{name or 'the scan'} by {moved:.2f} of its window ({known[name]:.2f} in training)" for name, moved in aligned)
    return f"its grey values lie outside what the network learned from and were brought to them: {each}"
