"""What was acquired, without pixels: Study, Series, InstanceRef."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cad.space import Point

_SAME_PLACE_MM = 0.05
_NEARLY_ALONG = 0.82  # cosine of 35 degrees: heads are scanned tilted and still called axial
_REFORMATS = frozenset(
    {"MPR", "MIP", "MINIP", "MNIP", "PROJECTION IMAGE", "MAX_IP", "MIN_IP", "VOLUME RENDERING", "CURVED", "CPR", "REFORMATTED"}
)


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
class Acquisition:
    """How the scanner made the pictures of a series, as its headers say (PS3.3 C.8.3, C.8.13 and C.7.6.16).

    Times in ms, the flip angle in degrees, b-values in s/mm2. `image_types` are the different ImageType (or FrameType) values
    within the series, `contrasts` what an enhanced object says in words (AcquisitionContrast and the like). `contrast_given` is
    "yes" (an agent, dose or route is named), "likely" (the header keeps an emptied agent, as de-identified ones do; PS3.3
    C.7.6.4 asks for it only where one was given) or "". Missing values are None or empty.
    """

    echo_times_ms: tuple[float, ...] = ()
    repetition_time_ms: float | None = None
    inversion_time_ms: float | None = None
    flip_angle_deg: float | None = None
    echo_train_length: int | None = None
    b_values: tuple[float, ...] = ()
    scanning_sequence: tuple[str, ...] = ()
    sequence_variant: tuple[str, ...] = ()
    dimensions: str = ""
    angiography: str = ""
    sequence_name: str = ""
    protocol: str = ""
    contrast_given: str = ""
    contrasts: tuple[str, ...] = ()
    image_types: tuple[tuple[str, ...], ...] = ()

    def joined(self, other: Acquisition) -> Acquisition:
        """With what another object of the same series adds: its echo times, b-values, contrasts and image types."""
        if other == self:
            return self
        return replace(
            self,
            echo_times_ms=tuple(sorted({*self.echo_times_ms, *other.echo_times_ms})),
            b_values=tuple(sorted({*self.b_values, *other.b_values})),
            contrasts=tuple(dict.fromkeys((*self.contrasts, *other.contrasts))),
            image_types=tuple(dict.fromkeys((*self.image_types, *other.image_types))),
        )


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
    acquisition: Acquisition = Acquisition()

    @property
    def plane(self) -> str:
        """ "axial", "coronal" or "sagittal" when the slices lie within 35 degrees of it, else "oblique"; "" when not said."""
        if self.orientation is None:
            return ""
        normal = np.abs(np.cross(self.orientation[:3], self.orientation[3:]))
        axis = int(np.argmax(normal))
        return ("sagittal", "coronal", "axial")[axis] if normal[axis] >= _NEARLY_ALONG else "oblique"

    @property
    def places_mm(self) -> tuple[float, ...]:
        """The different places of the slices along their normal, rising; empty where positions are missing."""
        known = [ref.position_mm for ref in self.instances if ref.position_mm is not None]
        if self.orientation is None or not known:
            return ()
        along = np.sort(np.asarray(known) @ np.cross(self.orientation[:3], self.orientation[3:]))
        apart = np.concatenate(([True], np.diff(along) > _SAME_PLACE_MM))
        return tuple(float(place) for place in along[apart])

    @property
    def slice_spacing_mm(self) -> float | None:
        """The usual distance of neighbouring slices, from their positions; None for fewer than two places."""
        places = self.places_mm
        return float(np.median(np.diff(places))) if len(places) > 1 else None

    @property
    def extent_mm(self) -> float | None:
        """How far the scan reaches along the normal, outer faces included; None where that cannot be told."""
        spacing = self.slice_spacing_mm
        return None if spacing is None else self.places_mm[-1] - self.places_mm[0] + spacing

    @property
    def slices(self) -> int:
        """At how many places there are pictures; every instance counts where positions are missing."""
        return len(self.places_mm) or len(self.instances)

    @property
    def repeats(self) -> int:
        """How many pictures there are at a place: 1 for a plain volume, more for phases, echoes and b-values."""
        return round(len(self.instances) / self.slices) if self.slices else 0

    @property
    def reformatted(self) -> bool:
        """Whether the headers call it a projection or reformat (MIP, MPR) of another series."""
        return any(word.upper() in _REFORMATS for kind in (self.image_type, *self.acquisition.image_types) for word in kind)

    @property
    def secondary(self) -> bool:
        """Whether ImageType's second value says that it was made from other pictures (PS3.3 C.7.6.1.1.2)."""
        return len(self.image_type) > 1 and self.image_type[1].upper() == "SECONDARY"


@dataclass(frozen=True, slots=True)
class Study:
    """All series of one StudyInstanceUID; `patient` is a pseudonym by the time CAD sees it."""

    study_instance_uid: str
    patient: str
    series: tuple[Series, ...]
    study_date: str = ""
