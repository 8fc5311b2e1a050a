"""Which series a task reads, as data: `Needs`, and the one judge that explains in a sentence why a series is chosen or not.

Headers only. A header's body part ranks a series and never shuts it out: it may be wrong, and the pixels decide later
(`cad.tasks.looks`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from cad.read.kernel import kernel_class
from cad.read.mr_sequence import mr_sequence
from cad.read.mr_words import plainly
from cad.study import Series
from cad.tasks.task import Suitability

CHEST_WORDS = ("chest", "thorax", "thoracic", "lung", "胸部", "肺")
HEAD_WORDS = ("head", "brain", "skull", "cranium", "頭部", "脳")
OTHER_WORDS = (
    *("abdomen", "pelvis", "liver", "kidney", "neck", "spine", "knee", "hip", "shoulder", "ankle", "foot", "wrist", "hand", "elbow"),
    *("extremity", "leg", "arm", "breast", "prostate", "uterus", "腹部", "骨盤", "頸部", "膝", "脊椎"),
)  # fmt: skip
_MAPS = frozenset({"PERFUSION", "RCBF", "RCBV", "CBF", "CBV", "MTT", "TTP", "TMAX", "IODINE", "VNC", "LOCALIZER", "SUBTRACTION", "SUB"})
_THICK_MM = 5.0
_ARTERIAL = re.compile(r"\b(arterial|art|cta|angio\w*|aorta)\b|動脈")
_LATE = re.compile(r"\b(portal|venous|pv|delayed?|late|equilibrium)\b|門脈|静脈|遅延|平衡")
_PHASES = {
    "arterial": "contrast, arterial phase",
    "yes": "with contrast",
    "late": "contrast, a late phase",
    "likely": "probably with contrast",
    "": "contrast not stated",
}


@dataclass(frozen=True, slots=True)
class Needs:
    """What a task can read. Lengths in mm; `()` and "" mean that it does not matter.

    `body` is what the pixels must show ("chest", "head"), `words` how headers name it, `thickest_mm` and `fewest_slices` the limits
    of an axial series, `oblique_mm` the thickest slices in another plane (0: axial only), `shortest_mm` the least extent along
    the stack. `kernels`, `sequences` and `contrast` are what the networks were trained on, best first; MR types in `tolerated`
    are read with a warning where nothing better is there, others are not. `says` tells what the networks were trained on; `together` that
    all of `sequences` which a study has are looked at as one, and `leading` which of them must be among them: () for any.
    """

    modality: str
    body: str
    words: tuple[str, ...]
    thickest_mm: float = 10.0
    fewest_slices: int = 8
    shortest_mm: float = 0.0
    oblique_mm: float = 0.0
    kernels: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    tolerated: tuple[str, ...] = ()
    contrast: tuple[str, ...] = ()
    says: str = ""
    together: bool = False
    leading: tuple[str, ...] = ()


def judge(series: Series, needs: Needs) -> Suitability:
    """Whether the series can serve, one sentence why, and how much it is preferred (higher first)."""
    for check in _CHECKS:
        problem = check(series, needs)
        if problem:
            return Suitability(suitable=False, reason=problem)
    return Suitability(suitable=True, reason=_praise(series, needs), preference=_preference(series, needs))


def names_body(series: Series, needs: Needs) -> str:
    """What the header says of the body part: "yes" (the wanted one), "no" (another one) or "" (nothing that is understood)."""
    part = series.body_part.lower()
    if any(word in part for word in needs.words):
        return "yes"
    others = {*CHEST_WORDS, *HEAD_WORDS, *OTHER_WORDS} - set(needs.words)
    return "no" if any(word in part for word in others) else ""


def leads(series: Series, needs: Needs) -> bool:
    """Whether the series may be looked at without another type beside it."""
    return not needs.leading or mr_sequence(series).name in needs.leading


def contrast_phase(series: Series) -> str:
    """ "arterial" or "late" where contrast was given and the description says when, else Acquisition.contrast_given."""
    given, text = series.acquisition.contrast_given, plainly(f"{series.description} {series.acquisition.protocol}")
    if given and _ARTERIAL.search(text):
        return "arterial"
    return "late" if given and _LATE.search(text) else given


def thickness_mm(series: Series) -> float | None:
    """The larger of the nominal thickness and the distance of neighbouring slices; None when neither is known."""
    return max((mm for mm in (series.slice_thickness_mm, series.slice_spacing_mm) if mm), default=None)


def _wrong_modality(series: Series, needs: Needs) -> str:
    return "" if series.modality == needs.modality else f"modality {series.modality or 'unknown'}, needs {needs.modality}"


def _not_acquired(series: Series, needs: Needs) -> str:
    del needs
    if series.reformatted:
        return "a projection or reformat (MIP, MPR) of another series, not what the scanner acquired"
    maps = {word.upper() for word in series.image_type[2:]} & _MAPS
    return f"a computed map or planning view ({', '.join(sorted(maps))}), not an acquired volume" if maps else ""


def _too_few(series: Series, needs: Needs) -> str:
    if series.slices < needs.fewest_slices:
        return f"{series.slices} slice{'s' * (series.slices != 1)}, needs at least {needs.fewest_slices}"
    extent = series.extent_mm
    if extent is not None and extent < needs.shortest_mm:
        return f"{extent:.0f} mm long, needs at least {needs.shortest_mm:g} mm"
    return ""


def _wrong_plane(series: Series, needs: Needs) -> str:
    if series.plane in {"", "axial"}:
        return ""
    if not needs.oblique_mm:
        return f"{series.plane} slices, needs axial ones"
    thick = thickness_mm(series)
    fine = thick is not None and thick <= needs.oblique_mm
    return "" if fine else f"{series.plane} slices{_of_mm(thick)}, needs axial ones or slices of at most {needs.oblique_mm:g} mm"


def _too_thick(series: Series, needs: Needs) -> str:
    thick = thickness_mm(series)
    return "" if thick is None or thick <= needs.thickest_mm else f"slices of {thick:g} mm, needs at most {needs.thickest_mm:g} mm"


def _wrong_sequence(series: Series, needs: Needs) -> str:
    if not needs.sequences:
        return ""
    found = mr_sequence(series)
    return "" if found.name in {*needs.sequences, *needs.tolerated} else f"MR type {found.name} ({found.reason}); {needs.says}"


_CHECKS: tuple[Callable[[Series, Needs], str], ...] = (_wrong_modality, _not_acquired, _too_few, _wrong_plane, _too_thick, _wrong_sequence)


def _preference(series: Series, needs: Needs) -> float:
    """Leads, body part, originality, thin enough, then MR type, contrast, thickness and kernel: a step outweighs what comes after it."""
    thick = thickness_mm(series)
    coarse = min(4.0, (thick if thick is not None else 5.0) / 2.5)
    steps = (
        float(leads(series, needs)),
        {"yes": 2.0, "": 1.0, "no": 0.0}[names_body(series, needs)],
        0.0 if series.secondary else 1.0,
        1.0 if thick is None or thick <= _THICK_MM else 0.0,
        _place(mr_sequence(series).name, needs.sequences) if needs.sequences else 0.0,
        _place(contrast_phase(series), needs.contrast),
        4.0 - coarse,
        _place(kernel_class(series.kernel), needs.kernels),
    )
    total = 0.0
    for step in steps:
        total = total * 10 + step
    return total


def _place(value: str, best_first: tuple[str, ...]) -> float:
    """How good a value is: the more the earlier it stands in the list, 0 when it is not there."""
    return float(len(best_first) - best_first.index(value)) if value in best_first else 0.0


def _praise(series: Series, needs: Needs) -> str:
    """What speaks for the series, in the order it was weighed."""
    part = series.body_part or "not named"
    said = [f"{series.plane} " if series.plane else "", f"{series.slices} slices{_of_mm(thickness_mm(series))}, body part {part}"]
    facts = ["".join(said)]
    if needs.sequences:
        found = mr_sequence(series)
        facts.append(f"MR type {found.name} ({found.reason})")
    if needs.contrast:
        facts.append(_PHASES[contrast_phase(series)])
    if needs.kernels:
        facts.append(f"{kernel_class(series.kernel) or 'unknown'} kernel")
    return ", ".join(facts)


def _of_mm(thick: float | None) -> str:
    return " of unknown thickness" if thick is None else f" of {thick:g} mm"
