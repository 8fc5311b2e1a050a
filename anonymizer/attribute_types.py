"""Types (1, 2, 3) of the attributes whose PS3.15 action depends on them, by family of IOD.

Only the compound rows of table E.1-1 need a type, so the table is short. Types are those of PS3.3 at the top level of
the data set; conditional types count as met, because the attribute is present. Inside sequences, and for SOP classes
without a family, the type is unknown and the compound action falls to the choice that is valid under every type.
"""

from __future__ import annotations

from enum import Enum

from pydicom import uid


class AttributeType(Enum):
    """How much of a value the IOD demands."""

    REQUIRED = 1
    EMPTY_ALLOWED = 2
    OPTIONAL = 3
    UNKNOWN = 0


class Family(Enum):
    """IODs that share their general modules."""

    CLASSIC = "classic"
    PET = "pet"
    ENHANCED = "enhanced"
    OTHER = "other"


_FAMILIES: dict[str, Family] = {
    **dict.fromkeys(
        (
            uid.CTImageStorage,
            uid.MRImageStorage,
            uid.ComputedRadiographyImageStorage,
            uid.DigitalXRayImageStorageForPresentation,
            uid.DigitalXRayImageStorageForProcessing,
            uid.DigitalMammographyXRayImageStorageForPresentation,
            uid.DigitalMammographyXRayImageStorageForProcessing,
            uid.SecondaryCaptureImageStorage,
        ),
        Family.CLASSIC,
    ),
    uid.PositronEmissionTomographyImageStorage: Family.PET,
    **dict.fromkeys(
        (uid.EnhancedCTImageStorage, uid.EnhancedMRImageStorage, uid.EnhancedMRColorImageStorage, uid.EnhancedPETImageStorage),
        Family.ENHANCED,
    ),
}

_ONE, _TWO = AttributeType.REQUIRED, AttributeType.EMPTY_ALLOWED
_COMMON: dict[int, AttributeType] = {
    0x00080023: _TWO,  # Content Date: General Image 2C
    0x00080033: _TWO,  # Content Time: General Image 2C
    0x00180010: _TWO,  # Contrast/Bolus Agent: Contrast/Bolus 2
    0x00102203: _TWO,  # Patient's Sex Neutered: Patient Study 2C
    0x00100020: _TWO,  # Patient ID: Patient 2
    0x00400555: _TWO,  # Acquisition Context Sequence: Acquisition Context 2
}
_TYPES: dict[Family, dict[int, AttributeType]] = {
    Family.CLASSIC: _COMMON,
    Family.PET: _COMMON | {0x00080021: _ONE, 0x00080031: _ONE, 0x00080022: _TWO, 0x00080032: _TWO},  # PET Series, PET Image
    Family.ENHANCED: _COMMON
    | {
        0x00080023: _ONE,  # Content Date: Multi-frame Functional Groups 1
        0x00080033: _ONE,  # Content Time: Multi-frame Functional Groups 1
        0x0008002A: _ONE,  # Acquisition DateTime: 1C
        0x00181000: _ONE,  # Device Serial Number: Enhanced General Equipment 1
        0x00081140: _ONE,  # Referenced Image Sequence: 1C
        0x00082112: _ONE,  # Source Image Sequence: 1C
    },
}


def family_of(sop_class_uid: str) -> Family:
    """The family of an IOD; OTHER when its modules are not tabulated here."""
    return _FAMILIES.get(sop_class_uid, Family.OTHER)


def attribute_type(family: Family, tag: int, depth: int) -> AttributeType:
    """The type of a compound-action attribute at a depth (0 = top level of the data set)."""
    if depth or family is Family.OTHER:
        return AttributeType.UNKNOWN
    return _TYPES[family].get(tag, AttributeType.OPTIONAL)
