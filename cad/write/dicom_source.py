"""The images a volume came from, as DICOM output refers to them: whose they are, which frames, and where their pixels lie.

Everything is read again from the (de-identified) headers, and only values of the right form go on: what is written must be
valid whatever the source held. Places come from ImagePositionPatient alone; SpacingBetweenSlices is never believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.valuerep import format_number_as_ds
from scipy import ndimage

from cad.errors import Refusal
from cad.read.element_walk import HeaderError
from cad.read.facts import BROKEN, TAGS, SliceFacts, discreet, facts_of
from cad.read.header import Header, read_header
from cad.space import FloatArray
from cad.volume import Volume

PERSON = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
STUDY = ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName")
CLEANED = ("PatientIdentityRemoved", "DeidentificationMethod", "LongitudinalTemporalInformationModified")
CLEANED_CODES = "DeidentificationMethodCodeSequence"
_READ = (*TAGS, *PERSON, *STUDY, *CLEANED, CLEANED_CODES, "SeriesNumber")
_GROUPS = ("NumberOfFrames", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_INSIDE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One source picture: its instance, its frame number (None for a classic object) and the 3x4 map (row, column, 1) -> LPS mm."""

    sop_class_uid: str
    sop_instance_uid: str
    number: int | None
    affine: FloatArray

    @property
    def normal(self) -> FloatArray:
        """The unit vector across the picture."""
        return np.asarray(np.cross(self.affine[:, 1], self.affine[:, 0]) / np.prod(np.linalg.norm(self.affine[:, :2], axis=0)))

    def to_pixel(self, points_mm: FloatArray) -> FloatArray:
        """LPS millimetres (..., 3) to (row, column) of the picture below them (pixel centres are whole numbers)."""
        spacing = np.linalg.norm(self.affine[:, :2], axis=0)
        return np.asarray((points_mm - self.affine[:, 2]) @ (self.affine[:, :2] / spacing) / spacing)

    def off_mm(self, points_mm: FloatArray) -> FloatArray:
        """How far points lie from the picture's plane."""
        return np.asarray(np.abs((points_mm - self.affine[:, 2]) @ self.normal))


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One series as DICOM output sees it. `headers` are clean copies, one an instance; `identity` whose study it is.

    `thickness_mm` is what the header says, or the distance of neighbouring pictures where it says nothing; `notes` are what the
    source had wrong and what was made of it.
    """

    headers: tuple[Dataset, ...]
    frames: tuple[Frame, ...]
    identity: Dataset
    rows: int
    columns: int
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, float]
    thickness_mm: float
    notes: tuple[Refusal, ...] = ()
    series_number: int = 0  # 0: none

    @property
    def series_instance_uid(self) -> str:
        """The source's series."""
        return str(self.headers[0].SeriesInstanceUID)

    @property
    def frame_of_reference_uid(self) -> str:
        """The source's frame of reference."""
        return str(self.headers[0].FrameOfReferenceUID)

    @property
    def modality(self) -> str:
        """CT or MR."""
        return str(self.headers[0].Modality)

    def header_of(self, frame: Frame) -> Dataset:
        """The header of the instance a frame lies in."""
        return next(header for header in self.headers if header.SOPInstanceUID == frame.sop_instance_uid)

    def nearest(self, point_mm: Sequence[float]) -> Frame:
        """The picture whose plane is nearest to a point."""
        point = np.asarray(point_mm, dtype=np.float64)
        return min(self.frames, key=lambda frame: float(frame.off_mm(point)))


def source_of(volume: Volume) -> Source | Refusal:
    """The images behind a volume; a Refusal where nothing can be referred to (no source, no frame of reference, sizes that differ)."""
    if not volume.sources:
        return _refused("no_source_images", "the volume names no images it came from")
    try:
        with discreet():
            return _source(volume)
    except HeaderError as error:
        return _refused("source_unreadable", error.problem)
    except BROKEN as error:
        return _refused("source_unreadable", f"a header of the series cannot be read again ({type(error).__name__})")


@dataclass(frozen=True, slots=True, eq=False)
class OnFrames:
    """Values of a volume at a source's pixels, as far as it reaches: `part` (frames, rows, columns) of the source; 0 outside it."""

    values: NDArray[np.float32]
    part: tuple[slice, slice, slice]

    def cut(self, wanted: NDArray[np.bool_]) -> OnFrames:
        """Only the box that holds every wanted value, of which there is one at least."""
        box = _box(wanted)
        moved = [slice(old.start + new.start, old.start + new.stop) for old, new in zip(self.part, box, strict=True)]
        return OnFrames(self.values[box], (moved[0], moved[1], moved[2]))


