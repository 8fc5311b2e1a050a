"""Where along the aorta each landmark lies, as far as the curve's own geometry tells, and what is said there.

The list follows the 2022 ACC/AHA guideline for aortic disease (Isselbacher et al.), without what only branch vessels could tell:
the arch is found by its top, the ascending limb lies in front, the sinotubular junction is the waist above the root.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cad.finding import Measurement
from cad.measure.aorta.border import UNCLEAR, OutlineError
from cad.measure.aorta.estimates import AGREE, DIRECT, DISAGREE, LUMEN, OUTLINE, TOLERANCE_MM
from cad.measure.aorta.lumen import WALL_MM
from cad.measure.aorta.sections import Section
from cad.space import FloatArray

LANDMARKS = (
    "aorta_sinus",
    "aorta_sinotubular_junction",
    "aorta_ascending_max",
    "aorta_mid_ascending",
    "aorta_proximal_arch",
    "aorta_mid_arch",
    "aorta_proximal_descending",
    "aorta_mid_descending",
    "aorta_diaphragm",
    "aorta_abdominal",
    "aorta_bifurcation",
    "aorta_max",
)
SECOND = "aorta_max_second_estimate"
METHOD = "spline centreline, orthogonal section, sub-voxel outline, diameter of equal area"
METHOD_LUMEN = f"spline centreline, orthogonal section, border of enhanced blood plus two walls of {WALL_MM:g} mm (assumed), equal area"
METHOD_DIRECT = "spline centreline, orthogonal section, diameter of equal area read off it by a network"
METHODS = {OUTLINE: METHOD, LUMEN: METHOD_LUMEN, DIRECT: METHOD_DIRECT}
ROOT_MM = 25.0
WAIST_MM = 0.5
WAIST_WITHIN_MM = 40.0
ABDOMEN_MM = 30.0
BIFURCATION_MM = 100.0
WIDER = "wider_part_unclear"
Places = dict[str, int | str]


def missing(name: str, outcome: str) -> Measurement:
    """A landmark that could not be measured, and why."""
    return Measurement(name, None, "mm", METHOD, outcome=outcome)


def landmarks(
    sections: list[Section],
    top: int | None,
    diaphragm_z_mm: float | None,
    error: OutlineError | None,
    direct_largest_mm: float = 0.0,
    *,
    open_end: bool,
) -> tuple[Measurement, ...]:
    """Every landmark, then the second estimate of the largest diameter where one was made.

    `sections` run from the root end, `top` is the arch's highest or None without an arch; `open_end` says that the far end is
    the scan's edge, not the aorta's own. Where a network's outline (`error` given) gives no ascending diameter, none
    of the others is said to be the largest. `direct_largest_mm` see DirectError.
    """
    places: Places = {"aorta_max": _widest(sections, 0, len(sections))}
    places |= dict.fromkeys(LANDMARKS[:-1], "arch_not_in_scan") if top is None else _by_arch(sections, top, diaphragm_z_mm, open_end)
    found = [_at(name, sections, places[name]) for name in LANDMARKS]
    unseen_limb = next(m.outcome for m in found if m.name == "aorta_ascending_max")
    if error is not None and unseen_limb != "measured":
        return (*found[:-1], missing("aorta_max", unseen_limb))
    widest = places["aorta_max"]
    if isinstance(widest, str):
        return tuple(found)
    found[-1] = _warned(_largest(found[-1], error, direct_largest_mm), sections, widest)
    return (*found, *_second(sections[widest]))


def descending_from(sections: list[Section], top: int | None) -> int:
    """The index from which on the aorta descends; the last where no arch is seen, since what is seen may then be anything."""
    if top is None:
        return len(sections) - 1
    floor = sections[top].centre_mm[2] - 1.2 * sections[top].area_diameter_mm
    return next((i for i in range(top, len(sections)) if sections[i].centre_mm[2] < floor), len(sections) - 1)


def _largest(widest: Measurement, error: OutlineError | None, direct_mm: float) -> Measurement:
    """The largest of many noisy diameters is too large: what is left of that is taken off where outline or network alone decided.

    A scan has one largest and several others, so the outline's own half width rests on few: it is at least that of the front landmarks.
    """
    if error is None or widest.value is None or widest.interval is None or widest.label == DISAGREE:
        return widest
    if widest.method == METHOD_DIRECT:
        return replace(widest, value=widest.value - direct_mm, interval=(widest.interval[0] - direct_mm, widest.interval[1] - direct_mm))
    if widest.method != METHOD:
        return widest
    value, half = widest.value - error.largest[0], max(error.largest[1], error.front[1])
    return replace(widest, value=value, interval=(max(value - half, 0.0), value + half))


def _by_arch(sections: list[Section], top: int, diaphragm_z_mm: float | None, open_end: bool) -> Places:
    """Where each landmark lies, by index along the line, or why it has none.

    The arch is what lies within 1.2 diameters below its top; the ascending limb runs from the root end to it.
    """
    height = np.array([s.centre_mm[2] for s in sections])
    floor = height[top] - 1.2 * sections[top].area_diameter_mm
    below = np.flatnonzero(height < floor)
    rising, falling = below[below < top], below[below > top]
    found: Places = dict.fromkeys(LANDMARKS[:-1], "not_in_scan")
    found["aorta_mid_arch"] = top
    if len(rising):
        found |= _ascending(sections, int(rising[-1]))
        found["aorta_proximal_arch"] = (int(rising[-1]) + top) // 2
    if len(falling):
        found |= _descending(sections, height, int(falling[0]), diaphragm_z_mm, open_end)
    return found


def _ascending(sections: list[Section], end: int) -> Places:
    """A line that starts in an unclear part has no root of its own: the limb then begins where the border becomes clear."""
    clear = [i for i in range(end + 1) if sections[i].outcome == "measured"]
    if not clear:
        return dict.fromkeys(("aorta_sinus", "aorta_sinotubular_junction", "aorta_ascending_max", "aorta_mid_ascending"), UNCLEAR)
    root = min(_after(sections, ROOT_MM), end)
    if clear[0] > 0:
        start = max(clear[0], root)
        unclear: Places = dict.fromkeys(("aorta_sinus", "aorta_sinotubular_junction"), sections[0].outcome)
        return unclear | {"aorta_ascending_max": _widest(sections, clear[0], end + 1), "aorta_mid_ascending": (start + end) // 2}
    return {
        "aorta_sinus": _widest(sections, 0, root + 1),
        "aorta_sinotubular_junction": _waist(sections, end),
        "aorta_ascending_max": _widest(sections, root, end + 1),
        "aorta_mid_ascending": (root + end) // 2,
    }


def _waist(sections: list[Section], end: int) -> int | str:
    """The narrowest place near the root that is narrower than what lies on both its sides."""
    stop = min(_after(sections, WAIST_WITHIN_MM), end)
    width = np.array([s.area_diameter_mm for s in sections[: end + 1]])
    for i in range(1, stop):
        deep = min(width[:i].max(), width[i + 1 :].max(initial=0.0)) - width[i]
        if deep >= WAIST_MM and width[i] == width[max(0, i - 5) : i + 6].min():
            return i
    return "no_waist"


def _descending(sections: list[Section], height: FloatArray, start: int, diaphragm_z_mm: float | None, open_end: bool) -> Places:
    found: Places = {"aorta_proximal_descending": start}
    limb = height[start:]
    if diaphragm_z_mm is None:
        unknown: Places = dict.fromkeys(("aorta_diaphragm", "aorta_abdominal", "aorta_bifurcation"), "diaphragm_unknown")
        return found | unknown | {"aorta_mid_descending": start + len(limb) // 2}
    middle = (limb[0] + max(diaphragm_z_mm, float(limb.min()))) / 2
    found["aorta_mid_descending"] = start + int(np.abs(limb - middle).argmin())
    if not limb.min() <= diaphragm_z_mm <= limb.max():
        return found
    at = start + int(np.abs(limb - diaphragm_z_mm).argmin())
    return found | {"aorta_diaphragm": at} | _abdominal(sections, at, open_end)


def _abdominal(sections: list[Section], diaphragm: int, open_end: bool) -> Places:
    """The widest place below the diaphragm, and the aorta's own end where the scan reaches beyond it."""
    long = sections[-1].arc_mm - sections[diaphragm].arc_mm
    found: Places = {}
    if long >= ABDOMEN_MM:
        found["aorta_abdominal"] = _widest(sections, diaphragm, len(sections))
    if long >= BIFURCATION_MM and not open_end:
        found["aorta_bifurcation"] = len(sections) - 1
    return found


