"""A head of ellipsoids with skull, brain, eyes, nose, mouth, chin, ears and airways, as DICOM slices of any geometry, CT or MR."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence

AIR, FAT, MUSCLE, BONE, GREY, WHITE, FLUID, EYE = range(8)
LOW, STEP = np.array([-104.0, -134.0, -172.0]), 2.0
SHAPE = (136, 128, 104)  # z, y, x
CONTRASTS = {
    "CT": (-1000, -90, 55, 950, 38, 30, 8, 12),
    "T1": (0, 900, 350, 45, 450, 600, 130, 140),
    "T2": (0, 480, 160, 35, 420, 330, 950, 900),
    "FLAIR": (0, 480, 260, 35, 520, 430, 80, 90),
    "DWI": (0, 45, 60, 8, 400, 350, 70, 90),
    "B0": (0, 70, 130, 10, 420, 340, 950, 850),
}
AXIAL = ((1, 0, 0), (0, 1, 0))
SAGITTAL = ((0, 1, 0), (0, 0, -1))
CORONAL = ((1, 0, 0), (0, 0, -1))


@dataclass(frozen=True)
class Scan:
    """A geometry: LPS corners of the view, axes of a slice, spacing (row, column, slice), rotation of the head in degrees."""

    contrast: str = "T1"
    axes: tuple[tuple[float, float, float], tuple[float, float, float]] = AXIAL
    spacing: tuple[float, float, float] = (2.0, 2.0, 3.0)
    low: tuple[float, float, float] = (-92, -130, -140)
    high: tuple[float, float, float] = (92, 112, 100)
    rotation: tuple[float, float, float] = (0, 0, 0)  # yaw, pitch (chin down), roll
    noise: float = 10.0
    bias: float = 0.25
    body_part: str = ""
    extra: dict[str, object] = field(default_factory=dict)


def _ball(mesh, centre, semi):
    return sum(((m - c) / s) ** 2 for m, c, s in zip(mesh, centre, semi, strict=True)) < 1


@cache
def labels() -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """Tissue, brain and face (nose, eyes, lips, chin and the skin around them) on the head's own lattice, (z, y, x)."""
    from scipy.ndimage import distance_transform_edt

    axes = [LOW[a] + STEP * np.arange(SHAPE[2 - a]) for a in range(3)]
    x, y, z = axes[0][None, None, :], axes[1][None, :, None], axes[2][:, None, None]
    mesh = (x, y, z)
    both = lambda c, s: _ball(mesh, c, s) | _ball(mesh, (-c[0], *c[1:]), s)  # noqa: E731
    cerebrum = _ball(mesh, (0, 0, 0), (65, 84, 75)) & (z > np.where(y < -28, -24, np.where(y < 30, -46, -28)))
    cerebrum &= ~((np.abs(x) < 18) & (y < 5) & (z < -26))  # the sella and the middle of the base
    brain = cerebrum | _ball(mesh, (0, 46, -44), (50, 32, 27)) | ((np.hypot(x, y - 14) < 13) & (z < -10) & (z > -78))
    cord = (np.hypot(x, y - 18) < 6) & (z < -70)
    outside = distance_transform_edt(~(brain | cord)) * STEP
    skin = (
        _ball(mesh, (0, 2, -2), (78, 98, 90))
        | _ball(mesh, (0, -42, -66), (60, 54, 74))
        | ((((x / 58) ** 2 + ((y - 24) / 62) ** 2) < 1) & (z < -20))
    )
    nose = _ball(mesh, (0, -98, -62), (13, 24, 22))
    lips, chin = _ball(mesh, (0, -90, -94), (24, 12, 11)), _ball(mesh, (0, -82, -122), (26, 20, 16))
    ears = both((80, 16, -36), (7, 14, 28))
    head = skin | nose | lips | chin | ears
    depth = distance_transform_edt(np.pad(head, 1))[1:-1, 1:-1, 1:-1] * STEP
    out = np.where(head, MUSCLE, AIR).astype(np.uint8)
    out[head & (depth < 6)] = FAT
    out[head & (depth <= 2)] = MUSCLE
    out[both((30, -74, -38), (19, 26, 17)) & head] = FAT
    out[both((30, -82, -38), (12, 12, 12))] = EYE
    jaw = (np.abs(np.hypot(x / 46, (y + 28) / 52) - 1) < 0.1) & (y < 0) & (z < -96) & (z > -122) & (depth > 6)
    out[jaw] = BONE
    holes = _ball(mesh, (0, -72, -62), (9, 26, 20)) | both((25, -66, -64), (13, 15, 16)) | _ball(mesh, (0, -34, -38), (11, 9, 7))
    holes |= (np.hypot(x, y + 18) < 8) & (z < -62) & (z > -172)
    rim = distance_transform_edt(~holes) * STEP
    out[(rim < 3) & (rim > 0) & head & (z > -85)] = BONE
    out[(outside > 1) & (outside < 8.5) & head] = BONE
    out[(outside > 3.4) & (outside < 5.5) & (z > 0) & head] = FAT  # marrow
    out[holes & head] = AIR
    out[outside <= 2] = FLUID
    inside = distance_transform_edt(brain) * STEP
    out[brain] = np.where(inside[brain] > 5, WHITE, GREY)
    out[both((12, 4, 10), (7, 32, 12)) & brain] = FLUID
    out[cord] = WHITE
    face = nose | lips | chin | (out == EYE)
    return out, brain, face


