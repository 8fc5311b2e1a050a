"""What one image says about itself: place, size, scale and what tells its volume from others in the series.

One `SliceFacts` a frame, from a classic object or from the functional groups of an enhanced one
(PS3.3 C.7.6.16). Nothing is guessed: what is missing is None.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.errors import BytesLengthException, InvalidDicomError

from cad.read.header import Header
from cad.space import Point
from cad.study import InstanceRef

# What pydicom and the decoders raise on damaged or hostile bytes; anything else is a bug and rises.
BROKEN = (
    InvalidDicomError, BytesLengthException, OSError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError,
    NotImplementedError, RuntimeError, RecursionError, OverflowError, MemoryError, AssertionError, struct.error, zlib.error,
)  # fmt: skip

Cosines = tuple[float, float, float, float, float, float]

TAGS = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "Modality", "Manufacturer", "SeriesDescription",
    "PatientID", "ContrastBolusAgent", "BodyPartExamined", "ScanningSequence", "SequenceVariant", "SequenceName", "SliceThickness",
    "EchoTime", "EchoNumbers", "TriggerTime", "ProtocolName", "ConvolutionKernel", "DiffusionBValue", "DiffusionGradientOrientation",
    "StudyInstanceUID", "SeriesInstanceUID", "AcquisitionNumber", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient",
    "FrameOfReferenceUID", "TemporalPositionIdentifier", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows",
    "Columns", "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "RescaleIntercept", "RescaleSlope", "RescaleType", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "ConversionType", "InversionTime", "RepetitionTime",
    "FlipAngle", "EchoTrainLength", "MRAcquisitionType", "AngioFlag", "AnatomicRegionSequence", "InversionTimes", "EffectiveEchoTime",
    "FrameType", "AcquisitionContrast", "InversionRecovery", "TimeOfFlightContrast", "EchoPlanarPulseSequence", "PhaseContrast",
    "ArterialSpinLabelingContrast", "EchoPulseSequence", "PulseSequenceName", "RFEchoTrainLength",
    "ContrastBolusRoute", "ContrastBolusVolume", "ContrastBolusTotalDose", "ContrastBolusIngredient",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SliceFacts:
    """One frame. Lengths in mm, LPS; `spacing_mm` is (row, column) distance; `marks` name what may split a series.

    `slope` and `intercept` are None when the header has no rescale; `padding` is the closed range of stored
    values that mean "no image here".
    """

    ref: InstanceRef
    rows: int
    columns: int
    position_mm: Point | None
    orientation: Cosines | None
    spacing_mm: tuple[float, float] | None
    thickness_mm: float | None
    slope: float | None
    intercept: float | None
    unit: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    samples: int
    inverted: bool
    padding: tuple[int, int] | None
    marks: tuple[tuple[str, str], ...]


@contextmanager
def discreet() -> Iterator[None]:
    """Keeps pydicom from quoting header values in warnings and logs while a file is read."""
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        yield


class Frames:
    """Looks attributes of one object up where they may be: the frame's groups, the shared groups, the object itself."""

    __slots__ = ("_dataset", "_per_frame", "_shared")

    def __init__(self, dataset: Header) -> None:
        shared: Any = dataset.get("SharedFunctionalGroupsSequence") or ()
        self._dataset = dataset
        self._per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or ()
        self._shared = _flat(shared[0]) if len(shared) else {}

    def __len__(self) -> int:
        """How many frames the object declares; 1 for a classic object."""
        return max(1, int(self._dataset.get("NumberOfFrames") or 1))

    def frame(self, index: int) -> Frame:
        """One frame's view of the object."""
        own = _flat(self._per_frame[index]) if index < len(self._per_frame) else {}
        return Frame(self._dataset, {**self._shared, **own})