def _after(sections: list[Section], arc_mm: float) -> int:
    return int(np.searchsorted([s.arc_mm for s in sections], arc_mm))


def _widest(sections: list[Section], start: int, stop: int) -> int | str:
    """The widest measured section of a stretch, or why none of it is."""
    stretch = sections[start:stop]
    width = [s.area_diameter_mm if s.outcome == "measured" else -1.0 for s in stretch]
    return start + int(np.argmax(width)) if max(width) > 0 else stretch[0].outcome


def _warned(widest: Measurement, sections: list[Section], place: int) -> Measurement:
    """Said with the largest diameter: that a part whose border is unclear looks wider than the tolerance above it."""
    hidden = max((s.area_diameter_mm for s in sections if s.outcome != "measured"), default=0.0)
    wider = hidden > sections[place].area_diameter_mm + TOLERANCE_MM
    return replace(widest, label=WIDER) if wider and widest.label in ("", AGREE) else widest


def _second(section: Section) -> tuple[Measurement, ...]:
    """The other estimate at the widest place as a measurement of its own: the network's where it is not the one said."""
    others = sorted(section.others, key=lambda other: other[0] != DIRECT)
    if not others:
        return ()
    source, mm = others[0]
    return (Measurement(SECOND, mm, "mm", METHODS[source], position_mm=section.centre_mm, label=section.label),)


def _at(name: str, sections: list[Section], place: int | str) -> Measurement:
    if isinstance(place, str):
        return missing(name, place)
    s = sections[place]
    if s.outcome != "measured":
        return missing(name, s.outcome)
    said = Measurement(name, s.area_diameter_mm, "mm", METHODS[s.source], s.interval, position_mm=s.centre_mm, label=s.label)
    return replace(said, others=s.others)
