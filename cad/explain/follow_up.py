"""Follow-up hints for lung nodules: Fleischner 2017 and Lung-RADS v2022, as codes. Hints with their conditions, never advice.

Fleischner (MacMahon et al., Radiology 2017;284:228-243) is for nodules found by chance in patients from 35 years, without known
cancer or immune suppression. Lung-RADS (ACR, version 2022; Christensen et al., Chest 2024;165:738-753) is for low-dose CT in
screening. A scan does not tell which of the two a patient is under, nor the patient's risk: both are given, the reader chooses.
Not applied, for a reader to add: perifissural and juxtapleural shape, cysts, airway nodules, infection, modifiers 4X and S.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor

from cad.finding import Measurement

GROWTH_MM = 1.5  # of the mean diameter within 12 months (Lung-RADS v2022)
YEAR_DAYS = 366
STEP_DOWN_DAYS = {"4A": 80, "3": 150}  # stable at the 3 and 6 months follow-up, with some weeks of grace
SURE = 0.5
FLEISCHNER, LUNG_RADS, SIZE_CLASS = "fleischner_2017", "lung_rads_2022", "size_class"
RADS = "lung_rads_"


@dataclass(frozen=True, slots=True)
class Nodule:
    """What the guidelines ask of one nodule. Sizes are mean diameters in mm; texture as `cad.measure.density.nodule_texture`.

    `solid_mm` is the solid part of a part-solid one. `comparison` is the label of `cad.measure.growth` ("" without a prior);
    `growth_mm` what the mean diameter gained in `days`. `multiple`: whether there are other nodules.
    """

    texture: str
    mean_mm: float
    solid_mm: float | None = None
    multiple: bool = False
    comparison: str = ""
    growth_mm: float | None = None
    days: float | None = None

    @property
    def growing(self) -> bool:
        """More than 1.5 mm within 12 months; over a longer time in proportion."""
        return self.growth_mm is not None and self.days is not None and self.growth_mm > GROWTH_MM * max(1.0, self.days / YEAR_DAYS)


def follow_up(measurements: Sequence[Measurement], others: int) -> tuple[Measurement, ...]:
    """Size class, Fleischner hint and Lung-RADS category as labels, from what was measured of a nodule among `others` more.

    Nothing without a size or a texture: then every one of them is coded with the reason.
    """
    found = _nodule(measurements, others)
    count = f"{others + 1} nodule{'s' * (others > 0)} of at least {SURE:.0%} confidence counted"
    if found is None:
        why = next((m.outcome for m in measurements if m.name in ("long_axis", "texture") and m.outcome != "measured"), "missing")
        return tuple(Measurement(name, None, "", count, outcome=why) for name in (SIZE_CLASS, FLEISCHNER, LUNG_RADS))
    return (
        Measurement(SIZE_CLASS, None, "", "mean of long and short axis, to a whole mm", label=size_class(found.mean_mm)),
        Measurement(FLEISCHNER, None, "", f"MacMahon, Radiology 2017;284:228; {count}", label=fleischner(found)),
        Measurement(LUNG_RADS, None, "", "ACR Lung-RADS v2022, by size, texture and growth alone", label=RADS + lung_rads(found)),
    )


def size_class(mean_mm: float) -> str:
    """The classes of Fleischner 2017, after rounding to a whole millimetre."""
    whole = _whole(mean_mm)
    return "below_6_mm" if whole < 6 else "6_to_8_mm" if whole <= 8 else "above_8_mm"


def fleischner(nodule: Nodule) -> str:
    """The code of what Fleischner 2017 suggests."""
    if nodule.texture == "calcified":
        return "calcification_to_judge"
    small = _whole(nodule.mean_mm) < 6
    if nodule.texture == "solid":
        return _fleischner_solid(nodule, small)
    if nodule.multiple:
        return "ct_3_6m_then_2y_4y" if small else "ct_3_6m_most_suspicious"
    if small:
        return "no_follow_up"
    return "ct_6_12m_then_2y" if nodule.texture == "ground_glass" else "ct_3_6m_then_yearly"


def lung_rads(nodule: Nodule) -> str:
    """The Lung-RADS v2022 category, "1" to "4B": by size at first sight, by novelty and growth with a prior.

    A stable or smaller nodule that had 3 or 4A by its size goes down one step, as after a follow-up at 6 or 3 months.
    """
    if nodule.texture == "calcified":
        return "1"
    rule = _RULES[nodule.texture]
    if nodule.comparison == "new" or nodule.growing:
        return rule(nodule)
    category = _by_size(nodule)
    stable = nodule.comparison in ("unchanged", "shrunk") and nodule.days is not None
    if stable and (nodule.days or 0) >= STEP_DOWN_DAYS.get(category, float("inf")):
        return {"4A": "3", "3": "2"}[category]
    return category


def _fleischner_solid(nodule: Nodule, small: bool) -> str:
    if small:
        return "no_follow_up_or_12m"
    if nodule.multiple:
        return "ct_3_6m_then_18_24m"
    return "ct_6_12m_then_18_24m" if _whole(nodule.mean_mm) <= 8 else "ct_3m_pet_or_biopsy"


def _by_size(nodule: Nodule) -> str:
    """At baseline, or of an unchanged nodule."""
    size = nodule.mean_mm
    if nodule.texture == "ground_glass":
        known = nodule.comparison in ("unchanged", "shrunk", "grown")
        return "2" if size < 30 or known else "3"
    if nodule.texture == "solid":
        return _step(size, (6, "2"), (8, "3"), (15, "4A"))
    return "2" if size < 6 else _step(nodule.solid_mm or 0.0, (6, "3"), (8, "4A"))


def _changed_solid(nodule: Nodule) -> str:
    if nodule.comparison == "new":
        return _step(nodule.mean_mm, (4, "2"), (6, "3"), (8, "4A"))
    return "4A" if nodule.mean_mm < 8 else "4B"


def _changed_part_solid(nodule: Nodule) -> str:
    if nodule.comparison == "new" and nodule.mean_mm < 6:
        return "3"
    return "4A" if (nodule.solid_mm or 0.0) < 4 else "4B"


def _changed_ground_glass(nodule: Nodule) -> str:
    return "2" if nodule.mean_mm < 30 or nodule.comparison != "new" else "3"


_RULES: dict[str, Callable[[Nodule], str]] = {
    "solid": _changed_solid,
    "part_solid": _changed_part_solid,
    "ground_glass": _changed_ground_glass,
}


def _step(size: float, *steps: tuple[float, str]) -> str:
    return next((category for limit, category in steps if size < limit), "4B")


def _whole(size_mm: float) -> int:
    return floor(size_mm + 0.5)


def _nodule(measurements: Sequence[Measurement], others: int) -> Nodule | None:
    by_name = {m.name: m for m in measurements}
    long, short, texture, solid, growth, days, compared = (
        by_name.get(name)
        for name in ("long_axis", "short_axis", "texture", "solid_diameter", "mean_diameter_change", "prior_interval", "comparison")
    )
    if long is None or short is None or texture is None or long.value is None or short.value is None or not texture.label:
        return None
    return Nodule(
        texture=texture.label,
        mean_mm=(long.value + short.value) / 2,
        solid_mm=solid.value if solid else None,
        multiple=others > 0,
        comparison=compared.label if compared else "",
        growth_mm=growth.value if growth else None,
        days=days.value if days else None,
    )
