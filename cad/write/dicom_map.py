"""A finding's heat map as a Parametric Map over its source series (PS3.3 A.75), or as a picture that every viewer shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from highdicom import PlanePositionSequence, VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.sc import SCImage
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import RLELosslessEncoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.sr.codedict import codes
from pydicom.uid import RLELossless

from cad.finding import Finding
from cad.volume import Volume
from cad.write.dicom_codes import private
from cad.write.dicom_made import Made, Maker, finished
from cad.write.dicom_seg import places
from cad.write.dicom_source import OnFrames, Source, on_frames

NUMBER = 9100
STEPS = 500  # of heat 1 in the compressed form; OHIF 3.12 multiplies by 100 in 16 bits, so 655 is the most
_Part = tuple[slice, slice, slice]
_LEAST = 0.01  # of the map's greatest value: what is cooler is no part of the picture


def parametric_map(name: str, finding: Finding, heatmap: Volume, source: Source, maker: Maker) -> Made | None:
    """The map on every pixel of its source, in steps of 1/STEPS, 16 bits, RLE; None where it is cold everywhere.

    Every pixel, for viewers that lay a map over images only where it has a pixel for each of theirs (OHIF 3.12). Frames run along the
    images' normal (from feet to head where they are axial): OHIF takes them for that, whatever places they name.
    """
    heat = on_frames(heatmap, source)
    if not heat.values.any():
        return None
    part = slice(0, len(source.frames)), slice(0, source.rows), slice(0, source.columns)
    made = _made(finding, source, maker, part, _stepped(heat, source))
    _pack(made)
    return finished(name, made, source, maker)


def cut_map(name: str, finding: Finding, heatmap: Volume, source: Source, maker: Maker) -> Made | None:
    """The map as it was computed, float32 in [0, 1], on the frames, rows and columns with heat alone; None where it is cold everywhere."""
    heat = on_frames(heatmap, source)
    if not heat.values.any():
        return None
    heat = heat.cut(heat.values > _LEAST * float(heat.values.max()))
    made = _made(finding, source, maker, heat.part, np.ascontiguousarray(heat.values))
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


def _made(finding: Finding, source: Source, maker: Maker, part: _Part, values: NDArray[np.float32 | np.uint16]) -> ParametricMap:
    """The values (frames, rows, columns) of a part of the source as an object, its frames in the order of their places."""
    depth, rows, columns = part
    shown, top = replace(source, frames=source.frames[depth]), 1.0 if values.dtype.kind == "f" else STEPS
    made = ParametricMap(
        source_images=list(source.headers) if len(source.headers) == 1 else [source.header_of(frame) for frame in shown.frames],
        pixel_array=values,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping(top)],
        voi_lut_transformations=[VOILUTTransformation(window_center=top / 2, window_width=top)],
        content_label="HEAT_MAP",
        content_description=_said(finding),
        series_description=f"Shoken heat map, finding {finding.rank}",
        **{**places(shown), "plane_positions": _cut_positions(shown, rows.start, columns.start)},
        **maker.start(NUMBER + finding.rank),
        **maker.equipment(),
    )
    made.Laterality = None  # the source's body part may be one of a pair, and nothing says which
    _along_the_normal(made, shown, values.dtype)
    return made


def _stepped(heat: OnFrames, source: Source) -> NDArray[np.uint16]:
    """Heat in whole steps on every pixel of every frame."""
    values = np.zeros((len(source.frames), source.rows, source.columns), dtype=np.uint16)
    values[heat.part] = np.rint(heat.values * STEPS)
    return values


def _along_the_normal(made: Dataset, shown: Source, stored: np.dtype[Any]) -> None:
    """Put frames in the order of their places: highdicom turns them the other way, and leaves no choice."""
    groups = list(made.PerFrameFunctionalGroupsSequence)
    corners = np.array([[float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient] for group in groups])
    order = np.argsort(corners @ shown.frames[0].normal, kind="stable")
    pixels = made["FloatPixelData" if stored.kind == "f" else "PixelData"]
    pixels.value = np.frombuffer(pixels.value, dtype=stored.newbyteorder("<")).reshape(len(groups), -1)[order].tobytes()
    made.PerFrameFunctionalGroupsSequence = [groups[index] for index in order]
    for number, group in enumerate(made.PerFrameFunctionalGroupsSequence, 1):
        group.FrameContentSequence[0].DimensionIndexValues = [number]


def _pack(made: Dataset) -> None:
    """Compress (RLE: what most receivers can read), each distinct frame once: all but a few are cold."""
    size = made.Rows * made.Columns * 2
    frames = [made.PixelData[start : start + size] for start in range(0, size * int(made.NumberOfFrames), size)]
    described = as_pixel_options(made, number_of_frames=1)
    packed = {frame: RLELosslessEncoder.encode(frame, **described) for frame in set(frames)}
    made.PixelData = encapsulate([packed[frame] for frame in frames])
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    made.file_meta.TransferSyntaxUID = RLELossless


def _mapping(top: float) -> RealWorldValueMapping:
    """From stored values, 0 to `top`, to heat."""
    return RealWorldValueMapping(
        lut_label="heat",
        lut_explanation="share of the strongest evidence",
        unit=codes.UCUM.NoUnits,
        value_range=(type(top)(0), top),
        slope=1 / top,
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
