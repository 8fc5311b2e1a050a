"""Several estimates of one diameter: the sharpest is said where they agree; where they do not, none is averaged away.

Beyond the tolerance the larger stands, since a lumen may be narrowed and an outline may miss a part, the interval holds both, and the
label says so. Where they agree the interval still reaches to what each of them says: calibrated on simulated scans alone, the network
is too sure of itself on a real one, and how far the estimates lie apart is the only sign of it that a scan gives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cad.measure.aorta.sections import Section

TOLERANCE_MM = 4.0
AGREE, DISAGREE = "estimates_agree", "estimates_disagree"
OUTLINE, LUMEN, DIRECT = "outline", "lumen", "direct"


@dataclass(frozen=True, slots=True)
class Estimate:
    """An outer diameter by one way (`source`), with its 95 % half width; mm."""

    source: str
    mm: float
    half_mm: float


def weighed(section: Section, other: Estimate, *, sharper: bool) -> Section:
    """The section beside another estimate of it; `sharper` says that the other is the one to be said where both agree."""
    apart = abs(other.mm - section.area_diameter_mm) > TOLERANCE_MM
    if apart or section.label == DISAGREE:
        low, high = section.interval
        both = (min(low, other.mm - other.half_mm), max(high, other.mm + other.half_mm))
        wider = apart and other.mm > section.area_diameter_mm
        return replace(_said(section, other) if wider else _noted(section, other), label=DISAGREE, interval=both)
    return _reaching(replace(_said(section, other) if sharper else _noted(section, other), label=AGREE))


def _reaching(section: Section) -> Section:
    """The interval widened to hold every estimate's value."""
    beside = [mm for _, mm in section.others]
    low, high = section.interval
    return replace(section, interval=(min(low, *beside), max(high, *beside)))


def _noted(section: Section, other: Estimate) -> Section:
    return replace(section, others=(*section.others, (other.source, other.mm)))


def _said(section: Section, other: Estimate) -> Section:
    """The section as wide as the other estimate has it, its outline drawn in proportion."""
    scale = other.mm / section.area_diameter_mm
    return replace(
        section,
        area_diameter_mm=other.mm,
        others=(*section.others, (section.source, section.area_diameter_mm)),
        longest_mm=section.longest_mm * scale,
        shortest_mm=section.shortest_mm * scale,
        interval=(other.mm - other.half_mm, other.mm + other.half_mm),
        outline_mm=section.centre_mm + scale * (section.outline_mm - np.asarray(section.centre_mm)),
        source=other.source,
    )
