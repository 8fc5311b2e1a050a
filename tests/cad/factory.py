"""DICOM series on disk with known truth, whole or with one defect each.

`build` renders a scene slice by slice at the true place of every slice, so a tilted or uneven series holds what a
scanner would have seen. Defects are functions on the list of data sets; `save` writes them.

    datasets = build(ball(), Layout(grid))
    paths = save(gap(datasets, 4), tmp_path)
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from cad.errors import Refusal
from cad.read.assemble import Assembled, assemble
from cad.read.headers import Scan, read_headers
from cad.read.limits import Limits
from cad.space import Grid

Scene = Callable[[Grid], np.ndarray]
Datasets = list[Dataset]
_CLASS = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4"}


@dataclass(frozen=True)
class Layout:
    """Where the slices lie: a grid, and how the scanner strayed from it.

    `tilt_degrees` shears the stack down the rows; `along_mm` replaces the even places along the normal.
    """

    grid: Grid
    tilt_degrees: float = 0.0
    along_mm: tuple[float, ...] = ()

    def slices(self) -> list[Grid]:
        """One grid of a single slice for each slice, in order along the normal."""
        step, rows_mm, _ = self.grid.spacing_mm
        normal, down = self.grid.affine[:3, 0] / step, self.grid.affine[:3, 1] / rows_mm
        out = []
        for along in self.along_mm or tuple(step * k for k in range(self.grid.shape[0])):
            affine = self.grid.affine.copy()
            affine[:3, 3] += along * (normal + down * np.tan(np.radians(self.tilt_degrees)))
            out.append(Grid((1, *self.grid.shape[1:]), affine))
        return out


def small_grid(shape: Sequence[int] = (12, 40, 32), spacing_mm: Sequence[float] = (2.5, 0.8, 0.8)) -> Grid:
    """An axial grid about the origin."""
    origin = [-(n - 1) / 2 * s for n, s in zip(reversed(list(shape)), reversed(list(spacing_mm)), strict=True)]
    return Grid.axial(shape, spacing_mm, origin)


def build(scene: Scene, layout: Layout, modality: str = "CT", seed: int = 1) -> Datasets:
    """One classic object a slice, lowest first, InstanceNumber from 1; CT stored unsigned with intercept -1024."""
    uid = _uids(seed)
    shared = {"study": uid(), "series": uid(), "frame": uid()}
    return [_dataset(scene(where)[0], where, modality, shared | {"object": uid()}, k + 1) for k, where in enumerate(layout.slices())]


def save(datasets: Datasets, folder: Path) -> list[Path]:
    """Writes the objects as 000.dcm, 001.dcm, ... in the order of the list."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for k, dataset in enumerate(datasets):
        paths.append(folder / f"{k:03d}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def read_back(paths: Sequence[Path], limits: Limits | None = None) -> tuple[Scan, Assembled]:
    """What reading makes of the files: the scan, and everything assembled from its series put together."""
    scan = read_headers(paths)
    parts = [assemble(series, limits) for study in scan.studies for series in study.series]
    return scan, Assembled(
        tuple(v for p in parts for v in p.volumes), tuple(r for p in parts for r in p.refusals), tuple(w for p in parts for w in p.warnings)
    )


def unaccounted(paths: Sequence[Path], scan: Scan, read: Assembled) -> set[str]:
    """Files that are neither behind a slice nor refused; must be empty."""
    used = {str(ref.path) for volume in read.volumes for ref in volume.sources}
    return {str(p) for p in paths} - used - reasons_by_path((*scan.refusals, *read.refusals)).keys()


def reasons_by_path(refusals: Sequence[Refusal]) -> dict[str, str]:
    """Path to reason code."""
    return {r.path: r.reason for r in refusals}


# --- what can be wrong with a series; each takes the list and returns another -----------------------------------


def reverse(datasets: Datasets) -> Datasets:
    """InstanceNumber runs against the position."""
    return _each(datasets, lambda d, k: setattr(d, "InstanceNumber", len(datasets) - k))


def shuffle(datasets: Datasets, seed: int = 3) -> Datasets:
    """Files in random order."""
    return random.Random(seed).sample(datasets, len(datasets))


def gap(datasets: Datasets, *missing: int) -> Datasets:
    """Without the slices at these places."""
    return [d for k, d in enumerate(datasets) if k not in missing]


def duplicate(datasets: Datasets, at: int) -> Datasets:
    """One file copied, UID and all."""
    return [*datasets, deepcopy(datasets[at])]


def resent(datasets: Datasets, at: int) -> Datasets:
    """The same slice sent again under a new SOP Instance UID."""
    return _changed(duplicate(datasets, at), len(datasets), SOPInstanceUID=generate_uid(entropy_srcs=["resent"]))


def conflict(datasets: Datasets, at: int) -> Datasets:
    """Another picture at the place of a slice."""
    again = resent(datasets, at)
    again[-1].PixelData = np.roll(_stored(again[-1]), 7, axis=1).tobytes()
    return again


def monochrome1(datasets: Datasets) -> Datasets:
    """Low values are shown bright; the values themselves are HU or mirrored signal."""
    return _each(datasets, lambda d, _: setattr(d, "PhotometricInterpretation", "MONOCHROME1"))


def slope_per_slice(datasets: Datasets) -> Datasets:
    """Every slice with a rescale of its own; the HU stay nearly what they were."""

    def rescale(dataset: Dataset, k: int) -> None:
        slope = 0.5 + 0.05 * k
        stored = np.rint(_stored(dataset) * float(dataset.get("RescaleSlope", 1)) / slope).astype(np.uint16)
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{slope:.2f}", dataset.get("RescaleIntercept", 0)
        dataset.PixelData = stored.tobytes()

    return _each(datasets, rescale)


def signed(datasets: Datasets) -> Datasets:
    """Stored signed with intercept 0."""

    def restore(dataset: Dataset, _: int) -> None:
        dataset.PixelData = (_stored(dataset).astype(np.int32) + int(dataset.RescaleIntercept)).astype(np.int16).tobytes()
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0

    return _each(datasets, restore)


def padded(datasets: Datasets, value: int = 63536) -> Datasets:
    """The first row is padding whose stored value would read as dense bone."""

    def pad(dataset: Dataset, _: int) -> None:
        stored = _stored(dataset).copy()
        stored[0] = value
        dataset.PixelData, dataset.PixelPaddingValue = stored.tobytes(), value

    return _each(datasets, pad)


def truncated(datasets: Datasets, at: int) -> Datasets:
    """Half of the pixel data of one slice is missing."""
    return _changed(datasets, at, PixelData=datasets[at].PixelData[: len(datasets[at].PixelData) // 4 * 2])


def other_size(datasets: Datasets, at: int) -> Datasets:
    """One slice with half the rows."""
    rows = int(datasets[at].Rows) // 2
    return _changed(datasets, at, Rows=rows, PixelData=_stored(datasets[at])[:rows].tobytes())


def other_spacing(datasets: Datasets, at: int) -> Datasets:
    """One slice with another PixelSpacing."""
    return _changed(datasets, at, PixelSpacing=[1.5 * float(s) for s in datasets[at].PixelSpacing])


def other_plane(datasets: Datasets, at: int) -> Datasets:
    """One slice in another plane: a scout among axial slices."""
    return _changed(datasets, at, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])


def missing_position(datasets: Datasets, at: int) -> Datasets:
    """One slice without ImagePositionPatient."""
    changed = deepcopy(datasets)
    del changed[at].ImagePositionPatient
    return changed


def single(datasets: Datasets) -> Datasets:
    """Only the middle slice."""
    return [datasets[len(datasets) // 2]]


def two_phases(datasets: Datasets) -> Datasets:
    """The series twice, the second time as another temporal position and brighter by 10 stored units."""
    late = deepcopy(datasets)
    for dataset in late:
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[dataset.SOPInstanceUID, "late"])
        dataset.PixelData = (_stored(dataset) + 10).astype(np.uint16).tobytes()
    for phase, part in enumerate((early := deepcopy(datasets), late)):
        for dataset in part:
            dataset.TemporalPositionIdentifier = phase + 1
    return [d for pair in zip(early, late, strict=True) for d in pair]


def localizer(datasets: Datasets) -> Datasets:
    """A planning view."""
    return _each(datasets, lambda d, _: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]))


def _each(datasets: Datasets, change: Callable[[Dataset, int], object]) -> Datasets:
    out = deepcopy(datasets)
    for k, dataset in enumerate(out):
        change(dataset, k)
    return out


def _changed(datasets: Datasets, at: int, **values: object) -> Datasets:
    out = deepcopy(datasets)
    for name, value in values.items():
        setattr(out[at], name, value)
    return out


def _stored(dataset: Dataset) -> np.ndarray:
    dtype = np.int16 if dataset.PixelRepresentation else np.uint16
    return np.frombuffer(dataset.PixelData, dtype).reshape(dataset.Rows, dataset.Columns)


def _uids(seed: int) -> Callable[[], str]:
    count = iter(range(1_000_000))
    return lambda: generate_uid(entropy_srcs=[f"factory {seed} {next(count)}"])


def _dataset(values: np.ndarray, where: Grid, modality: str, uids: dict[str, str], number: int) -> Dataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = _CLASS[modality], uids["object"]
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = _CLASS[modality], uids["object"]
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = uids["study"], uids["series"], uids["frame"]
    dataset.Modality, dataset.PatientID, dataset.StudyDate = modality, "FACTORY", "20200101"
    dataset.ImageType, dataset.InstanceNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], number
    _place(dataset, where)
    offset = 1024 if modality == "CT" else 0
    stored = np.clip(np.rint(values + offset), 0, 65535).astype(np.uint16)
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    if modality == "CT":
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, -1024, "HU"
    dataset.PixelData = stored.tobytes()
    return dataset


def _place(dataset: Dataset, where: Grid) -> None:
    step, rows_mm, columns_mm = where.spacing_mm
    across, down = where.affine[:3, 2] / columns_mm, where.affine[:3, 1] / rows_mm
    dataset.ImageOrientationPatient = [f"{v:.10f}" for v in (*across, *down)]
    dataset.ImagePositionPatient = [f"{v:.8f}" for v in where.origin_mm]
    dataset.PixelSpacing, dataset.SliceThickness = [f"{rows_mm:.8f}", f"{columns_mm:.8f}"], f"{step:.6f}"
