"""What was acquired, without pixels: Study, Series, InstanceRef."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cad.space import Point


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One stored object (or one frame of a multi-frame object) and where it lies.

    `path` is the file on disk, `frame` counts from 0, `position_mm` is ImagePositionPatient (LPS).
    """

    sop_instance_uid: str
    sop_class_uid: str
    path: Path
    frame: int = 0
    instance_number: int | None = None
    position_mm: Point | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Instances of one SeriesInstanceUID with the acquisition facts a task chooses by.

    Missing header values are None or empty; nothing is guessed here.
    """

    series_instance_uid: str
    modality: str
    instances: tuple[InstanceRef, ...]
    description: str = ""
    body_part: str = ""
    orientation: tuple[float, float, float, float, float, float] | None = None
    rows: int | None = None
    columns: int | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    slice_thickness_mm: float | None = None
    image_type: tuple[str, ...] = ()
    kernel: str = ""
    contrast_agent: str = ""
    sequence_name: str = ""
    frame_of_reference_uid: str = ""
    manufacturer: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """All series of one StudyInstanceUID; `patient` is a pseudonym by the time CAD sees it."""

    study_instance_uid: str
    patient: str
    series: tuple[Series, ...]
    study_date: str = ""
