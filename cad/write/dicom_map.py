"""A finding's heat map as a Parametric Map over its source series (PS3.3 A.75), or as a picture that every viewer shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
from highdicom import PlanePositionSequence, VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.sc import SCImage
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.sr.codedict import codes

from cad.finding import Finding
from cad.volume import Volume
from cad.write.dicom_codes import private
from cad.write.dicom_deflated import MOST_BYTES, with_float_frames
from cad.write.dicom_made import Made, Maker, finished
from cad.write.dicom_seg import places
from cad.write.dicom_source import OnFrames, Source, on_frames

NUMBER = 9100
_LEAST = 0.01  # of the map's greatest value: what is cooler is no part of the picture
_Part = tuple[slice, slice, slice]


def parametric_map(name: str, finding: Finding, heatmap: Volume, source: Source, maker: Maker) -> Made | None:
    """The map as float32 in [0, 1] on every pixel of its source, deflated; None where it is cold everywhere.

    Every pixel, for viewers that lay a map over images only where it has a pixel for each of theirs (OHIF 3.12, which shows 0 to 1 and so
    reads no integers). Frames run along the images' normal (from feet to head where they are axial): OHIF takes them for that,
    whatever places they name. What is too large for that is cut.
    """
    heat = on_frames(heatmap, source)
    if not heat.values.any():
        return None
    if 4 * len(source.frames) * source.rows * source.columns > MOST_BYTES:
        return cut_map(name, finding, heatmap, source, maker)
    part = slice(0, len(source.frames)), slice(0, source.rows), slice(0, source.columns)
    made, order = _described(finding, source, maker, part, np.zeros((len(source.frames), 1, 1), dtype=np.float32))
    made.Rows, made.Columns = source.rows, source.columns
    del made.FloatPixelData
    where = "".join(f"{span.start}:{span.stop} " for span in heat.part)
    bare = finished(name, made, source, maker, beside=where.encode() + heat.values.tobytes())
    return with_float_frames(bare, (_plane(heat, source, k) for k in order))


def cut_map(name: str, finding: Finding, heatmap: Volume, source: Source, maker: Maker) -> Made | None:
    """The same on the frames, rows and columns with heat alone; the places say where they lie."""
    heat = on_frames(heatmap, source)
    if not heat.values.any():
        return None
    heat = heat.cut(heat.values > _LEAST * float(heat.values.max()))
    made, order = _described(finding, source, maker, heat.part, np.ascontiguousarray(heat.values))
    made.FloatPixelData = heat.values[order].astype("<f4").tobytes()
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


def _described(
    finding: Finding, source: Source, maker: Maker, part: _Part, values: NDArray[np.float32]
) -> tuple[ParametricMap, Sequence[int]]:
    """The object for values (frames, rows, columns) of a part of the source, and the order that its frames must be in.

    highdicom turns them the other way, and leaves no choice.
    """
    depth, rows, columns = part
    shown = replace(source, frames=source.frames[depth])
    made = ParametricMap(
        source_images=list(source.headers) if len(source.headers) == 1 else [source.header_of(frame) for frame in shown.frames],
        pixel_array=values,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping()],
        voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
        content_label="HEAT_MAP",
        content_description=_said(finding),
        series_description=f"Shoken heat map, finding {finding.rank}",
        **{**places(shown), "plane_positions": _cut_positions(shown, rows.start, columns.start)},
        **maker.start(NUMBER + finding.rank),
        **maker.equipment(),
    )
    made.Laterality = None  # the source's body part may be one of a pair, and nothing says which
    _along_the_normal(made, shown)
    along = np.array([frame.affine[:, 2] @ shown.frames[0].normal for frame in shown.frames])
    return made, [int(k) for k in np.argsort(along, kind="stable")]


def _along_the_normal(made: Dataset, shown: Source) -> None:
    groups = list(made.PerFrameFunctionalGroupsSequence)
    corners = np.array([[float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient] for group in groups])
    order = np.argsort(corners @ shown.frames[0].normal, kind="stable")
    made.PerFrameFunctionalGroupsSequence = [groups[index] for index in order]
    for number, group in enumerate(made.PerFrameFunctionalGroupsSequence, 1):
        group.FrameContentSequence[0].DimensionIndexValues = [number]


def _plane(heat: OnFrames, source: Source, frame: int) -> NDArray[np.float32] | None:
    """Heat on one whole frame of the source, None where it is cold."""
    depth, rows, columns = heat.part
    if not depth.start <= frame < depth.stop or not heat.values[frame - depth.start].any():
        return None
    plane = np.zeros((source.rows, source.columns), dtype=np.float32)
    plane[rows, columns] = heat.values[frame - depth.start]
    return plane


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
