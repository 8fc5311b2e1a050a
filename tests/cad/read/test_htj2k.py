"""High-Throughput JPEG 2000 in all three transfer syntaxes; the codestreams were made once (tests/data/htj2k/README.md)."""

from __future__ import annotations

from pathlib import Path

import factory
import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL

from cad.read.assemble import Assembled

DATA = Path(__file__).resolve().parents[2] / "data" / "htj2k"
SIGNED_OFFSET = 1500


def picture() -> np.ndarray:
    """What was encoded: integers 103 to 3028, (48, 40)."""
    rows, columns = np.mgrid[0:48, 0:40]
    return ((rows - 24) ** 2 + (columns - 20) ** 2) * 3 + (7 * rows + 13 * columns) % 17 + 100


def read(codestream: bytes, syntax: str, folder: Path, *, signed: bool = False) -> Assembled:
    """Three slices of the same codestream."""
    datasets = factory.build(lambda where: np.zeros(where.shape), factory.Layout(factory.small_grid((3, 48, 40))))
    for dataset in datasets:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelRepresentation, dataset.RescaleIntercept = int(signed), 0
        dataset.PixelData = encapsulate([codestream])
    return factory.read_back(factory.save(datasets, folder))[1]


@pytest.mark.parametrize(
    ("name", "syntax", "off"),
    [("lossless_201", HTJ2KLossless, 0), ("rpcl_202", HTJ2KLosslessRPCL, 0), ("lossless_201", HTJ2K, 0), ("lossy_203", HTJ2K, 30)],
)
def test_each_syntax_is_decoded_to_what_was_encoded(name: str, syntax: str, off: int, tmp_path: Path) -> None:
    (volume,) = read((DATA / f"{name}.j2c").read_bytes(), syntax, tmp_path).volumes
    error = np.abs(volume.voxels.astype(int) - picture())
    assert error.max() <= off
    assert (error.max() > 0) == (off > 0), "the lossy codestream must be lossy, or it tests nothing"


def test_signed_values_keep_their_sign(tmp_path: Path) -> None:
    (volume,) = read((DATA / "signed_201.j2c").read_bytes(), HTJ2KLossless, tmp_path, signed=True).volumes
    assert volume.voxels.min() < 0
    assert np.array_equal(volume.voxels[1] + SIGNED_OFFSET, picture())


def test_a_codestream_cut_short_and_closed_again_is_refused(tmp_path: Path) -> None:
    whole = (DATA / "lossless_201.j2c").read_bytes()
    cut = read(whole[: len(whole) // 2] + b"\xff\xd9", HTJ2KLossless, tmp_path)
    assert not cut.volumes
    assert {r.reason for r in cut.refusals} == {"truncated"}


def test_a_missing_decoder_names_its_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cad.read.decoders.find_spec", lambda module: None)
    read_ = read((DATA / "lossless_201.j2c").read_bytes(), HTJ2KLossless, tmp_path)
    assert all(r.reason == "decoder_missing" and "pip install pylibjpeg-openjpeg" in r.detail for r in read_.refusals)
    assert len(read_.refusals) == 3
