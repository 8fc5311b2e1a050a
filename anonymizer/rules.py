"""Rules as data: which attribute gets which letters, from the standard's table and from our policy for the rest.

The table decides for every attribute it lists. For attributes it does not list the policy fails closed:

- commands, file meta and directory records in a data set, private groups, curve and overlay groups, group lengths, unknown
  tags, what a file says of the safety of its own private attributes (0008,0300), pixels where none belong: removed;
- text (PN LT ST UT UC UR AE LO SH) unless it is on the short list of technical texts below: dummy value;
- dates and times: as if the table listed them with both longitudinal options;
- UIDs: mapped, unless the value is registered in the standard (SOP classes, transfer syntaxes, ...);
- bytes (OB OW OF ... UN) unless pixels or look-up tables: removed;
- numbers and code strings: kept; sequences: kept and searched.

Whatever is kept is still swept for the patient's own identifying values (`echo`) and must have the form of its VR.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydicom.datadict import get_entry, tag_for_keyword

from anonymizer.standard import OPTION_COLUMNS, ROWS_2024B, ROWS_ADDED_UNTIL_2026C

TEXT_VRS = frozenset({"PN", "LT", "ST", "UT", "UC", "UR", "AE", "LO", "SH", "CS"})
TIME_VRS = frozenset({"DA", "DT", "TM"})
BYTE_VRS = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
PRIVATE_PATTERN = "ODD"

# Texts that the table leaves out and that images cannot be read or compared without: equipment, acquisition, codes.
_TECHNICAL_TEXTS = """
Manufacturer ManufacturerModelName SoftwareVersions SequenceName PulseSequenceName ImagedNucleus ConvolutionKernel FilterType
ReceiveCoilName TransmitCoilName MultiCoilElementName MultiCoilConfiguration ReceiveCoilManufacturerName TransmitCoilManufacturerName
VideoImageFormatAcquired DigitalImageFormatAcquired CollimatorGridName PlateType PhosphorType TypeOfFilters AcquisitionMode DoseModeName
AcquisitionDeviceProcessingCode DetectorManufacturerName DetectorManufacturerModelName ContrastBolusRoute
Radiopharmaceutical RadiopharmaceuticalRoute InterventionDrugName TriggerSourceOrType CardiacFramingType PVCRejection
AttenuationCorrectionMethod ReconstructionMethod ScatterCorrectionMethod DetectorLinesOfResponseUsed ProcessingFunction ImageFilter
PositionReferenceIndicator ImageGeometryType StackID RescaleType ModalityLUTType WindowCenterWidthExplanation LUTExplanation
FrameLabelVector DimensionDescriptionLabel RespiratorySignalSourceID EnergyWindowName ApplicableSafetyStandardDescription
ASLTechniqueDescription ASLCrusherDescription ASLBolusCutoffTechnique ApplicationName ApplicationVersion ApplicationManufacturer
AlgorithmName AlgorithmVersion AlgorithmSource SegmentLabel SegmentAlgorithmName
SecondaryCaptureDeviceManufacturer SecondaryCaptureDeviceManufacturerModelName SecondaryCaptureDeviceSoftwareVersions
CodeValue LongCodeValue URNCodeValue CodeMeaning CodingSchemeDesignator CodingSchemeVersion MappingResourceName
"""
_KEPT_BYTES = """
PixelData FloatPixelData DoubleFloatPixelData ExtendedOffsetTable ExtendedOffsetTableLengths LUTData
RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData AlphaPaletteColorLookupTableData
SegmentedRedPaletteColorLookupTableData SegmentedGreenPaletteColorLookupTableData SegmentedBluePaletteColorLookupTableData
"""

# The option columns that editions up to 2026d give the attributes added after 2024b (the generated rows have the basic
# action only). Unformatted Text Value is ours under Clean Graphics: the standard keeps its sequence there, so its text is cleaned.
_LATER_LETTERS = """
cleanDescOpt:C 00081301 00081302 00081303 00081304 00100016 00100042 00100045 003A0020 0040B03B 0040B03F 00700006
cleanStructContOpt:C 0040B020
cleanGraphOpt:C 00700006
rtnPatCharsOpt:C 00100042
rtnPatCharsOpt:K 00100043 00100046 00100047 00102161 00102162
rtnDevIdOpt:K 00181010 00181011
rtnLongFullDatesOpt:K 0040B036
rtnLongModifDatesOpt:C 0040B036
rtnUIDsOpt:K 300A0054
"""
_SELF_VOUCHING = 0x00080300  # Private Data Element Characteristics Sequence
_OVERLAY_NUMBERS = (0x10, 0x11, 0x15, 0x40, 0x45, 0x50, 0x51, 0x100, 0x102, 0x1001, 0x1301, 0x1302, 0x1303)
_OVERLAY_TEXTS = (0x22, 0x1500, 0x4000)  # description, label, comments
_OVERLAY_DATA = 0x3000
OVERLAY_ELEMENTS = frozenset((*_OVERLAY_NUMBERS, *_OVERLAY_TEXTS, _OVERLAY_DATA))


def _tags(keywords: str) -> frozenset[int]:
    return frozenset(tag for tag in map(tag_for_keyword, keywords.split()) if tag is not None)


TECHNICAL_TEXTS = _tags(_TECHNICAL_TEXTS)
KEPT_BYTES = _tags(_KEPT_BYTES)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: attribute pattern, name, basic action letters, and the letters under each option column."""

    pattern: str
    name: str
    basic: str
    options: Mapping[str, str]
    edition: str

    @property
    def is_open(self) -> bool:
        """Whether the row lists many attributes by a pattern."""
        return "X" in self.pattern or self.pattern == PRIVATE_PATTERN

    def matches(self, tag: int) -> bool:
        """Whether a tag (group * 65536 + element) is meant by this row."""
        if self.pattern == PRIVATE_PATTERN:
            return bool((tag >> 16) & 1)
        return all(cell in ("X", digit) for cell, digit in zip(self.pattern, f"{tag:08X}", strict=True))