def on_frames(volume: Volume, source: Source) -> OnFrames:
    """Values of a volume at the pixels of a source's frames, linear between voxels.

    A finding reaches a hundredth of a scan: nothing as large as the scan is made of it.
    """
    volume = _trimmed(volume)
    windows = {k: window for k, frame in enumerate(source.frames) if (window := _window(volume, frame, source)) is not None}
    if not windows:
        return OnFrames(np.zeros((0, 0, 0), dtype=np.float32), (slice(0, 0), slice(0, 0), slice(0, 0)))
    rows, columns = (slice(min(w[a].start for w in windows.values()), max(w[a].stop for w in windows.values())) for a in (0, 1))
    depth = slice(min(windows), max(windows) + 1)
    values = np.zeros((depth.stop - depth.start, rows.stop - rows.start, columns.stop - columns.start), dtype=np.float32)
    voxels = np.asarray(volume.voxels, dtype=np.float32)
    for k, (high, wide) in windows.items():
        place = slice(high.start - rows.start, high.stop - rows.start), slice(wide.start - columns.start, wide.stop - columns.start)
        values[(k - depth.start, *place)] = _sampled(voxels, volume, source.frames[k], (high, wide))
    return OnFrames(values, (depth, rows, columns))


def mask_on_frames(mask: Volume, source: Source) -> NDArray[np.bool_]:
    """A mask at the pixels of every frame. One too small to meet a pixel's centre keeps the pixels nearest to its voxels."""
    sampled = on_frames(mask, source)
    found = np.zeros((len(source.frames), source.rows, source.columns), dtype=bool)
    inside = sampled.values >= _INSIDE
    found[sampled.part] = inside
    if inside.any() or not mask.voxels.any():
        return found
    points = mask.grid.to_mm(np.argwhere(mask.voxels))
    frame = int(np.argmin([float(frame.off_mm(points).min()) for frame in source.frames]))
    row, column = np.rint(source.frames[frame].to_pixel(points)).astype(int).T
    here = (row >= 0) & (row < source.rows) & (column >= 0) & (column < source.columns)
    found[frame, row[here], column[here]] = True
    return found


def _source(volume: Volume) -> Source | Refusal:
    refs = list({(ref.path, ref.frame): ref for ref in volume.sources}.values())
    headers = {path: read_header(path, _READ) for path in dict.fromkeys(ref.path for ref in refs)}
    facts = [fact for ref in refs for fact in facts_of(headers[ref.path], (ref,))]
    first = facts[0]
    frames = tuple(_frame(fact, headers[fact.ref.path]) for fact in facts if fact.position_mm and fact.orientation and fact.spacing_mm)
    clean = tuple(_clean(header) for header in headers.values())
    problem = _problem(facts, frames, clean)
    if problem or first.orientation is None or first.spacing_mm is None:
        return problem or _refused("no_place", "the images do not say where they lie")
    whose, thickness = _identity(headers[first.ref.path]), _thickness(first, frames)
    notes = _one_frame_of_reference(clean)
    for header in clean:
        header.SliceThickness = format_number_as_ds(thickness)
    number = _number(headers[first.ref.path].get("SeriesNumber"))
    return Source(clean, frames, whose, first.rows, first.columns, first.orientation, first.spacing_mm, thickness, notes, number)


def _one_frame_of_reference(headers: Sequence[Dataset]) -> tuple[Refusal, ...]:
    """Give all images the frame of reference of most of them (the first of equals): positions that make a volume share one."""
    counted = Counter(str(header.FrameOfReferenceUID) for header in headers)
    chosen, _ = counted.most_common(1)[0]
    for header in headers:
        header.FrameOfReferenceUID = chosen
    detail = f"the images of one volume name {len(counted)} frames of reference; DICOM objects made of it name one of these"
    return (_refused("frames_of_reference_differ", detail),) if len(counted) > 1 else ()


def _problem(facts: Sequence[SliceFacts], frames: Sequence[Frame], headers: Sequence[Dataset]) -> Refusal | None:
    if len(frames) < len(facts):
        return _refused("no_place", "the images do not say where they lie (ImagePositionPatient, ImageOrientationPatient, PixelSpacing)")
    if not all(header.FrameOfReferenceUID for header in headers):
        return _refused("no_frame_of_reference", "the images name no frame of reference, so that nothing can be laid over them")
    if len({(fact.rows, fact.columns, fact.spacing_mm) for fact in facts}) > 1 or len({str(h.SeriesInstanceUID) for h in headers}) > 1:
        return _refused("mixed_images", "the images differ in size, spacing or series")
    if len(headers) > 1 and any("NumberOfFrames" in header for header in headers):
        return _refused("several_multiframe", "the volume comes from more than one multi-frame object")
    return None


