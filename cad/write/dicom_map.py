"""A finding's heat map as a Parametric Map over its source series (PS3.3 A.75), or as a picture that every viewer shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
from highdicom import PlanePositionSequence, VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.sc import SCImage
from PIL import Image
from pydicom import Dataset
from pydicom.sr.codedict import codes

from cad.finding import Finding
from cad.volume import Volume
from cad.write.dicom_codes import private
from cad.write.dicom_made import Made, Maker, finished
from cad.write.dicom_seg import places
from cad.write.dicom_source import Source, on_frames

NUMBER = 9100
_LEAST = 0.01  # of the map's greatest value: what is cooler is no part of the picture


def parametric_map(name: str, finding: Finding, heatmap: Volume, source: Source, maker: Maker, *, whole: bool) -> Made | None:
    """The map as float32 in [0, 1] on the source's pixels; None where it is cold everywhere.

    It is cut to the frames, rows and columns with heat; the places say where they lie. `whole` is as large as the series, for
    viewers that lay a map over images only where it has a pixel for each of theirs. Frames run along the images' normal (from feet
    to head where they are axial): OHIF 3.12 takes them for that, whatever places they name.
    """
    heat = on_frames(heatmap, source)
    if not heat.values.any():
        return None
    heat = heat.whole(source) if whole else heat.cut(heat.values > _LEAST * float(heat.values.max()))
    depth, rows, columns = heat.part
    part = replace(source, frames=source.frames[depth])
    made = ParametricMap(
        source_images=list(source.headers) if len(source.headers) == 1 else [source.header_of(frame) for frame in part.frames],
        pixel_array=np.ascontiguousarray(heat.values),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping()],
        voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
        content_label="HEAT_MAP",
        content_description=_said(finding),
        series_description=f"Shoken heat map, finding {finding.rank}",
        **{**places(part), "plane_positions": _cut_positions(part, rows.start, columns.start)},
        **maker.start(NUMBER + finding.rank),
        **maker.equipment(),
    )
    made.Laterality = None  # the source's body part may be one of a pair, and nothing says which
    _along_the_normal(made, part)
    return finished(name, made, source, maker)


def picture(name: str, finding: Finding, png: bytes, source: Source, maker: Maker) -> Made:
    """The drawn heat map (three planes, outline, colour bar) as a secondary capture."""
    pixels = np.asarray(Image.open(BytesIO(png)).convert("RGB"))
    made = SCImage.from_ref_dataset(
        source.headers[0],
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),
        series_description=f"Shoken heat map, finding {finding.rank}",
        **maker.start(NUMBER + finding.rank),
        **maker.equipment(),
    )
    made.DerivationDescription = _said(finding)
    made.BurnedInAnnotation = "NO"  # side letters, scale and heat; nothing of the patient
    return finished(name, made, source, maker)


def _along_the_normal(made: Dataset, part: Source) -> None:
    """Put frames in the order of their places: highdicom turns them the other way, and leaves no choice."""
    groups = list(made.PerFrameFunctionalGroupsSequence)
    places = np.array([[float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient] for group in groups])
    order = np.argsort(places @ part.frames[0].normal, kind="stable")
    frames = np.frombuffer(made.FloatPixelData, dtype="<f4").reshape(len(groups), -1)
    made.FloatPixelData = frames[order].tobytes()
    made.PerFrameFunctionalGroupsSequence = [groups[index] for index in order]
    for number, group in enumerate(made.PerFrameFunctionalGroupsSequence, 1):
        group.FrameContentSequence[0].DimensionIndexValues = [number]


def _mapping() -> RealWorldValueMapping:
    return RealWorldValueMapping(
        lut_label="heat",
        lut_explanation="share of the strongest evidence",
        unit=codes.UCUM.NoUnits,
        value_range=(0.0, 1.0),
        slope=1,
        intercept=0,
        quantity_definition=private("heat", "Heat of a class activation map"),
    )


def _said(finding: Finding) -> str:
    faithfulness = finding.evidence.faithfulness
    trust = "" if faithfulness is None or faithfulness.trustworthy else "NOT TRUSTWORTHY: failed its own test. "
    return f"{trust}Heat map of finding {finding.rank} ({finding.task}), research use only"[:64]


def _cut_positions(source: Source, row: int, column: int) -> Sequence[PlanePositionSequence]:
    corner = np.array([row, column, 1.0])
    return [PlanePositionSequence("PATIENT", (frame.affine @ corner).tolist()) for frame in source.frames]