def turned(rotation: tuple[float, float, float]) -> NDArray[np.float64]:
    """Columns are the head's own axes in LPS, for a yaw, a pitch (chin down) and a roll in degrees."""
    yaw, pitch, roll = np.deg2rad(rotation)
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    return about_z @ about_x @ about_y


def planes(scan: Scan) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], int, int]:
    """Corners of the slices, step down, step right, rows, columns."""
    right, down = np.array(scan.axes[0], float), np.array(scan.axes[1], float)
    normal = np.cross(right, down)
    low, high = np.array(scan.low, float), np.array(scan.high, float)
    middle, size = (low + high) / 2, high - low
    extent = [abs(size @ np.abs(v)) if np.count_nonzero(v) == 1 else float(np.abs(v) @ size) for v in (down, right, normal)]
    rows, columns, slices = (max(1, int(e / s)) for e, s in zip(extent, scan.spacing, strict=True))
    first = middle - down * (rows - 1) / 2 * scan.spacing[0] - right * (columns - 1) / 2 * scan.spacing[1]
    offsets = (np.arange(slices) - (slices - 1) / 2) * scan.spacing[2]
    return first + offsets[:, None] * normal, down * scan.spacing[0], right * scan.spacing[1], rows, columns


def truth(scan: Scan, which: int) -> NDArray[np.generic]:
    """`labels()[which]` on the slices of a scan: (slices, rows, columns)."""
    from scipy.ndimage import map_coordinates

    corners, down, right, rows, columns = planes(scan)
    source, out = labels()[which].astype(np.uint8), []
    for corner in corners:
        points = corner + np.arange(rows)[:, None, None] * down + np.arange(columns)[None, :, None] * right
        own = points @ turned(scan.rotation)
        index = (own - LOW) / STEP
        out.append(map_coordinates(source, np.moveaxis(index, -1, 0)[::-1], order=0, mode="constant"))
    return np.stack(out)


def real_values(scan: Scan, seed: int = 0) -> NDArray[np.float32]:
    """HU or MR signal of every pixel, with noise and shading."""
    rng = np.random.default_rng(seed)
    clean = np.asarray(CONTRASTS[scan.contrast], dtype=np.float32)[truth(scan, 0)]
    if scan.contrast == "CT":
        return clean + rng.normal(0, scan.noise, clean.shape).astype(np.float32)
    ramps = [np.linspace(-1, 1, n, dtype=np.float32) for n in clean.shape]
    shade = 1 + scan.bias * (0.5 * ramps[0][:, None, None] + 0.5 * ramps[1][None, :, None] * ramps[2][None, None, :])
    real, other = rng.normal(0, scan.noise, (2, *clean.shape)).astype(np.float32)
    return np.hypot(clean * shade + real, other)


