"""What the header says about the part of the body and the kind of view. Words only help; pixels decide wherever they can."""

from __future__ import annotations

import re
from enum import StrEnum

from pydicom.dataset import Dataset


class Part(StrEnum):
    """What the header names: the head or neck, something else only, or nothing that is known."""

    HEAD = "head"
    OTHER = "other"
    UNSAID = "unsaid"


_HEAD = re.compile(
    r"HEAD|BRAIN|CEREB|CRANI|SKULL|FACE|FACIAL|ORBIT|EYE|SINUS|NASAL|NOSE|JAW|MANDIB|MAXILL|DENTAL|TEETH|TMJ|\bEARS?\b|\bIAC|TEMPORAL|PITUIT|"
    r"SELLA|NECK|C.?SPINE|CERVIC|CAROTID|LARYNX|PHARYN|TONGUE|PAROTID|WHOLE.?BODY|頭|脳|顔|眼|鼻|頸|頚|耳|全身"
)
_OTHER = re.compile(
    r"CHEST|THORA|LUNG|HEART|CARDIA|CORONARY|BREAST|AORTA|ABDO|LIVER|KIDNEY|RENAL|PANCREA|SPLEEN|PELVI|PROSTAT|BLADDER|UTER|HIP\b|KNEE|ANKLE|"
    r"FOOT|LEG\b|FEMUR|TIBIA|EXTREM|SHOULDER|ELBOW|WRIST|HAND\b|ARM\b|[LT].?SPINE|LSPINE|TSPINE|LUMBAR|SACR|COCCYX|RECTUM|COLON|胸|肺|心|腹|肝|腎|骨盤|膝|腰"
)
_LOCALIZER = re.compile(r"LOCALI[SZ]ER|SCOUT|TOPOGRAM|SURVIEW|SURVEY|SCANOGRAM|PROJECTION|位置決")
_DESCRIPTIONS = ("StudyDescription", "SeriesDescription", "ProtocolName")


def part_of(dataset: Dataset) -> Part:
    """The part of the body: Body Part Examined and the anatomic region first, descriptions where they say nothing; head wins."""
    codes = [item for word in ("AnatomicRegionSequence", "PrimaryAnatomicStructureSequence") for item in dataset.get(word) or []]
    named = _part(" ".join([_text(dataset, "BodyPartExamined"), *(_text(code, "CodeMeaning") for code in codes)]))
    described = _part(" ".join(_text(dataset, word) for word in _DESCRIPTIONS))
    if Part.HEAD in (named, described):
        return Part.HEAD
    return named if named is not Part.UNSAID else described


def is_localizer(dataset: Dataset) -> bool:
    """Whether Image Type or a description says that this is a planning view."""
    words = (*_DESCRIPTIONS[1:], "ImageType")
    return bool(_LOCALIZER.search(" ".join(_text(dataset, word) for word in words).upper()))


def _part(text: str) -> Part:
    upper = text.upper()
    if _HEAD.search(upper):
        return Part.HEAD
    return Part.OTHER if _OTHER.search(upper) else Part.UNSAID


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword, "")
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return "" if value is None else str(value)
    return "\\".join(str(part) for part in value)
