"""What the receiver of DICOM output can read: chosen by whoever runs the program, since no form suits every PACS and viewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

SegmentationForm = Literal["binary", "labelmap"]
HeatMapForm = Literal["parametric_map", "parametric_map_cut", "secondary_capture", "none"]
SEGMENTATIONS: tuple[str, ...] = get_args(SegmentationForm)
HEAT_MAPS: tuple[str, ...] = get_args(HeatMapForm)


@dataclass(frozen=True, slots=True)
class Receiver:
    """How outlines and heat maps are encoded.

    `segmentation`: "binary" is read everywhere; "labelmap" (2024, JPEG-LS) is many times smaller. `heat_maps`: "parametric_map" is as
    large as the series, compressed, so that viewers can lay it over the images; "parametric_map_cut" holds the values as they were
    computed, where there is heat, for programs; "secondary_capture" is a picture for viewers that know neither; "none" leaves them out.
    """

    segmentation: SegmentationForm = "binary"
    heat_maps: HeatMapForm = "parametric_map"


USUAL = Receiver()