def _frame(fact: SliceFacts, header: Header) -> Frame:
    """Rows run along the second cosine, columns along the first (PS3.3 C.7.6.2.1.1)."""
    along, down = np.asarray(fact.orientation[:3]), np.asarray(fact.orientation[3:])  # type: ignore[index]
    row_mm, column_mm = fact.spacing_mm  # type: ignore[misc]
    affine = np.stack([down * row_mm, along * column_mm, np.asarray(fact.position_mm)], axis=1)
    number = fact.ref.frame + 1 if header.get("NumberOfFrames") else None
    return Frame(fact.ref.sop_class_uid, fact.ref.sop_instance_uid, number, affine)


def _thickness(first: SliceFacts, frames: Sequence[Frame]) -> float:
    if first.thickness_mm and first.thickness_mm > 0:
        return float(first.thickness_mm)
    places = np.unique([round(float(frame.affine[:, 2] @ frames[0].normal), 3) for frame in frames])
    return float(np.median(np.diff(places))) if len(places) > 1 else 1.0


def _clean(header: Header) -> Dataset:
    """What highdicom needs of one instance, values of the right form only."""
    clean = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality"):
        setattr(clean, keyword, str(header.get(keyword) or ""))
    clean.Rows, clean.Columns = int(header.get("Rows")), int(header.get("Columns"))
    if header.get("NumberOfFrames"):
        for keyword in _GROUPS:
            setattr(clean, keyword, header.get(keyword))
    else:
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            setattr(clean, keyword, [format_number_as_ds(float(value)) for value in header.get(keyword) or ()])
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"):
        setattr(clean, keyword, None)  # `identity` is put in their place at the end
    return clean


def _identity(header: Header) -> Dataset:
    """Patient, study and what was done to them, as the source says it."""
    whose = Dataset()
    for keyword in (*PERSON, *STUDY, *CLEANED):
        value = header.get(keyword)
        text = "\\".join(str(part) for part in value) if isinstance(value, tuple) else str(value or "")
        if text or keyword in (*PERSON, *STUDY):
            setattr(whose, keyword, _fit(keyword, text))
    if header.get(CLEANED_CODES):
        setattr(whose, CLEANED_CODES, header.get(CLEANED_CODES))
    return whose


def _number(value: object) -> int:
    try:
        return int(str(value or 0))
    except ValueError:
        return 0


def _fit(keyword: str, text: str) -> str | list[str]:
    forms = {"PatientBirthDate": "%Y%m%d", "StudyDate": "%Y%m%d", "StudyTime": "%H%M%S"}
    if keyword in forms:
        try:
            datetime.strptime(text.partition(".")[0], forms[keyword])  # noqa: DTZ007 - only its form is looked at
        except ValueError:
            return ""
    if keyword == "PatientSex" and text not in ("M", "F", "O"):
        return ""
    return text.split("\\") if "\\" in text else text


def _trimmed(volume: Volume) -> Volume:
    """The part of a volume that is not zero: an outline on the whole scan's grid is sampled no longer than one on a crop."""
    nonzero = np.asarray(volume.voxels != 0)
    if not nonzero.any():
        return volume
    part = _box(nonzero)
    return Volume(volume.voxels[part], volume.grid.crop([span.start for span in part], [span.stop - span.start for span in part]))


def _box(used: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box that holds every used value, of which there is one at least."""
    lines = (np.flatnonzero(used.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    return tuple(slice(int(line[0]), int(line[-1]) + 1) for line in lines)


def _window(volume: Volume, frame: Frame, source: Source) -> tuple[slice, slice] | None:
    """The pixels of a frame that may lie in a volume; None where its plane misses it."""
    top = np.asarray(volume.grid.shape)
    corners = volume.grid.to_mm(np.array([[(-1.0, float(top[a]))[bit >> a & 1] for a in range(3)] for bit in range(8)]))
    along = (corners - frame.affine[:, 2]) @ frame.normal
    if along.min() > 0 or along.max() < 0:
        return None
    pixels = frame.to_pixel(corners)
    low = np.maximum(np.floor(pixels.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 1, (source.rows, source.columns))
    return (slice(low[0], high[0]), slice(low[1], high[1])) if (high > low).all() else None


def _sampled(voxels: NDArray[np.float32], volume: Volume, frame: Frame, window: tuple[slice, slice]) -> NDArray[np.float32]:
    rows, columns = window
    linear = np.linalg.inv(volume.grid.affine[:3, :3])
    step = linear @ frame.affine[:, :2]
    start = volume.grid.to_index(frame.affine[:, 2]) + step @ np.array([rows.start, columns.start])
    matrix = np.concatenate([np.zeros((3, 1)), step], axis=1)  # the output is one picture deep
    shape = (1, rows.stop - rows.start, columns.stop - columns.start)
    return np.asarray(
        ndimage.affine_transform(voxels, matrix, start, output_shape=shape, order=1, mode="grid-constant", cval=0.0)[0], dtype=np.float32
    )


def _refused(reason: str, detail: str) -> Refusal:
    return Refusal("", reason, detail)
