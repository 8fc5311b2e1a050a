"""What the report's names are called in coding schemes: SNOMED CT, RadLex, DICOM, IBSI, UCUM; 99SHOKEN for what none of them names.

Codes of SNOMED CT, DICOM, IBSI and UCUM come from pydicom's copy of PS3.16, so that a misspelt one is an AttributeError and not
a wrong concept; the RadLex ones of nodule texture are those of the DICOM version of LIDC-IDRI (Fedorov et al., 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

SCHEME = "99SHOKEN"
_SCT, _DCM, _IBSI, _UCUM = codes.SCT, codes.DCM, codes.IBSI, codes.UCUM


@dataclass(frozen=True, slots=True)
class Concept:
    """What is measured, and which value of it is given (`derivation`: mean, maximum, ...)."""

    name: Code
    derivation: Code | None = None


@dataclass(frozen=True, slots=True)
class Meant:
    """What kind of thing a finding or structure is, and the organ it is in."""

    category: Code
    type: Code
    site: Code | None = None


def private(value: str, meaning: str = "") -> Code:
    """A code of our own: the report's name itself, in words where no meaning is given."""
    return Code(value, SCHEME, (meaning or value.replace("_", " "))[:64])


KINDS: Mapping[str, Meant] = {
    "lung_nodule": Meant(_SCT.MorphologicallyAbnormalStructure, _SCT.Nodule, _SCT.Lung),
    "brain_lesion": Meant(_SCT.MorphologicallyAbnormalStructure, _SCT.Lesion, _SCT.Brain),
    "aortic_dilatation": Meant(_SCT.MorphologicallyAbnormalStructure, _SCT.Dilatation, _SCT.Aorta),
}
STRUCTURES: Mapping[str, Meant] = {"aorta_ct": Meant(_SCT.AnatomicalStructure, _SCT.Aorta, _SCT.Aorta)}

_HU = _DCM.AttenuationCoefficient
MEASURES: Mapping[str, Concept] = {
    "long_axis": Concept(_SCT.LongAxis),
    "short_axis": Concept(_SCT.ShortAxis),
    "volume": Concept(_SCT.Volume),
    "longest_diameter_3d": Concept(_IBSI.Maximum3DDiameterOfAMesh),
    "sphericity": Concept(_IBSI.Sphericity),
    "mean_hu": Concept(_HU, _SCT.Mean),
    "sd_hu": Concept(_HU, _SCT.StandardDeviation),
    "median_hu": Concept(_HU, _SCT.Median),
}
AORTA = "aorta_"
DIAMETER = Concept(_SCT.Diameter)
WIDEST = Concept(_SCT.Diameter, _SCT.Maximum)
AORTA_SITES: Mapping[str, Code] = {
    "aorta_sinus": _SCT.StructureSinusOfValsalva,
    "aorta_sinotubular_junction": _SCT.AorticSinotubularJunction,
    "aorta_ascending_max": _SCT.AscendingAorta,
    "aorta_mid_ascending": _SCT.AscendingAorta,
    "aorta_proximal_arch": _SCT.AorticArch,
    "aorta_mid_arch": _SCT.AorticArch,
    "aorta_proximal_descending": _SCT.DescendingAorta,
    "aorta_mid_descending": _SCT.DescendingAorta,
    "aorta_diaphragm": _SCT.DescendingAorta,
    "aorta_abdominal": _SCT.AbdominalAorta,
    "aorta_bifurcation": _SCT.AorticBifurcation,
}
CERTAINTY = _DCM.CertaintyOfFinding
EVALUATIONS: Mapping[str, Code] = {
    "texture": private("texture", "Texture of nodule"),
}
LABELS: Mapping[tuple[str, str], Code] = {
    ("texture", "solid"): Code("RID50151", "RADLEX", "solid pulmonary nodule"),
    ("texture", "part_solid"): Code("RID50152", "RADLEX", "part-solid pulmonary nodule"),
    ("texture", "ground_glass"): Code("RID50153", "RADLEX", "non-solid pulmonary nodule"),
    ("texture", "calcified"): _SCT.PathologicCalcification,
}
SIDES: Mapping[str, Code] = {"left": _SCT.Left, "right": _SCT.Right, "midline": _SCT.Midline}
PROCEDURES: Mapping[str, Code] = {"CT": codes.LN.CTUnspecifiedBodyRegion, "MR": codes.LN.MRIUnspecifiedBodyRegion}
UNITS: Mapping[str, Code] = {
    "mm": _UCUM.Millimeter,
    "mm2": _UCUM.SquareMillimeter,
    "mm3": _UCUM.CubicMillimeter,
    "1": _UCUM.NoUnits,
    "%": _UCUM.Percent,
    "[hnsf'U]": _UCUM.HounsfieldUnit,
    "d": _UCUM.Day,
    "a": _UCUM.Year,
}


def meant(kind: str) -> Meant:
    """What a finding of some kind is; a kind that no table knows is a lesion of our own name."""
    lesion = Meant(_SCT.MorphologicallyAbnormalStructure, private(kind))
    return KINDS.get(kind, lesion)


def structure(name: str) -> Meant:
    """What a task outlines, or a label map's label: the SNOMED CT structure of that very name, left and right beside it, else our own."""
    side, bare = next(
        ((side, name.replace(f"_{side}", "").replace(f"{side}_", "")) for side in SIDES if side in name.split("_")), ("", name)
    )
    code = getattr(_SCT, "".join(word.capitalize() for word in bare.split("_")), None)
    type_ = code if code and not side else private(name)
    return STRUCTURES.get(name, Meant(_SCT.AnatomicalStructure, type_, code))


def concept(name: str) -> Concept:
    """What a measurement is called."""
    if name in AORTA_SITES:
        return WIDEST if name.endswith("_max") else DIAMETER
    if name.startswith(AORTA) and name.endswith(("_max", "_max_second_estimate")):
        return WIDEST
    return MEASURES.get(name, Concept(private(name)))


def evaluation(name: str) -> Code:
    """What a class is a class of."""
    return EVALUATIONS.get(name, private(name))


def label(name: str, value: str) -> Code:
    """What a class that was found is called."""
    return LABELS.get((name, value), private(value))


def unit(ucum: str) -> Code:
    """A UCUM unit; every string is one to UCUM's own grammar, known here or not."""
    return UNITS.get(ucum) or Code(ucum or "1", "UCUM", ucum or "no units")


def side(location: str) -> Code | None:
    """Left, right or midline, where a location's name begins with it."""
    return SIDES.get(location.partition("_")[0])
