"""Segmentations and contours written here come back on the image's grid, voxel for voxel, whatever their frame order and flips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantoms
import pytest
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from cad.errors import ShokenError
from cad.read.rtstruct import RTSTRUCT_CLASS, read_rtstruct
from cad.read.segmentation import SEGMENTATION_CLASSES, read_segment, read_segmentation
from cad.space import Grid

GRIDS = {
    "axial": Grid.axial((9, 24, 20), (2.5, 0.7, 0.7), (-8, -9, 100)),
    "oblique": phantoms.oblique((9, 24, 20), (2.5, 0.7, 0.9), (3, -40, 500), 5),
}


def balls(grid: Grid) -> dict[str, np.ndarray]:
    middle = grid.to_mm((np.array(grid.shape) - 1) / 2)
    return {
        "Nodule": phantoms.mask(grid, phantoms.sphere(middle, 9)).voxels,
        "Vessel": phantoms.mask(grid, phantoms.sphere(middle + 3, 7)).voxels,
    }


def item(**values: object) -> Dataset:
    out = Dataset()
    for name, value in values.items():
        setattr(out, name, value)
    return out


def shell(sop_class: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["truth"])
    out = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    out.SOPClassUID, out.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    return out


def segmentation(path: Path, grid: Grid, kind: str, masks: dict[str, np.ndarray], flip: bool = False) -> Path:
    """Frames from the last slice to the first, empty ones left out; `flip` writes rows and columns backwards."""
    out = shell(SEGMENTATION_CLASSES[kind == "LABELMAP"])
    names = list(masks)
    out.Modality, out.SegmentationType = "SEG", kind
    out.SegmentSequence = Sequence([item(SegmentNumber=n + 1, SegmentLabel=name) for n, name in enumerate(names)])
    frames, groups = [], []
    for k in reversed(range(grid.shape[0])):
        for n, plane in _planes(kind, k, masks):
            if plane.any():
                frames.append(plane[::-1, ::-1] if flip else plane)
                groups.append(_group(grid, k, n, flip))
    axes = grid.affine[:3, :3] / grid.spacing_mm * (-1 if flip else 1)
    out.SharedFunctionalGroupsSequence = Sequence(
        [
            item(
                PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=[f"{v:.12f}" for v in (*axes[:, 2], *axes[:, 1])])]),
                PixelMeasuresSequence=Sequence([item(PixelSpacing=[f"{s:.10f}" for s in grid.spacing_mm[1:]])]),
            )
        ]
    )
    out.PerFrameFunctionalGroupsSequence = Sequence(groups)
    out.NumberOfFrames, out.Rows, out.Columns, out.SamplesPerPixel = len(frames), *grid.shape[1:], 1
    bits = 1 if kind == "BINARY" else 8
    out.BitsAllocated = out.BitsStored = bits
    out.HighBit, out.PixelRepresentation, out.PhotometricInterpretation = bits - 1, 0, "MONOCHROME2"
    array = np.stack(frames).astype(np.uint8)
    if kind == "FRACTIONAL":
        out.MaximumFractionalValue = 100
        array *= 80
    out.PixelData = pack_bits(array) if bits == 1 else array.tobytes()
    out.save_as(path, enforce_file_format=True)
    return path


def _planes(kind: str, k: int, masks: dict[str, np.ndarray]) -> list[tuple[int, np.ndarray]]:
    if kind != "LABELMAP":
        return [(n + 1, mask[k]) for n, mask in enumerate(masks.values())]
    labels = np.zeros(next(iter(masks.values())).shape[1:], np.uint8)
    for n, mask in enumerate(masks.values()):
        labels[mask[k] > 0] = n + 1
    return [(0, labels)]


def _group(grid: Grid, k: int, number: int, flip: bool) -> Dataset:
    corner = grid.to_mm((k, grid.shape[1] - 1, grid.shape[2] - 1) if flip else (k, 0, 0))
    out = item(PlanePositionSequence=Sequence([item(ImagePositionPatient=[f"{v:.8f}" for v in corner])]))
    if number:
        out.SegmentIdentificationSequence = Sequence([item(ReferencedSegmentNumber=number)])
    return out


@pytest.mark.parametrize("flip", [False, True], ids=["as it is", "flipped"])
@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("name", GRIDS)
def test_a_segmentation_comes_back_voxel_for_voxel(name: str, kind: str, flip: bool, tmp_path: Path) -> None:
    grid = GRIDS[name]
    truth = balls(grid)
    if kind == "LABELMAP":  # one voxel, one label
        truth["Nodule"] = truth["Nodule"] & ~truth["Vessel"] & 1
    read = read_segmentation(segmentation(tmp_path / "seg.dcm", grid, kind, truth, flip), grid)
    assert read.masks.keys() == truth.keys()
    assert read.outside == 0
    for label, mask in read.masks.items():
        assert mask.grid == grid
        assert mask.voxels.any()
        assert np.array_equal(mask.voxels, truth[label])


def test_a_segmentation_of_a_larger_image_counts_what_lies_outside(tmp_path: Path) -> None:
    grid = GRIDS["axial"]
    truth = balls(grid)
    path = segmentation(tmp_path / "seg.dcm", grid, "BINARY", truth)
    small = read_segmentation(path, grid.crop((0, 0, 0), (4, 24, 20)))
    assert np.array_equal(small.masks["Nodule"].voxels, truth["Nodule"][:4])
    assert small.outside == sum(int(mask[4:].sum()) for mask in truth.values())


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_a_segment_spans_a_grid_of_its_own_frames(tmp_path, kind):
    """Without the image: the same places in space, in as many slices as the segment needs."""
    grid = GRIDS["oblique"]
    truth = balls(grid)
    if kind == "LABELMAP":
        truth["Vessel"] = truth["Vessel"] & ~truth["Nodule"]
    path = segmentation(tmp_path / "seg.dcm", grid, kind, truth)
    found = read_segment(path, "Vessel")
    there = grid.to_mm(np.argwhere(truth["Vessel"]))
    held = found.grid.to_mm(np.argwhere(found.voxels))
    assert len(held) == len(there)
    assert np.abs(np.sort(held, axis=0) - np.sort(there, axis=0)).max() < 1e-3
    with pytest.raises(ShokenError, match="0 such segments"):
        read_segment(path, "Aorta")
    with pytest.raises(ShokenError, match="2 such segments"):
        read_segment(path)


def test_a_segmentation_off_the_image_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    grid = GRIDS["axial"]
    path = segmentation(tmp_path / "seg.dcm", grid, "BINARY", balls(grid))
    with pytest.raises(ShokenError, match="off the image's"):
        read_segmentation(path, Grid.axial((9, 24, 20), (2.5, 0.7, 0.7), (-8, -9, 101)))
    with pytest.raises(ShokenError, match="structure set"):
        read_rtstruct(path, grid)
    (tmp_path / "no").write_bytes(b"no")
    with pytest.raises(ShokenError, match="cannot be read"):
        read_segmentation(tmp_path / "no", grid)


def contours(path: Path, grid: Grid, drawn: dict[str, list[tuple[int, float, float, float]]]) -> Path:
    """Circles (slice, row, column, radius) in index coordinates, as polygons of 200 corners."""
    out = shell(RTSTRUCT_CLASS)
    out.Modality = "RTSTRUCT"
    out.StructureSetROISequence = Sequence([item(ROINumber=n, ROIName=name) for n, name in enumerate(drawn)])
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    regions = []
    for n, circles in enumerate(drawn.values()):
        rings = [np.stack([np.full(200, k), row + r * np.sin(angle), column + r * np.cos(angle)], axis=1) for k, row, column, r in circles]
        points = [[f"{v:.6f}" for v in grid.to_mm(ring).ravel()] for ring in rings]
        made = [item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=200, ContourData=p) for p in points]
        regions.append(item(ReferencedROINumber=n, ContourSequence=Sequence(made)))
    out.ROIContourSequence = Sequence(regions)
    out.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("name", GRIDS)
def test_contours_hold_the_voxels_whose_centres_they_enclose(name: str, tmp_path: Path) -> None:
    grid = GRIDS[name]
    drawn = {"Tumour": [(3, 11.2, 9.3, 6.4), (4, 11.2, 9.3, 5.3)], "Ring": [(5, 11.2, 9.3, 8.1), (5, 11.2, 9.3, 4.2)]}
    read = read_rtstruct(contours(tmp_path / "rt.dcm", grid, drawn), grid)
    rows, columns = np.mgrid[0:24, 0:20]
    far = np.hypot(rows - 11.2, columns - 9.3)
    assert np.array_equal(read.masks["Tumour"].voxels[3], far < 6.4)
    assert np.array_equal(read.masks["Tumour"].voxels[4], far < 5.3)
    assert np.array_equal(read.masks["Ring"].voxels[5], (far < 8.1) & (far > 4.2))
    assert read.masks["Ring"].voxels.sum() == read.masks["Ring"].voxels[5].sum()


def test_contours_across_slices_are_refused_and_those_beyond_the_grid_counted(tmp_path: Path) -> None:
    grid = GRIDS["axial"]
    path = contours(tmp_path / "rt.dcm", grid, {"Tumour": [(30, 11, 9, 5)]})
    assert read_rtstruct(path, grid).outside == 1
    with pytest.raises(ShokenError, match="do not lie in the slices"):
        read_rtstruct(path, GRIDS["oblique"])
