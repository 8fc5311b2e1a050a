"""Where a compressed frame lies: fragments, offset tables of both kinds, segments of RLE; each decoded to what was encoded."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import defects
import factory
import numpy as np
import pytest
from factory import Datasets, Layout
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import encapsulate_extended, generate_fragments, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from cad.read.assemble import Assembled

SYNTAXES = [RLELossless, JPEGLSLossless, JPEG2000Lossless]
FRAMES = 12


def item(data: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + struct.pack("<L", len(data)) + data


def halves(frame: bytes, count: int) -> list[bytes]:
    """A frame in `count` fragments of even length."""
    step = -(-len(frame) // count) // 2 * 2 + 2
    return [frame[at : at + step] for at in range(0, len(frame), step)]


def fragmented(frames: list[bytes], count: int, *, table: bool) -> bytes:
    """Encapsulated pixel data of several fragments a frame, with or without a basic offset table."""
    parts = [halves(frame, count) for frame in frames]
    lengths = [sum(8 + len(part) for part in frame) for frame in parts]
    offsets = [sum(lengths[:k]) for k in range(len(frames))] if table else []
    body = b"".join(item(part) for frame in parts for part in frame)
    return item(struct.pack(f"<{len(offsets)}L", *offsets)) + body


def packed(syntax: str) -> tuple[Dataset, list[bytes], np.ndarray]:
    """An enhanced CT object, its frames compressed one by one, and the HU."""
    (enhanced,) = defects.enhanced(defects.whole(), range(FRAMES))
    (plain,) = defects.enhanced(defects.whole(), range(FRAMES))
    enhanced.compress(syntax, generate_instance_uid=False)
    truth = np.frombuffer(plain.PixelData, np.uint16).reshape(FRAMES, plain.Rows, plain.Columns).astype(int) - 1024
    return enhanced, list(generate_frames(enhanced.PixelData, number_of_frames=FRAMES)), truth


def read(datasets: Datasets, folder: Path) -> Assembled:
    paths = factory.save(datasets, folder)
    scan, assembled = factory.read_back(paths)
    assert not factory.unaccounted(paths, scan, assembled)
    return Assembled(assembled.volumes, (*scan.refusals, *assembled.refusals), assembled.warnings)


def rle(values: np.ndarray) -> bytes:
    """PS3.5 annex G: one segment a byte, the highest first, in literal runs (encoders at hand stop at 16 bits)."""
    planes = values.astype(values.dtype.newbyteorder(">")).reshape(-1, 1).view(np.uint8).T
    runs = [[row[at : at + 128] for at in range(0, len(row), 128)] for row in map(bytes, planes)]
    segments = [b"".join(bytes([len(run) - 1]) + run for run in row) for row in runs]
    segments = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    offsets = [64 + sum(map(len, segments[:k])) for k in range(len(segments))]
    return struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_frames_in_fragments_are_joined_or_refused_never_mixed_up(syntax: str, count: int, table: bool, tmp_path: Path) -> None:
    dataset, frames, truth = packed(syntax)
    dataset.PixelData = fragmented(frames, count, table=table)
    assert len(list(generate_fragments(dataset.PixelData))) > FRAMES * count
    got = read([dataset], tmp_path)
    if count > 1 and not table and syntax == RLELossless:  # RLE has no mark at its start; the standard allows one fragment only
        assert [(r.reason, "nothing that tells them apart" in r.detail) for r in got.refusals] == [("undecodable", True)]
        return
    (volume,) = got.volumes
    assert np.array_equal(volume.voxels, truth)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_extended_offset_table_is_read_past(syntax: str, tmp_path: Path) -> None:
    dataset, frames, truth = packed(syntax)
    dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    (volume,) = read([dataset], tmp_path).volumes
    assert np.array_equal(volume.voxels, truth)


@pytest.mark.parametrize("spoil", [lambda t: t + 2, lambda t: t[::-1], lambda t: np.r_[t[:-1], 1 << 30]])
def test_an_offset_table_that_points_nowhere_is_refused(spoil: object, tmp_path: Path) -> None:
    dataset, frames, _ = packed(JPEGLSLossless)
    whole = fragmented(frames, 3, table=True)
    offsets = np.frombuffer(whole[8 : 8 + 4 * FRAMES], "<u4")
    dataset.PixelData = whole[:8] + spoil(offsets).astype("<u4").tobytes() + whole[8 + 4 * FRAMES :]  # type: ignore[operator]
    got = read([dataset], tmp_path)
    assert not got.volumes
    assert {r.reason for r in got.refusals} == {"undecodable"}


def test_a_frame_too_few_is_refused(tmp_path: Path) -> None:
    dataset, frames, _ = packed(JPEG2000Lossless)
    dataset.PixelData = fragmented(frames[:-1], 3, table=False)
    assert {r.reason for r in read([dataset], tmp_path).refusals} == {"undecodable"}


@pytest.mark.parametrize("syntax", SYNTAXES[1:])
def test_a_second_image_behind_the_only_frame_is_refused(syntax: str, tmp_path: Path) -> None:
    datasets = defects.whole()
    for dataset in datasets:
        dataset.compress(syntax, generate_instance_uid=False)
    (one,), (other,) = (list(generate_frames(d.PixelData, number_of_frames=1)) for d in datasets[:2])
    datasets[0].PixelData = fragmented([one, other], 1, table=False)
    got = read(datasets, tmp_path)
    assert [(r.reason, "2 compressed images" in r.detail) for r in got.refusals] == [("undecodable", True)]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_rle_of_one_two_and_four_segments(bits: int, signed: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(bits)
    dtype = np.dtype(f"{'i' if signed else 'u'}{bits // 8}")
    high = min(np.iinfo(dtype).max, 1 << 23)  # float32 holds these exactly
    datasets = factory.build(lambda where: np.zeros(where.shape), Layout(factory.small_grid((3, 20, 24))))
    truth = rng.integers(-high if signed else 0, high, (3, 20, 24)).astype(dtype)
    for dataset, values in zip(datasets, truth, strict=True):
        dataset.BitsAllocated = dataset.BitsStored = bits
        dataset.HighBit, dataset.PixelRepresentation, dataset.RescaleIntercept = bits - 1, int(signed), 0
        dataset.file_meta.TransferSyntaxUID = RLELossless
        dataset.PixelData = fragmented([rle(values)], 1, table=False)
    (volume,) = read(datasets, tmp_path).volumes
    assert np.array_equal(volume.voxels.astype(np.int64), truth.astype(np.int64))


def test_a_jpeg_in_colour_is_refused(tmp_path: Path) -> None:
    datasets = factory.build(lambda where: np.zeros(where.shape), Layout(factory.small_grid((3, 48, 40))))
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 40, 3), np.uint8)).save(code := BytesIO(), "JPEG")
    for dataset in datasets:
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "YBR_FULL_422", 0
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.PixelData = fragmented([code.getvalue() + b"\0" * (len(code.getvalue()) % 2)], 1, table=False)
    assert {r.reason for r in read(datasets, tmp_path / "colour").refusals} == {"colour_image"}
    for dataset in datasets:  # the header says grey, the codestream holds three components
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        del dataset.PlanarConfiguration
    got = read(datasets, tmp_path / "grey")
    assert not got.volumes
    assert {r.reason for r in got.refusals} == {"colour_image"}