def slices(scan: Scan, seed: int = 0) -> list[FileDataset]:
    """The scan as classic slices, stored unsigned 12 bit for CT (intercept -1024) and 16 bit for MR."""
    return as_slices(scan, real_values(scan, seed))


def as_slices(scan: Scan, real: NDArray[np.float32]) -> list[FileDataset]:
    corners, down, right, _, _ = planes(scan)
    return [_slice(scan, real[k], corners[k], down, right, k) for k in range(len(corners))]


def _slice(scan, real, corner, down, right, k) -> FileDataset:
    ct = scan.contrast == "CT"
    image = Dataset()
    image.SOPClassUID = uid.CTImageStorage if ct else uid.MRImageStorage
    image.SOPInstanceUID = f"1.2.826.0.1.3680043.9.7777.5.{k + 1}"
    image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.826.0.1.3680043.9.7777.5", "1.2.826.0.1.3680043.9.7777.5.0"
    image.Modality = "CT" if ct else "MR"
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    if scan.body_part:
        image.BodyPartExamined = scan.body_part
    image.ImagePositionPatient = [f"{v:.4f}" for v in corner]
    image.PixelSpacing = [f"{np.linalg.norm(v):.5f}" for v in (down, right)]
    cosines = (*(right / np.linalg.norm(right)), *(down / np.linalg.norm(down)))
    image.ImageOrientationPatient = [f"{v:.8f}"[:16] for v in cosines]
    image.SliceThickness = f"{scan.spacing[2]:.4f}"
    image.InstanceNumber = k + 1
    if ct:
        image.RescaleSlope, image.RescaleIntercept = "1", "-1024"
        real = np.clip(real + 1024, 0, 4095)
    return grey(image, np.rint(real).astype("<u2"), 12 if ct else 16, **scan.extra)


def grey(image: Dataset, pixels: NDArray[np.generic], bits: int, **changes: object) -> FileDataset:
    """A data set with 16-bit unsigned grey pixels, as a file of Explicit VR Little Endian."""
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = pixels.shape[-2:]
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, bits, bits - 1, 0
    image.add_new(0x7FE00010, "OW", pixels.tobytes())
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    meta.ImplementationClassUID = "1.2.826.0.1.3680043.9.7777.1"
    return FileDataset("", image, preamble=bytes(128), file_meta=meta, is_implicit_VR=False, is_little_endian=True)


def enhanced(scan: Scan, seed: int = 0) -> FileDataset:
    """The scan as one enhanced multi-frame object."""
    parts = slices(scan, seed)
    first = parts[0]
    image = Dataset()
    image.SOPClassUID = uid.EnhancedCTImageStorage if scan.contrast == "CT" else uid.EnhancedMRImageStorage
    image.SOPInstanceUID, image.Modality = "1.2.826.0.1.3680043.9.7777.6.1", first.Modality
    image.StudyInstanceUID, image.SeriesInstanceUID = first.StudyInstanceUID, first.SeriesInstanceUID
    image.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared, measures, axes = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, axes.ImageOrientationPatient = first.PixelSpacing, first.ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([axes])
    if "RescaleSlope" in first:
        rescale = Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = first.RescaleSlope, first.RescaleIntercept
        shared.PixelValueTransformationSequence = Sequence([rescale])
    image.SharedFunctionalGroupsSequence = Sequence([shared])
    image.PerFrameFunctionalGroupsSequence = Sequence([_place(part) for part in parts])
    image.NumberOfFrames = len(parts)
    return grey(image, np.stack([part.pixel_array for part in parts]), 12 if scan.contrast == "CT" else 16)


def _place(part: FileDataset) -> Dataset:
    group, position = Dataset(), Dataset()
    position.ImagePositionPatient = part.ImagePositionPatient
    group.PlanePositionSequence = Sequence([position])
    return group
