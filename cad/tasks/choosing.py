"""Which series a task prefers, from headers alone; every answer is a sentence for the case report."""

from __future__ import annotations

from cad.study import Series
from cad.tasks.task import Suitability

CHEST_WORDS = ("chest", "thorax", "lung", "胸部", "肺")
HEAD_WORDS = ("head", "brain", "頭部", "脳")
OTHER_WORDS = ("abdomen", "pelvis", "head", "brain", "neck", "knee", "hip", "shoulder", "cspine", "lspine", "extremity")
THICKEST_MM = 10.0
FEWEST_SLICES = 8


def chest_ct(series: Series) -> Suitability:
    """Thin axial chest CT first; a header that names another body part is refused, a silent one is not."""
    return _suitability(series, CHEST_WORDS)


def head_mr(series: Series) -> Suitability:
    """Thin head MR first, with contrast or FLAIR preferred."""
    found = _suitability(series, HEAD_WORDS)
    words = f"{series.description} {series.sequence_name}".lower()
    bonus = 2.0 if series.contrast_agent or "t1c" in words or "gd" in words else 1.0 if "flair" in words else 0.0
    return Suitability(found.suitable, found.reason, found.preference + bonus) if found.suitable else found


def _suitability(series: Series, wanted: tuple[str, ...]) -> Suitability:
    part = series.body_part.lower()
    if part and not any(word in part for word in wanted) and any(word in part for word in OTHER_WORDS):
        return Suitability(suitable=False, reason=f"the header says body part {part}")
    if len(series.instances) < FEWEST_SLICES:
        return Suitability(suitable=False, reason=f"{len(series.instances)} slices, needs at least {FEWEST_SLICES}")
    thickness = series.slice_thickness_mm
    if thickness is not None and thickness > THICKEST_MM:
        return Suitability(suitable=False, reason=f"slices of {thickness:g} mm, needs at most {THICKEST_MM:g} mm")
    named = any(word in part for word in wanted)
    reason = f"body part {part or 'not named'}, slices of {f'{thickness:g}' if thickness is not None else 'unknown'} mm"
    return Suitability(suitable=True, reason=reason, preference=(5.0 if named else 0.0) - (thickness or 5.0))
