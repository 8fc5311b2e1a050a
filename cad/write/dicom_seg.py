"""Outlines as a DICOM Segmentation over their source series, binary or as a label map (PS3.3 A.51 and A.101)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom import AlgorithmIdentificationSequence, PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from cad.model import ModelVersion
from cad.write.dicom_codes import Meant
from cad.write.dicom_made import Made, Maker, finished
from cad.write.dicom_source import Source

LABELMAP = "labelmap"
NUMBER = 9001  # series numbers well away from those of scanners
_MOST_SEGMENTS = 255


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One outline: `pixels` (frames, rows, columns) on the source's frames; `tracking` is (identifier, UID)."""

    label: str
    meaning: Meant
    tracking: tuple[str, str]
    model: ModelVersion
    pixels: NDArray[np.bool_]


def segmentation(name: str, segments: Sequence[Segment], source: Source, maker: Maker, encoding: str) -> Made:
    """Every segment of one series, numbered from 1 in their order, frames without any left out.

    Binary holds overlapping segments as they are; a label map holds one segment a pixel, and the first of the order keeps it.
    Raises ValueError for more than 255 segments.
    """
    if len(segments) > _MOST_SEGMENTS:
        raise ValueError(f"{len(segments)} segments in one object")
    labelled = encoding == LABELMAP
    made = Segmentation(
        source_images=list(source.headers),
        pixel_array=_pixels(segments, overlaps=not labelled),
        segmentation_type="LABELMAP" if labelled else "BINARY",
        segment_descriptions=[_description(number, segment) for number, segment in enumerate(segments, 1)],
        transfer_syntax_uid=JPEGLSLossless if labelled else ExplicitVRLittleEndian,
        content_label="SHOKEN_SEG",
        content_description="Outlines of findings and structures, research use only",
        series_description="Shoken outlines",
        **places(source),
        **maker.start(NUMBER),
        **maker.equipment(),
    )
    return finished(name, made, source, maker)


def places(source: Source) -> dict[str, object]:
    """Plane positions, orientation and pixel measures of a source's frames: highdicom adds the slice spacing from the positions."""
    return {
        "pixel_measures": PixelMeasuresSequence(pixel_spacing=source.spacing_mm, slice_thickness=source.thickness_mm),
        "plane_orientation": PlaneOrientationSequence("PATIENT", source.orientation),
        "plane_positions": [PlanePositionSequence("PATIENT", frame.affine[:, 2].tolist()) for frame in source.frames],
    }


def _pixels(segments: Sequence[Segment], *, overlaps: bool) -> NDArray[np.uint8]:
    """Segment numbers (frames, rows, columns); one plane a segment (.., segments) where segments overlap and may."""
    first = segments[0].pixels
    numbers = np.zeros(first.shape, dtype=np.uint8)
    for number, segment in reversed(list(enumerate(segments, 1))):
        if overlaps and numbers[segment.pixels].any():
            return np.stack([each.pixels for each in segments], axis=-1).astype(np.uint8)
        numbers[segment.pixels] = number
    return numbers


def _description(number: int, segment: Segment) -> SegmentDescription:
    identifier, uid = segment.tracking
    return SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=segment.meaning.category,
        segmented_property_type=segment.meaning.type,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm(segment.model),
        tracking_uid=uid,
        tracking_id=identifier,
        anatomic_regions=[segment.meaning.site] if segment.meaning.site else None,
    )


def algorithm(model: ModelVersion) -> AlgorithmIdentificationSequence:
    """Which weights made it: name, version, and the digest among the parameters."""
    return AlgorithmIdentificationSequence(
        name=model.name,
        family=codes.DCM.ArtificialIntelligence,
        version=model.version,
        source="Shoken",
        parameters={"sha256": model.sha256, "code_version": model.code_version},
    )
