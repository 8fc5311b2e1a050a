"""Private attributes that the standard calls safe, as data: table E.3.10-1 of DICOM PS3.15, edition 2026a (479 rows).

A private element is safe only under the exact name of its creator. The rows are facts of the standard's table (NEMA);
sequences are listed too and are searched like any other, so what lies in them must be listed itself.

What the table lists and this project still removes: bytes (OB, OW - volumes, meshes, files of a vendor), which nobody
can search, and rows for which the table gives no VR.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

EDITION = "2026a"
TABLE = "PS3.15 table E.3.10-1"


@dataclass(frozen=True, slots=True)
class SafeAttribute:
    """One row: the creator, the odd group, the element within the creator's block (0 to 255), its VR, what it means."""

    creator: str
    group: int
    offset: int
    vr: str
    meaning: str


def safe_attribute(creator: str, group: int, offset: int) -> SafeAttribute | None:
    """The row for an element of a creator's block, or None: then it is not safe. Trailing spaces of the creator are padding."""
    return _by_place().get((creator.rstrip(" \x00"), group, offset))


def rows_of(creator: str, group: int) -> tuple[SafeAttribute, ...]:
    """Everything the table lists of a creator in a group."""
    return _creators().get((creator.rstrip(" \x00"), group), ())


@lru_cache(maxsize=1)
def safe_attributes() -> tuple[SafeAttribute, ...]:
    """Every row, in the order of the data below."""
    rows: list[SafeAttribute] = []
    for block in _ROWS.replace("\n  ", " ").strip().splitlines():
        place, listed = block[1:].split("] ", 1)
        group, creator = place.split(" ", 1)
        for entry in listed.split("; "):
            offset, vr, *meaning = entry.split(" ", 2)
            rows.append(SafeAttribute(creator, int(group, 16), int(offset, 16), "" if vr == "-" else vr, "".join(meaning)))
    return tuple(rows)


@lru_cache(maxsize=1)
def _by_place() -> dict[tuple[str, int, int], SafeAttribute]:
    return {(row.creator, row.group, row.offset): row for row in safe_attributes()}


@lru_cache(maxsize=1)
def _creators() -> dict[tuple[str, int], tuple[SafeAttribute, ...]]:
    found: dict[tuple[str, int], tuple[SafeAttribute, ...]] = {}
    for row in safe_attributes():
        found[row.creator, row.group] = (*found.get((row.creator, row.group), ()), row)
    return found


