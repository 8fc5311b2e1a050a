"""Stored values: bits, signs and declared sizes, before and after decoding."""

from __future__ import annotations

import struct
from pathlib import Path

import factory
import numpy as np
import pytest
from factory import Datasets, Layout
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

GRID = factory.small_grid((4, 96, 80))


def series(signed: bool = False, bits: int = 16) -> Datasets:
    rng = np.random.default_rng(7)
    datasets = factory.build(lambda where: np.zeros(where.shape), Layout(GRID))
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    for dataset in datasets:
        stored = rng.integers(low, high, (96, 80), endpoint=True)
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = int(signed), bits, bits - 1
        dataset.RescaleIntercept = 0
        dataset.PixelData = stored.astype(np.int16 if signed else np.uint16).tobytes()
    return datasets


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize(("signed", "bits"), [(False, 12), (False, 16), (True, 12), (True, 14), (True, 16)])
def test_lossless_syntaxes_give_the_stored_values_bit_for_bit(syntax: str | None, signed: bool, bits: int, tmp_path: Path) -> None:
    datasets = series(signed, bits)
    dtype = np.int16 if signed else np.uint16
    truth = np.stack([np.frombuffer(d.PixelData, dtype).reshape(96, 80) for d in datasets])
    for dataset in datasets if syntax else ():
        if syntax == JPEGLSLossless and signed:
            pytest.skip("the encoder does not write signed JPEG-LS; the real signed series is compared with its twins")
        dataset.compress(syntax, generate_instance_uid=False)
    scan, read = factory.read_back(factory.save(datasets, tmp_path))
    assert not scan.refusals
    (volume,) = read.volumes
    assert np.array_equal(volume.voxels.astype(int), truth.astype(int))
    assert volume.voxels.dtype == (np.float32 if truth.max() > 32767 else np.int16)


def test_values_that_do_not_fit_the_declared_bits_are_refused_not_cut(tmp_path: Path) -> None:
    datasets = series(bits=16)
    for dataset in datasets:
        dataset.BitsStored, dataset.HighBit = 12, 11
    _, read = factory.read_back(factory.save(datasets, tmp_path))
    assert {r.reason for r in read.refusals} == {"unsupported_bits"}
    assert len(read.refusals) == 4


def test_signed_values_without_their_sign_extension_are_extended(tmp_path: Path) -> None:
    datasets = series(signed=True, bits=12)
    truth = np.stack([np.frombuffer(d.PixelData, np.int16).reshape(96, 80) for d in datasets])
    for dataset in datasets:
        dataset.PixelData = (np.frombuffer(dataset.PixelData, np.uint16) & 0x0FFF).tobytes()
    _, read = factory.read_back(factory.save(datasets, tmp_path))
    assert np.array_equal(read.volumes[0].voxels, truth)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_truncated_codestreams_are_refused_not_read_as_black(syntax: str, tmp_path: Path) -> None:
    datasets = series(bits=12)
    for dataset in datasets:
        dataset.compress(syntax, generate_instance_uid=False)
    stream = get_frame(datasets[1].PixelData, 0, number_of_frames=1)
    half = stream[: len(stream) // 4 * 2]
    datasets[1].PixelData = encapsulate([half])
    paths = factory.save(datasets, tmp_path)
    scan, read = factory.read_back(paths)
    reasons = factory.reasons_by_path((*scan.refusals, *read.refusals))
    assert reasons[str(paths[1])] in {"truncated", "undecodable"}
    assert not read.volumes


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_codestream_that_declares_another_size_is_refused_before_decoding(syntax: str, tmp_path: Path) -> None:
    datasets = series(bits=12)
    for dataset in datasets:
        dataset.compress(syntax, generate_instance_uid=False)
        data = bytearray(dataset.PixelData)
        old, new = (struct.pack(">2L", 80, 96), struct.pack(">2L", 60000, 60000))
        if syntax == JPEGLSLossless:
            old, new = struct.pack(">2H", 96, 80), struct.pack(">2H", 60000, 60000)
        at = data.find(old)
        data[at : at + len(new)] = new
        dataset.PixelData = bytes(data)
    _, read = factory.read_back(factory.save(datasets, tmp_path))
    assert {r.reason for r in read.refusals} == {"size_refused"}


def test_an_rle_header_with_wrong_offsets_never_reaches_the_decoder(tmp_path: Path) -> None:
    datasets = series(bits=12)
    for k, dataset in enumerate(datasets):
        dataset.compress(RLELossless, generate_instance_uid=False)
        wrong = struct.pack("<16L", *([2, 64, 0xFFFFFF00], [9, 64, 70], [2, 4, 90], [2, 90, 64])[k], *[0] * 13)
        dataset.PixelData = encapsulate([wrong + b"\x81\x00" * 30])
    _, read = factory.read_back(factory.save(datasets, tmp_path))
    assert {r.reason for r in read.refusals} == {"undecodable"}