def _rule(row: tuple[str, ...], edition: str) -> Rule:
    pattern, name, _, basic, *cells = row
    letters = {column: cell for column, cell in zip(OPTION_COLUMNS, cells, strict=True) if cell}
    return Rule(pattern, name or _dictionary_name(pattern), basic, letters | _later_letters().get(pattern, {}), edition)


@lru_cache(maxsize=1)
def _later_letters() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line in _LATER_LETTERS.split("\n")[1:-1]:
        letter, *patterns = line.split()
        column, action = letter.split(":")
        for pattern in patterns:
            found.setdefault(pattern, {})[column] = action
    return found


def _dictionary_name(pattern: str) -> str:
    entry = dictionary_entry(int(pattern, 16))
    return entry.name if entry else ""


@lru_cache(maxsize=1)
def standard_rules() -> tuple[Rule, ...]:
    """Every row of the standard's table, 2024b first, then the additions until 2026c."""
    return (
        *(_rule(row, "2024b") for row in ROWS_2024B),
        *(_rule(row, "2026c") for row in ROWS_ADDED_UNTIL_2026C),
    )


@lru_cache(maxsize=1)
def _exact() -> dict[int, Rule]:
    return {int(rule.pattern, 16): rule for rule in standard_rules() if not rule.is_open}


@lru_cache(maxsize=1)
def _open() -> tuple[Rule, ...]:
    return tuple(rule for rule in standard_rules() if rule.is_open)


def rule_for(tag: int) -> Rule | None:
    """The row that lists an attribute, or None. Patterns (private, curves, overlays) count."""
    exact = _exact().get(tag)
    if exact is not None:
        return exact
    return next((rule for rule in _open() if rule.matches(tag)), None)


def is_repeating_group(tag: int) -> bool:
    """Curve (50xx) and overlay (60xx) groups; without their data the rest of the group means nothing."""
    return (tag >> 24) in (0x50, 0x60) and not (tag >> 16) & 1


def is_overlay(tag: int) -> bool:
    """Overlay groups (60xx); curves (50xx) are retired and never kept."""
    return (tag >> 24) == 0x60 and is_repeating_group(tag)


def vouches_for_itself(tag: int) -> bool:
    """Whether the attribute is a file's own word that its private attributes are safe; nobody checked that word."""
    return tag == _SELF_VOUCHING


@dataclass(frozen=True, slots=True)
class DictionaryEntry:
    """What the data dictionary (PS3.6) says of an attribute; `most` is its largest number of values, None when open."""

    vrs: tuple[str, ...]
    most: int | None
    name: str
    keyword: str


@lru_cache(maxsize=16384)
def dictionary_entry(tag: int) -> DictionaryEntry | None:
    """The dictionary's entry for a standard tag, or None: unknown tags and all private ones."""
    try:
        vrs, multiplicity, name, _, keyword = get_entry(tag)
    except KeyError:
        return None
    last = multiplicity.split("-")[-1]
    return DictionaryEntry(tuple(vrs.split(" or ")), int(last) if last.isdigit() else None, name, keyword)


def dictionary_vrs(tag: int) -> tuple[str, ...]:
    """The value representations the standard allows for a tag; empty when it is not in the dictionary."""
    entry = dictionary_entry(tag)
    return entry.vrs if entry else ()