# [group creator], then for each attribute: element within the block, VR (- where the table gives none), meaning.
_ROWS = """
[00E1 ELSCINT1] 21 DS DLP; 50 DS Acquisition Duration
[01E1 ELSCINT1] 26 CS Phantom Type
[01F1 ELSCINT1] 01 CS Acquisition Type; 07 DS Table Velocity; 26 DS Pitch; 27 DS Rotation Time
[0903 GEIIS PACS] 10 US Reject Image Flag; 11 US Significant Flag; 12 US Confidential Flag
[0019 GEMS_ACQU_01] 23 DS Table Speed [mm/rotation]; 24 DS Mid Scan Time [sec]; 27 DS Rotation Speed (Gantry Period);
  9E LO Internal Pulse Sequence Name
[0045 GEMS_HELIOS_01] 01 SS Number of Macro Rows in Detector; 02 FL Macro width at ISO Center
[0043 GEMS_PARM_01] 27 SH Scan Pitch Ratio in the form "n.nnn:1"; 39 IS 1stvalue is B Value;
  6F DS Scanner Table Entry + Gradient Coil Selected
[0025 GEMS_SERS_01] 07 SL Images in Series
[7E01 HOLOGIC, Inc.] 01 LO Codec Version; 02 SH Codec Content Type; 10 SQ High Resolution Data Sequence;
  11 SQ Low Resolution Data Sequence; 12 OB Codec Content
[0099 NQHeader] 01 UI Version; 02 UI Analyzed Series UID; 04 SS Return Code; 05 LT Return Message; 10 FL MI; 20 SH Units; 21 FL ICV
[0199 NQLeft] 01 FL Left Cortical White Matter; 02 FL Left Cortical Gray Matter; 03 FL Left 3rd Ventricle; 04 FL Left 4th Ventricle;
  05 FL Left 5th Ventricle; 06 FL Left Lateral Ventricle; 07 FL Left Inferior Lateral Ventricle; 08 FL Left Inferior CSF;
  09 FL Left Cerebellar White Matter; 0A FL Left Cerebellar Gray Matter; 0B FL Left Hippocampus; 0C FL Left Amygdala;
  0D FL Left Thalamus; 0E FL Left Caudate; 0F FL Left Putamen; 10 FL Left Pallidum; 11 FL Left Ventral Diencephalon;
  12 FL Left Nucleus Accumbens; 13 FL Left Brain Stem; 14 FL Left Exterior CSF; 15 FL Left WM Hypo; 16 FL Left Other
[0299 NQRight] 01 FL Right Cortical White Matter; 02 FL Right Cortical Gray Matter; 03 FL Right 3rd Ventricle;
  04 FL Right 4th Ventricle; 05 FL Right 5th Ventricle; 06 FL Right Lateral Ventricle; 07 FL Right Inferior Lateral Ventricle;
  08 FL Right Inferior CSF; 09 FL Right Cerebellar White Matter; 0A FL Right Cerebellar Gray Matter; 0B FL Right Hippocampus;
  0C FL Right Amygdala; 0D FL Right Thalamus; 0E FL Right Caudate; 0F FL Right Putamen; 10 FL Right Pallidum;
  11 FL Right Ventral Diencephalon; 12 FL Right Nucleus Accumbens; 13 FL Right Brain Stem; 14 FL Right Exterior CSF;
  15 FL Right WM Hypo; 16 FL Right Other
[2001 Philips Imaging DD 001] 01 FL MR Image Chemical Shift; 02 IS MR Image Chemical Shift Number;
  03 FL MR Image Diffusion B-Factor; 04 CS MR Image Diffusion Direction; 05 SS Graphic Annotation Parent ID;
  06 CS MR Image Enhanced; 07 CS MR Image Type Edes; 08 IS MR Image Phase Number; 09 FL MR Image Prepulse Delay;
  0A IS Image Plane Number; 0B CS Image Plane Orientation; 0C CS MR Series Arrhythmia Rejection; 0E CS MR Series Cardiac Cycled;
  0F SS MR Series Cardiac Gate Width; 10 CS MR Series Cardiac Sync; 11 FL MR Series Diffusion Echo Time;
  12 CS MR Series Dynamic Series; 13 SL MR Series Epi Factor; 14 SL MR Series Nr Of Echoes; 15 SS MR Series Nr Of Locations;
  16 SS MR Series Nr Of Phase Contrast Directions; 17 SL MR Series Nr Of Phases; 18 SL MR Series Nr Of Slices;
  19 CS MR Series Partial Matrix Scanned; 1A FL MR Series Pc Velocity; 1B FL MR Series Prepulse Delay;
  1C CS MR Series Prepulse Type; 1D IS MR Series Reconstruction Number; 1E CS MR Series Reformat Accuracy;
  1F CS MR Series Respiration Sync; 21 CS MR Series Sel Part Inversion Recovery; 22 FL MR Series Water Fat Shift;
  23 DS MR Series Flip Angle; 24 CS MR Series Is Interactive; 25 SH MR Series Echo Time Display;
  26 CS Presentation State Subtraction Active; 27 CS Edge Enhancement Kernel Size; 28 FL Edge Enhancement Gain Factor Sub;
  29 FL Edge Enhancement Gain Factor; 2A CS Edge Enhancement Taste Adapt Sub; 2B CS Edge Enhancement Taste Adapt;
  2C FL Harmonization Factor; 2D SS Stack Number Of Slices; 2E CS Harmonization Kernel Size; 2F FL Harmonization Gain;
  30 UL Log Subtraction Gain Step Taste; 31 US Mixing Nr Of Mask Image Numbers; 32 FL Stack Radial Angle; 33 CS Stack Radial Axis;
  34 CS Mixing Mask Operation Type; 35 SS Stack Slice Number; 36 CS Stack Type; 37 CS Mixing Operation Type;
  38 FL Overlay Mix Factor; 39 FL Overscan Factor; 3A CS Pixel Shift; 3B FL Pixel Shift Split Line Coordinates;
  3C FL Pixel Shift Shift Vectora; 3D UL Contour Fill Color; 3E FL Pixel Shift Shift Vectorb;
  3F CS Displayed Area Zoom Interpolation Meth; 40 CS Pixel Shift Split Screen; 41 FL Subtraction Land Marking Factor;
  42 CS Subtraction Land Marking Active; 43 IS Ellips Displ Shut Major Ax Frst End Pnt;
  44 IS Ellips Displ Shut Major Ax Scnd End Pnt; 45 IS Ellips Displ Shut Other Ax Frst End Pnt; 46 CS Graphic Line Style;
  47 FL Graphic Line Width; 48 SS Graphic Annotation Id; 49 IS Trace First Image; 4A CS Trace Taste; 4B CS Interpolation Method;
  4C CS Poly Line Begin Point Style; 4D CS Poly Line End Point Style; 4E CS Window Smoothing Taste; 4F FD Harmonization Offset;
  50 LO Graphic Marker Type; 51 IS Overlay Plane Id; 53 CS Presentation Gl Trafo Invert; 54 FL Contour Fill Transparency;
  55 UL Graphic Line Color; 56 CS Graphic Type; 57 CS Log Subtraction Taste; 58 UL Series Xray Contrast Transfer Taste;
  59 IS Curve Id; 5A ST Graphic Annotation Model; 5D ST Measurement Text Units; 5E ST Measurement Text Type; 5F SQ Stack Sequence;
  60 SL MR Series Nr Of Stacks; 61 CS Series Transmitted; 62 CS Series Committed; 63 CS Examination Source; 64 SH Text Type;
  65 SQ Overlay Plane Sequence; 66 SQ Image Curve; 67 CS Linear Presentation Gl Trafo Shape Sub; 68 SQ Modality Gl Trafo Sequence;
  69 SQ Display Shutter Sequence; 6A SQ Spatial Transformation Sequence; 6B SQ Edge Enhancement Sequence; 6D LO Text Font;
  6E SH Series Type; 6F SQ Mixing Sequence; 71 CS Graphic Constraint; 72 IS Ellips Displ Shut Other Ax Scnd End Pnt;
  73 SQ Referenced Mask Image Sequence; 74 DS Window Center Sub; 75 DS Window Width Sub;
  76 UL Presentation State Xray Contrast Transfer Taste; 77 CS Gl Trafo Type; 79 SQ Harmonisation Sequence;
  7A FL Window Rounding Factor; 7B IS MR Series Acquisition Number; 7C UL Frame Number; 7D OW/OB Frame Pixel Data;
  7E US Edge Enhancement Gain Taste; 7F US Edge Enhancement Gain Taste Sub; 80 LO Text Anchor Point Alignment;
  81 IS MR Series Nr Of Dynamic Scans; 82 IS MR Series Echo Train Length; 83 DS MR Series Imaging Frequency;
  84 DS MR Series Inversion Time; 85 DS MR Series Magnetic Field Strength; 86 IS MR Series Nr Of Phase Encoding Steps;
  87 SH MR Series Nucleus; 88 DS MR Series Number Of Averages; 89 DS MR Series Percent Phase Field Of View;
  8A DS MR Series Percent Sampling; 8B SH MR Series Transmitting Coil; 8C CS Needs Processing; 90 LO Text Foreground Color;
  91 LO Text Background Color; 92 LO Text Shadow Color; 93 LO Text Style; 94 LO Processing Order Specialization;
  9A SQ Graphic Number Sequence; 9B UL Graphic Number; 9D LO Subtraction Type; 9F US Pixel Processing Kernel Size;
  A1 CS Is Raw Image; A2 US Log Subtraction Curve Taste; A3 UL Text Color Foreground; A4 UL Text Color Background;
  A5 UL Text Color Shadow; C0 UL Content Item Identifier; C1 LO Nested Object Type Name; C2 FD Subtraction Rescale Factor;
  C3 UL Subtraction Offset; C5 SQ Mask Image Lut Sequence; C6 SQ Gain Lut Sequence; C7 SQ Contrast Image Lut Sequence;
  CA SQ Reversed Modality Lut; CB IS Redundant Overlay Plane Id; D0 AT Frame Index Pointer; D1 US Index Number Vector;
  D2 US Frame Detector Number; D3 US Frame Phase Number; D4 US Frame Rotation Number; D5 US Frame Rr Interval Number;
  D6 US Frame Time Slot Number; D7 US Frame Slice Number; D8 US Frame Angular View Number; D9 US Frame Time Slice Number;
  DA CS Is Arrowhead; DB US PET Rr Interval Index; DC US PET Time Slot Index; DD US PET Time Slice Index; DE US PET Slice Index;
  DF UL Voxel Number; E9 SQ Per Frame Voxels Functional Group; F1 FL MR Image Prospective Motion Correction;
  F2 FL MR Image Retrospective Motion Correction; F3 CS Dynamic Linear Voigl Trafo; F4 UL Color Key; F5 CS Rotated Text Allowed;
  F6 UL Number Of Represented Images; F7 LO Data Type Icons; F9 SQ Flagging Sequence; FB SQ Bookmark Sequence;
  FC SQ Ris Code Sequence; FD SQ Workflow Step Sequence; FF OW/OB Volume Pixel
[2001 Philips Imaging DD 002] 01 US Edr Setgp; 02 FD Edr Setsk; 03 CS Um Rank Type; 04 SS Um Rank Number; 05 FD Um Rank Enhancement;
  06 US Um Kernel Size; 07 CS Um Gamma Type; 08 FD Um Gamma Angle; 09 FD Um Gamma Shift; 0A FD Um Gamma Center;
  0B FD Drr Contrast Equalization; 0C US Drr Contrast Equalization Kernel Size; 0D CS Drr Sharp Lut Type; 0E FD Drr Sharpening;
  0F US Drr Sharp Kernel Size; 10 SS Drr Window Width; 11 SS Drr Window Level; 12 CS Drr Lut Type; 13 SS Unique Processing Mode;
  14 FD Unique Contrast Balance; 15 FD Unique Center Density; 16 FD Unique Bright Density; 17 FD Unique Detail Contrast;
  18 CS Unique Density Curve; 19 FD Unique Density Min; 1A FD Unique Density Max; 1B FD Unique Gamma; 1C FD Unique Gamma Min;
  1D FD Unique Gamma Max; 1E FD Unique Structure Preference; 1F FD Unique Noise Limit; 20 FD Unique Noise Band;
  21 FD Unique Noise Step; 22 FD Unique Noise Compensation; 23 FD Unique Structure Boost; 24 FD Unique Strong Contrast Limit;
  25 FD Unique Strong Contrast Factor; 26 FD Unique Structure Boost Offset; 27 FD Unique Weak Contrast Limit;
  28 US Unique Smooth Gain; 29 US Unique Level; 2A US Unique Gain Up Single; 2B SS Unique Smh Limit One;
  2C FD Unique Film Density Min; 2D FD Unique Film Density Max; 2E SS Unique Version; 2F SS Ranger Version; 30 SS Ranger Mode;
  31 SS Ranger Field1; 32 SS Ranger Field2; 33 SS Ranger Percentile Key1; 34 SS Ranger Percentile Key2; 35 FD Ranger Dose1;
  36 FD Ranger Dose2; 37 FD Ranger Manual Dose1; 38 FD Ranger Manual Dose2; 39 CS Unique Rox Shape; 3A SQ Ranger Set Sequence;
  3B SQ Rox Sequence; 3C SQ Xray Edge Enhancement Sequence; 3D SQ Edr Lut Sequence; 3E SS Unique Dose Decades;
  3F SS Unique Dose Unit; 40 SS Unique Density Unit; 50 CS Workflow Status; 52 LO Workflow Step Id; 53 CS Workflow Step Status;
  57 SQ Workflow Step Input Sequence; 58 SQ Workflow Step Output Sequence; 5A LO Workflow Step Type; 5C LO Workflow Id;
  5D UL Pixel Data Representation Rows; 5E UL Pixel Data Representation Columns; 5F SQ Private Dicom Extension Sequence;
  63 ST Isyntax Reference; 64 SQ Workflow Step Job Params Sequence; 65 CS Preserve Aspect; 66 CS Interpolated; 67 LO Error Flag;
  68 LO Error Message Id; 6B LO Suitable For; 71 CS Submit Mpps Job; 72 FL Displayed Area Bottom Right Hand Corner Fraction;
  73 FL Displayed Area Top Left Hand Corner Fraction; 74 LO Interpolation Mode; 75 SS Graphic Annotation Id Reference
[2001 Philips Imaging DD 097] 01 SQ View Geometry; 02 FD Frame Geometry Origin; 03 FD Frame Geometry Extent;
  04 FD Frame Geometry Orientation; 05 SQ Visual Sequence; 06 SQ Cut Sequence; 07 FD Visual Opacity; 08 SQ Opacity Map Sequence;
  0A SQ Light Sequence; 0B SQ Color Map Sequence; 0D FD Visual Threshold; 0E SQ Scene Sequence; 0F FD Frame Geometry Slab;
  12 SQ Gradient Map Sequence; 17 US Display Rows; 18 US Display Columns; 19 LO Frame Geometry Type; 1A FD Light Intensity;
  1B UL Light Color; 1C FD Light Origin; 1D FD Light Direction; 1E FD Color Map Samples; 1F FD Opacity Map Samples;
  21 UL Visual Color; 22 FD Illumination Ambient; 23 FD Illumination Diffuse; 24 FD Illumination Specular;
  25 FD Illumination Specular Power; 26 FD Depth Cue Begin; 27 FD Depth Cue Lambda; 28 LO Depth Cue Function; 2A LO Cut Set Type;
  2B FD Cut Plane Origin; 2C FD Cut Plane Normal; 2D UL Volume Definition Number; 2E SQ Volume Mask Sequence;
  2F OB Volume Mask Data; 30 SL Volume Mask Offset; 31 SL Volume Mask Size; 32 SL Volume Mask Alignment; 36 LO Light Anchor;
  37 FD Cone Geometry Origin; 38 FD Cone Geometry Orientation; 39 FD Cone Geometry View Distance; 3A FD Cone Geometry Slab Extent;
  3B FD Cone Geometry Field Of View; 3C SQ Intensity Map Sequence; 3D FD Intensity Map Samples; 3E SQ Mesh Sequence;
  40 UL Mesh Color; 41 LO Mesh Draw Style; 42 SQ Mesh Section Sequence; 44 LO Mesh Section Vertex Connectivity;
  45 SL Mesh Section Vertex Size; 46 LO Mesh Section Vertex Format; 47 OB Mesh Section Vertex Data;
  49 SQ Referenced Volume Definition Sequence; 4A OB Mesh Section Index Data; 4B SL Mesh Section Index Size;
  4C LO Shutter Interaction Type; A1 CS Volume Type; A2 FD Volume Origin; A3 FD Volume Axis; A4 FD Volume Pixel Spacing;
  A5 FD Volume Slice Spacing; A6 US Volume Slices; A8 IS Referenced Volume Definition Number;
  A9 SQ Linear Modality Gl Trafo Sequence; AA FD Volume Slice Offsets; AB IS Number Of Volume Definitions
[2001 Philips Imaging DD 129] 00 SQ Presentation State Sequence; 01 SQ Embedded Original Presentation State Sequence;
  02 SQ Planar Intersection Sequence; 03 UL Plane Separator Line Color; 04 SQ Plane Sequence; 05 FD Plane Equation;
  06 FD Plane Opacity; 07 CS Plane Enabled; 08 CS Plane Selected; 09 UL Plane Highlight Color
[2005 Philips MR Imaging DD 001] 0D FL Scale Intercept; 0E FL Scale Slope
[7053 Philips PET Private Group] 00 DS SUV Factor; 09 DS Activity Concentration Factor
[0025 Philips ST80i] 01 OW ST80i Stress Study file data
[0019 SIEMENS MR HEADER] 0C IS B Value; 0D CS Diffusion Directionality; 0E FD Diffusion Gradient Direction; 27 FD B Matrix
[7FD1 SIEMENS SYNGO ULTRA-SOUND TOYON DATA STREAMING] 01 OB Padding; 09 UI Version ID; 10 OB Volume Payload; 11 OB After Payload
[0119 SIEMENS Ultrasound SC2000] 00 LO Acoustic Meta Information Version; 01 OB Common Acoustic Meta Information;
  02 SQ Multi Stream Sequence; 03 SQ Acoustic Data Sequence; 04 OB Per Transaction Acoustic Control Information;
  05 UL Acoustic Data Offset; 06 UL Acoustic Data Length; 07 UL Footer Offset; 08 UL Footer Length; 09 SS Acoustic Stream Number;
  10 SH Acoustic Stream Type; 11 - Stage Timer Time; 12 - Stop Watch Time; 13 IS Volume Rate; 21 SH
[0129 SIEMENS Ultrasound SC2000] 00 SQ MPR View Sequence; 02 UI Bookmark UID; 03 - Plane Origin Vector; 04 - Row Vector;
  05 - Column Vector; 06 SQ Visualization Sequence; 07 UI Bookmark UID; 08 OB Visualization Information;
  09 SQ Application State Sequence; 10 OB Application State Information; 11 SQ Referenced Bookmark Sequence;
  12 UI Referenced Bookmark UID; 20 SQ Cine Parameters Sequence; 21 OB Cine Parameters Schema; 22 OB Values of Cine Parameters;
  29 OB; 30 CS Raw Data Object Type
[0139 SIEMENS Ultrasound SC2000] 01 SL Physio Capture ROI
[0149 SIEMENS Ultrasound SC2000] 01 FD Vector of BROI Points; 02 FD Start/End Timestamps of Strip Stream;
  03 FD Timestamps of Visible R-waves
[7FD1 SIEMENS Ultrasound SC2000] 01 OB Acoustic Image and Footer Data; 09 UI Volume Version ID; 10 OB Volume Payload;
  11 OB After Payload
"""