class Frame:
    """One frame's attributes by keyword. Conversions raise ValueError or TypeError for text that is no number."""

    __slots__ = ("_dataset", "_values")

    def __init__(self, dataset: Header, values: dict[str, Any]) -> None:
        self._dataset, self._values = dataset, values

    def find(self, keyword: str) -> Any:
        """The value, or None when the element is missing."""
        return self._values[keyword] if keyword in self._values else self._dataset.get(keyword)

    @property
    def position_mm(self) -> Point | None:
        """ImagePositionPatient."""
        return cast("Point | None", _numbers(self.find("ImagePositionPatient"), 3))

    @property
    def orientation(self) -> Cosines | None:
        """ImageOrientationPatient."""
        return cast("Cosines | None", _numbers(self.find("ImageOrientationPatient"), 6))

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """PixelSpacing: between rows, between columns."""
        return cast("tuple[float, float] | None", _numbers(self.find("PixelSpacing"), 2))

    def number(self, keyword: str) -> float | None:
        """A single number, or None when missing or empty."""
        value = self.find(keyword)
        return None if value is None or value == "" else float(value)


def facts_of(dataset: Header, refs: Sequence[InstanceRef]) -> tuple[SliceFacts, ...]:
    """The facts of the wanted frames of one object, in the order of `refs`. May raise anything in `BROKEN`."""
    frames = Frames(dataset)
    return tuple(_facts(dataset, frames.frame(ref.frame), ref) for ref in refs)


def _facts(dataset: Header, frame: Frame, ref: InstanceRef) -> SliceFacts:
    stored = int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 16)
    high_bit = dataset.get("HighBit")
    return SliceFacts(
        ref=ref,
        rows=int(dataset.get("Rows") or 0),
        columns=int(dataset.get("Columns") or 0),
        position_mm=frame.position_mm,
        orientation=frame.orientation,
        spacing_mm=frame.spacing_mm,
        thickness_mm=frame.number("SliceThickness"),
        slope=frame.number("RescaleSlope"),
        intercept=frame.number("RescaleIntercept"),
        unit=str(frame.find("RescaleType") or ""),
        bits_allocated=int(dataset.get("BitsAllocated") or 16),
        bits_stored=stored,
        high_bit=stored - 1 if high_bit is None else int(high_bit),
        signed=bool(dataset.get("PixelRepresentation")),
        samples=int(dataset.get("SamplesPerPixel") or 1),
        inverted=dataset.get("PhotometricInterpretation") == "MONOCHROME1",
        padding=_padding(dataset),
        marks=_marks(frame),
    )


def _flat(group: Dataset) -> dict[str, Any]:
    """Keyword to value over the macros of a functional group and one level inside them (diffusion gradients lie there)."""
    values: dict[str, Any] = {}
    items = [element.value[0] for element in group if element.VR == "SQ" and element.value]
    items += [inner.value[0] for item in items for inner in item if inner.VR == "SQ" and inner.value]
    for item in items:
        for element in item:
            if element.keyword in _WANTED and element.keyword not in values:
                values[element.keyword] = element.value
    return values


# In the order in which a series is split: what a scanner means by "another volume" first.
_MARKS = (
    "StackID", "TemporalPositionIdentifier", "TemporalPositionIndex", "EffectiveEchoTime", "EchoTime", "EchoNumbers", "DiffusionBValue",
    "DiffusionGradientOrientation", "FrameType", "ImageType", "InversionTime", "NominalCardiacTriggerDelayTime", "TriggerTime",
    "ContrastBolusAgent", "ConvolutionKernel", "AcquisitionNumber",
)  # fmt: skip
_WANTED = frozenset(TAGS) | frozenset(_MARKS)


def _marks(frame: Frame) -> tuple[tuple[str, str], ...]:
    found = ((name, frame.find(name)) for name in _MARKS)
    return tuple((name, str(value)) for name, value in found if value is not None and value != "")


def _padding(dataset: Header) -> tuple[int, int] | None:
    """The padding range in the pixel's own signedness; a negative value written as unsigned is put right."""
    value, limit = dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")
    if not isinstance(value, int):
        return None
    ends = [value, limit if isinstance(limit, int) else value]
    bits = int(dataset.get("BitsAllocated") or 16)
    if dataset.get("PixelRepresentation"):
        ends = [v - (1 << bits) if v >= 1 << (bits - 1) else v for v in ends]
    else:
        ends = [v + (1 << bits) if v < 0 else v for v in ends]
    return min(ends), max(ends)


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    if value is None or value == "" or not hasattr(value, "__len__") or len(value) != count:
        return None
    return tuple(float(v) for v in value)
