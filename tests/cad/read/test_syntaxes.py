"""Every transfer syntax against an uncompressed twin or a file encoded here; a missing decoder names its package."""

from __future__ import annotations

from pathlib import Path

import factory
import gdcm
import jpeg_ls
import numpy as np
import pytest
from factory import Layout
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEGBaseline8Bit, JPEGLSLossless

from cad.read import pixels
from cad.read.decoders import DECODERS, Coded, decode
from cad.read.facts import TAGS, facts_of
from cad.read.frame_bytes import FrameFile
from cad.read.header import read_header
from cad.read.pixels import significant, stored_values
from cad.study import InstanceRef

GRID = factory.small_grid((3, 96, 80))
IMAGES = ("CT1", "CT2", "MR1")
LOSSLESS = ("RLE", "J2KR", "JPLL", "JLSL")
LOSSY = {"J2KI": 60, "JLSN": 8, "JPLY": 30}  # mean absolute difference, stored units, that the encoder's setting explains


def read_stored(path: Path) -> np.ndarray:
    header = read_header(path, TAGS)
    (facts,) = facts_of(header, [InstanceRef("", "", path)])
    return significant(stored_values(FrameFile(path, header), facts), facts).astype(np.int64)


def twin(folder: Path, image: str, target: Path) -> np.ndarray:
    zstandard = pytest.importorskip("zstandard")
    with (folder / f"{image}_UNC.zst").open("rb") as source, target.open("wb") as plain:
        zstandard.ZstdDecompressor().copy_stream(source, plain)
    return read_stored(target)


@pytest.mark.parametrize("image", IMAGES)
def test_each_compressed_image_equals_its_twin(image: str, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "wg04_compressed"
    truth = twin(folder, image, tmp_path / "plain")
    for path in sorted(folder.glob(f"{image}_*")):
        syntax = path.name.split("_")[1]
        if syntax in LOSSLESS:
            assert np.array_equal(read_stored(path), truth), path.name
        elif syntax in LOSSY:
            off = np.abs(read_stored(path) - truth)
            assert off.mean() < LOSSY[syntax], path.name
            assert np.corrcoef(read_stored(path).ravel(), truth.ravel())[0, 1] > 0.99, path.name


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_signed_jpeg_ls_is_decoded_bit_for_bit(bits: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(bits)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    datasets = factory.build(lambda where: np.zeros(where.shape), Layout(GRID))
    truth = [np.clip(rng.normal(0, high / 3, (96, 80)), low, high).astype(np.int16) for _ in datasets]
    for dataset, values in zip(datasets, truth, strict=True):
        raw = values.view(np.uint16) & np.uint16((1 << bits) - 1)
        code = jpeg_ls.encode_buffer(raw.tobytes(), 96, 80, 1, bits, interleave_mode=0)
        dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation, dataset.RescaleIntercept = bits, bits - 1, 1, 0
        dataset.PixelData = encapsulate([bytes(code)])
    (volume,) = factory.read_back(factory.save(datasets, tmp_path))[1].volumes
    assert np.array_equal(volume.voxels, np.stack(truth))


def test_jpeg_baseline_agrees_with_another_decoder(tmp_path: Path) -> None:
    from io import BytesIO

    rows, columns = np.mgrid[0:96, 0:80]
    picture = Image.fromarray((127 + 100 * np.sin(rows / 9) * np.cos(columns / 7)).astype(np.uint8))
    picture.save(code := BytesIO(), "JPEG", quality=92)
    ours = decode(code.getvalue(), Coded(JPEGBaseline8Bit, 96, 80, 8, 8, False))
    assert np.abs(ours.astype(int) - np.asarray(Image.open(code)).astype(int)).max() <= 1


@pytest.mark.parametrize("suffix", ["JLSL", "J2KR", "RLE"])
def test_gdcm_agrees_where_it_is_right(suffix: str, shared_data: Path) -> None:
    for path in sorted((shared_data / "wg04_compressed").glob(f"*_{suffix}")):
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        theirs = np.frombuffer(reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape"), "<i2").astype(np.int64)
        ours = read_stored(path).ravel()
        assert np.array_equal(ours & 0xFFFF, theirs & 0xFFFF), path.name


def test_a_jpeg_cut_short_and_closed_again_is_refused(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "wg04_compressed" / "CT1_JPLL"
    header = read_header(path, TAGS)
    (facts,) = facts_of(header, [InstanceRef("", "", path)])
    stream = FrameFile(path, header).codestream(0)
    coded = Coded(header.syntax, facts.rows, facts.columns, facts.bits_allocated, facts.bits_stored, facts.signed)
    with pytest.raises(pixels.PixelError) as refused:
        pixels.WORKERS.decode(stream[: len(stream) // 2] + b"\xff\xd9", coded)
    assert refused.value.reason == "truncated"


def test_a_missing_decoder_names_its_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "missing_package", lambda syntax: DECODERS[syntax].package)
    datasets = factory.build(lambda where: np.zeros(where.shape), Layout(GRID))
    for dataset in datasets:
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    _, read = factory.read_back(factory.save(datasets, tmp_path))
    assert {r.reason for r in read.refusals} == {"decoder_missing"}
    assert all("pip install pyjpegls" in r.detail for r in read.refusals)


def test_an_unknown_syntax_is_refused_by_name(tmp_path: Path) -> None:
    datasets = factory.build(lambda where: np.zeros(where.shape), Layout(GRID))
    for dataset in datasets:
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.100")  # MPEG2
    _, read = factory.read_back(factory.save(datasets, tmp_path))
    assert {r.reason for r in read.refusals} == {"unsupported_syntax"}
