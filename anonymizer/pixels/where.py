"""Where burned-in text occurs, as data: the first row of `RULES` that fits an image says how its pixels are cleaned.

An image that no row fits is read like any other that may hold text; only a plain original slice of a scanner is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pydicom.dataset import Dataset

from anonymizer import elements

Box = tuple[int, int, int, int]


class How(StrEnum):
    """How an image's pixels are cleaned."""

    NONE = "none"
    REGIONS = "regions"
    OCR = "ocr"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row: attribute and pattern pairs that must all match, what is then done, and why. Patterns see text in upper case.

    `marks`: whether reader's marks (`legible.is_mark`) stay; on a page of patient data any word may be a name.
    """

    name: str
    how: How
    why: str
    when: tuple[tuple[int, str], ...] = ()
    marks: bool = False


_SOP_CLASS, _MODALITY, _IMAGE_TYPE, _BURNED_IN, _CONVERSION = 0x00080016, 0x00080060, 0x00080008, 0x00280301, 0x00080064
_DESCRIPTION, _PROTOCOL, _COMMENTS, _PHOTOMETRIC, _ALLOCATED = 0x0008103E, 0x00181030, 0x00204000, 0x00280004, 0x00280100
_IMAGE_CLASSES = r"1\.2\.840\.10008\.5\.1\.4\.1\.1\."
_SCREEN_WORDS = r"DOSE\W*(REPORT|INFO|RECORD|SUMMARY|PAGE|SHEET)|SCREEN|CAPTURE|PATIENT\W*(PROTOCOL|INFO)|SUMMARY|スクリーン|線量"

RULES: tuple[Rule, ...] = (
    Rule("ultrasound", How.REGIONS, "a frame of patient and device text around the image", ((_MODALITY, r"^(US|IVUS)$"),), marks=True),
    Rule("ultrasound_class", How.REGIONS, "as above", ((_SOP_CLASS, rf"^{_IMAGE_CLASSES}(3\.1|6\.1|6\.2)$"),), marks=True),
    Rule("stated", How.OCR, "Burned In Annotation is there and not NO", ((_BURNED_IN, r"^(?!NO$).+"),)),
    Rule(
        "screen_type",
        How.OCR,
        "Image Type names a screen or page",
        ((_IMAGE_TYPE, r"SCREEN|DOSE|INFO|SUMMARY|REPORT|CAPTURE|PROTOCOL|RESULT"),),
    ),
    Rule("captured", How.OCR, "Conversion Type says captured, drawn or scanned", ((_CONVERSION, r"^(?!DI$).+"),)),
    Rule("screen_described", How.OCR, "the series is described as a screen or page", ((_DESCRIPTION, _SCREEN_WORDS),)),
    Rule("screen_protocol", How.OCR, "as above", ((_PROTOCOL, _SCREEN_WORDS),)),
    Rule("screen_comment", How.OCR, "as above", ((_COMMENTS, _SCREEN_WORDS),)),
    Rule("secondary_capture", How.OCR, "secondary capture", ((_SOP_CLASS, rf"^{_IMAGE_CLASSES}7(\.|$)"),)),
    Rule("visible_light", How.OCR, "photographs, endoscopy, ophthalmology", ((_SOP_CLASS, rf"^{_IMAGE_CLASSES}77\.1\."),)),
    Rule("angiography", How.OCR, "angiography and fluoroscopy", ((_SOP_CLASS, rf"^{_IMAGE_CLASSES}12\."),), marks=True),
    Rule("radiography", How.OCR, "markers and patient text on films", ((_MODALITY, r"^(CR|DX|MG|IO|PX|XA|RF|RG)$"),), marks=True),
    Rule("camera", How.OCR, "photographs, scans of paper and film", ((_MODALITY, r"^(OT|SC|ES|XC|GM|SM|OP|DOC)$"),)),
    Rule("radiography_class", How.OCR, "as above", ((_SOP_CLASS, rf"^{_IMAGE_CLASSES}1(\.|$)"),), marks=True),
    Rule("colour", How.OCR, "a colour image of a scanner is a rendering or a screen", ((_PHOTOMETRIC, r"^(?!MONOCHROME[12]$).+"),)),
    Rule("eight_bit", How.OCR, "an 8-bit image of a scanner is a rendering or a screen", ((_ALLOCATED, r"^[1-8]$"),)),
    Rule("localizer", How.OCR, "labels and patient text on surveys", ((_IMAGE_TYPE, r"LOCALI[SZ]ER|SCOUT|SURV|TOPOGRAM"),), marks=True),
    Rule("derived", How.OCR, "derived or secondary images may be renderings", ((_IMAGE_TYPE, r"^DERIVED|^[^\\]*\\SECONDARY"),), marks=True),
    Rule(
        "scanner_original",
        How.NONE,
        "an original primary CT, MR or PET slice holds measured values only",
        (
            (_SOP_CLASS, rf"^{_IMAGE_CLASSES}(2|2\.1|2\.2|4|4\.1|4\.4|128|130|128\.1)$"),
            (_MODALITY, r"^(CT|MR|PT)$"),
            (_IMAGE_TYPE, r"^ORIGINAL\\PRIMARY(\\|$)"),
        ),
    ),
    Rule("anything_else", How.OCR, "nothing proves that there is no text"),
)


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """Rectangles (left, top, width, height) that a site knows to hold text on one device's images; they are always blanked.

    `when` as in `Rule`; rows and columns must be equal too, since the place of a text goes with the size of the screen.
    """

    name: str
    rows: int
    columns: int
    boxes: tuple[Box, ...]
    when: tuple[tuple[int, str], ...] = ()


def rule_for(dataset: Dataset) -> Rule:
    """The first rule that fits."""
    return next(rule for rule in RULES if _fits(dataset, rule.when))


def device_boxes(dataset: Dataset, devices: tuple[DeviceRule, ...]) -> tuple[Box, ...]:
    """What the site's own rules always blank on this image."""
    size = (elements.text_at(dataset, 0x00280010), elements.text_at(dataset, 0x00280011))
    fitting = [device for device in devices if (str(device.rows), str(device.columns)) == size and _fits(dataset, device.when)]
    return tuple(box for device in fitting for box in device.boxes)


def table() -> str:
    """The rules as a Markdown table, in the order in which they are tried."""
    lines = [f"| {rule.name} | {_conditions(rule)} | {rule.how} | {'stay' if rule.marks else 'go'} | {rule.why} |" for rule in RULES]
    return "\n".join(("| rule | when | how | reader's marks | why |", "| --- | --- | --- | --- | --- |", *lines))


def _conditions(rule: Rule) -> str:
    pairs = [f"({tag >> 16:04X},{tag & 0xFFFF:04X}) `{pattern}`" for tag, pattern in rule.when]
    return " and ".join(pairs).replace("|", "\\|") or "always"


def _fits(dataset: Dataset, when: tuple[tuple[int, str], ...]) -> bool:
    return all(re.search(pattern, elements.text_at(dataset, tag).upper()) for tag, pattern in when)
